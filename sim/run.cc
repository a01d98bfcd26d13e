#include "sim/run.h"

#include <fmt/format.h>

#include <cstdio>

#include "sim/checkers/exactly_once.h"
#include "sim/checkers/linearizability.h"
#include "sim/checkers/revisions.h"
#include "sim/client.h"
#include "sim/cluster.h"
#include "sim/nemesis.h"
#include "src/base/log.h"

namespace cairn::sim {

using env::Duration;
using env::milliseconds;
using env::seconds;

namespace {

double Seconds(Duration d) { return static_cast<double>(d.count()) / 1e9; }

class Simulation {
 public:
  explicit Simulation(const RunOptions& options)
      : options_(options),
        world_(options.seed, options.world),
        cluster_(world_, options, violations_),
        clients_(world_, cluster_, options),
        nemesis_(world_, cluster_, options) {}

  void Log() {
    log::SetSink(
        [this](log::Level level, std::string_view message, std::span<const log::Field> fields) {
          std::string line =
              fmt::format("{:10.6f} {:>3} {} {}", Seconds(world_.now().since_start),
                          world_.running() != nullptr ? world_.running()->name() : "-",
                          "DIWE"[static_cast<int>(level)], message);
          for (const log::Field& f : fields) line += fmt::format(" {}={}", f.key, f.value);
          std::fprintf(stderr, "%s\n", line.c_str());
        },
        log::Level::kDebug);
  }

  RunResult Go() {
    SafetyPhase();
    if (violations_.empty()) LivenessPhase();
    if (violations_.empty()) FinalChecks();
    RunResult result;
    result.violations = violations_.found();
    result.hash = world_.hash();
    result.events = world_.events();
    result.virtual_time = world_.now().since_start;
    const History& history = clients_.history();
    result.requests = history.operations().size();
    result.succeeded = history.count(Outcome::kOk);
    result.unknown = history.count(Outcome::kUnknown) + history.count(Outcome::kOpen);
    result.faults = nemesis_.faults();
    result.entries = cluster_.committed().entries().size();
    result.terms = cluster_.elections().terms_with_leader();
    result.summary = fmt::format(
        "{:.1f} s, {} events, {} requests ({} ok, {} unknown), {} entries, {} leaders, {} states "
        "compared; {}",
        Seconds(result.virtual_time), result.events, result.requests, result.succeeded,
        result.unknown, result.entries, result.terms, cluster_.hashes().compared(),
        nemesis_.Summary());
    if (!violations_.empty()) result.members = cluster_.Describe();
    return result;
  }

 private:
  bool Until(Duration bound, absl::FunctionRef<bool()> done) {
    const auto over = [&] { return !violations_.empty() || done(); };
    return world_.RunUntil(world_.now() + bound, over) && violations_.empty();
  }

  void SafetyPhase() {
    for (size_t i = 0; i < cluster_.size(); ++i) cluster_.Start(i);
    clients_.Start();
    // The nemesis waits for a first sign of life, so that it has something to harm.
    Until(options_.election * 4, [&] { return clients_.history().count(Outcome::kOk) > 0; });
    nemesis_.Start();
    Until(options_.safety_phase, [] { return false; });
    succeeded_under_fire_ = clients_.history().count(Outcome::kOk);
  }

  void LivenessPhase() {
    nemesis_.Heal();
    // What was under way may have to time out first: a connection, a request, a few elections.
    const Duration bound = options_.world.network.connect_timeout + options_.request_timeout +
                           options_.election * 20 + seconds(10);
    const auto stuck = [&](const char* what) {
      if (violations_.empty()) {
        violations_.Report("liveness", fmt::format("{} within {:.1f} s after the faults ended",
                                                   what, Seconds(bound)));
      }
    };
    if (!Until(bound, [&] { return cluster_.Leader().has_value(); })) return stuck("no leader");
    clients_.ResetProgress();
    if (!Until(bound, [&] { return clients_.AllMadeProgress(2); }))
      return stuck("a client got no answers");
    clients_.Stop();
    if (!Until(bound, [&] { return clients_.Idle(); })) return stuck("a request stays open");
    if (!Until(bound, [&] { return cluster_.CaughtUp(); }))
      return stuck("a member did not catch up");
    if (!clients_.ReadEverything(world_.now() + bound)) return stuck("a last read failed");
  }

  void FinalChecks() {
    const History& history = clients_.history();
    CheckExactlyOnce(history, cluster_.CommittedValues(), violations_);
    CheckRevisions(history, violations_);
    CheckLinearizability(history, clients_.keys(), violations_);
    // Vacuity: a run in which too little happened shows nothing.
    if (succeeded_under_fire_ < 5) {
      violations_.Report("vacuity", fmt::format("only {} requests succeeded while faults were on",
                                                succeeded_under_fire_));
    }
    if (options_.AnyFault() && nemesis_.faults() == 0)
      violations_.Report("vacuity", "no fault happened");
    if (cluster_.hashes().compared() == 0)
      violations_.Report("vacuity", "no two states were compared");
  }

  RunOptions options_;
  Violations violations_;
  env::sim::World world_;
  Cluster cluster_;
  Clients clients_;
  Nemesis nemesis_;
  size_t succeeded_under_fire_ = 0;
};

}  // namespace

RunResult Run(const RunOptions& options, bool log) {
  Simulation simulation(options);
  if (log) {
    simulation.Log();
  } else {
    log::SetSink([](log::Level, std::string_view, std::span<const log::Field>) {},
                 log::Level::kError);
  }
  RunResult result = simulation.Go();
  log::SetSink(nullptr, log::Level::kWarn);
  return result;
}

}  // namespace cairn::sim
