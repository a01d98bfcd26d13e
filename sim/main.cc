// cairn-sim: runs seeds and says of each whether it held. A seed that fails is printed with the one
// command that replays it; the exit code is 1 then.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "sim/run.h"

namespace cairn::sim {
namespace {

char replay_line[256];

// A CHECK in a member aborts the process: say which seed that was.
extern "C" void OnAbort(int) {
  const char* parts[] = {"\nFAILED by a CHECK. Replay: ", replay_line, "\n"};
  for (const char* part : parts) {
    if (write(STDERR_FILENO, part, std::strlen(part)) < 0) break;
  }
}

std::string Replay(uint64_t seed, const std::string& extra) {
  return fmt::format("./x sim --seed {}{}", seed, extra);
}

struct Arguments {
  uint64_t seed = 0;
  bool seed_given = false;
  std::string seeds;
  uint64_t count = 1;
  bool verbose = false;
  bool quiet = false;
  uint64_t twice_every = 0;
  Overrides overrides;
  std::string extra;  // what a replay needs beside the seed
};

// 0: held.
int RunSeed(uint64_t seed, const Arguments& arguments) {
  const std::string replay = Replay(seed, arguments.extra);
  replay.copy(replay_line, sizeof replay_line - 1);
  replay_line[std::min(replay.size(), sizeof replay_line - 1)] = '\0';
  const RunOptions options = DrawOptions(seed, arguments.overrides);
  if (!arguments.quiet) fmt::print("seed {}: {}\n", seed, options.ToString());
  std::fflush(stdout);
  RunResult result = Run(options, arguments.verbose);
  if (arguments.twice_every > 0 && seed % arguments.twice_every == 0) {
    const RunResult again = Run(options, false);
    if (again.hash != result.hash)
      result.violations.push_back({"determinism", "the same seed, another run"});
  }
  if (!arguments.quiet)
    fmt::print("seed {}: hash {:016x}; {}\n", seed, result.hash, result.summary);
  if (result.violations.empty()) return 0;
  if (arguments.quiet)
    fmt::print("seed {}: {}\nseed {}: {}\n", seed, options.ToString(), seed, result.summary);
  for (size_t i = 0; i < result.violations.size() && i < 5; ++i) {
    fmt::print("seed {}: VIOLATION of {}: {}\n", seed, result.violations[i].checker,
               result.violations[i].what);
  }
  fmt::print("{}FAILED. Replay: {}\n", result.members, replay);
  std::fflush(stdout);
  return 1;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app(
      "Simulates a cluster: the shipping code on a simulated world, one thread, one seed.");
  std::optional<uint64_t> seed;
  double duration = 0;
  std::string only;
  app.add_option("--seed", seed, "the first seed; random when neither this nor --seeds is given");
  app.add_option("--seeds", arguments.seeds, "a range of seeds, A..B, both included");
  app.add_option("--count", arguments.count, "how many seeds, from --seed on");
  app.add_option("--members", arguments.overrides.members,
                 "3 or 5 members instead of what the seed draws");
  app.add_option("--clients", arguments.overrides.clients, "so many clients instead");
  app.add_option("--duration", duration, "seconds of virtual time with faults");
  app.add_flag("--no-faults", arguments.overrides.no_faults, "nothing goes wrong");
  app.add_option("--only", only, "one kind of fault alone, by its name");
  app.add_option("--twice-every", arguments.twice_every,
                 "run every Nth seed twice and compare the hashes");
  app.add_flag("-v,--verbose", arguments.verbose, "the members' log on stderr, with virtual time");
  app.add_flag("-q,--quiet", arguments.quiet, "say something of failing seeds only");
  CLI11_PARSE(app, argc, argv);

  if (arguments.overrides.members)
    arguments.extra += fmt::format(" --members {}", *arguments.overrides.members);
  if (arguments.overrides.clients)
    arguments.extra += fmt::format(" --clients {}", *arguments.overrides.clients);
  if (duration > 0) {
    arguments.overrides.safety_phase = env::milliseconds(static_cast<int64_t>(duration * 1000));
    arguments.extra += fmt::format(" --duration {}", duration);
  }
  if (arguments.overrides.no_faults) arguments.extra += " --no-faults";
  for (int i = 0; i < kFaults && !only.empty(); ++i) {
    if (only == FaultName(static_cast<Fault>(i))) arguments.overrides.only = static_cast<Fault>(i);
  }
  if (!only.empty() && !arguments.overrides.only) {
    fmt::print(stderr, "--only {}: no such fault; see the names that a run prints\n", only);
    return 2;
  }
  if (!only.empty()) arguments.extra += " --only " + only;

  uint64_t first = seed.value_or(0);
  uint64_t last = first + arguments.count - 1;
  if (!arguments.seeds.empty()) {
    if (std::sscanf(arguments.seeds.c_str(), "%lu..%lu", &first, &last) != 2 || last < first) {
      fmt::print(stderr, "--seeds {}: not a range, say 1..200\n", arguments.seeds);
      return 2;
    }
  } else if (!seed) {
    first = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) %
            1'000'000'000;
    last = first + arguments.count - 1;
  }

  signal(SIGABRT, OnAbort);
  const auto begin = std::chrono::steady_clock::now();
  uint64_t failed = 0;
  for (uint64_t s = first; s <= last; ++s) failed += RunSeed(s, arguments) != 0 ? 1 : 0;
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  fmt::print("{} seeds, {} failed, {:.1f} s\n", last - first + 1, failed, took);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace cairn::sim

int main(int argc, char** argv) { return cairn::sim::Main(argc, argv); }
