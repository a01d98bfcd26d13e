// cairn: the one binary. It ends with status 0 when asked to by SIGTERM or SIGINT, 2 when the
// command line is wrong, 1 when a member cannot start.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "src/base/log.h"
#include "src/cli/command_line.h"
#include "src/env/posix/real_env.h"
#include "src/env/posix/signals.h"
#include "src/server/log_sink.h"
#include "src/server/server.h"

namespace cairn::cli {
namespace {

constexpr int kCannotStart = 1;
constexpr int kBadCommandLine = 2;

int Complain(const std::string& message, int exit_status) {
  std::fprintf(stderr, "cairn: %s\n", message.c_str());
  return exit_status;
}

// Each client and each file of the store is a descriptor; the soft limit is often 1,024 only.
void RaiseOpenFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    log::Warn("cannot raise the limit of open files", {{"limit", limit.rlim_cur}});
  }
}

int Serve(server::Config config) {
  env::posix::RealEnv real;
  env::posix::Loop& loop = real.loop();
  const server::UnixClock clock = [&loop] { return loop.UnixNanos(); };
  auto sink = server::MakeLogSink(config.log, clock);
  if (!sink.ok()) return Complain(sink.status().message(), kBadCommandLine);
  log::SetSink(*std::move(sink), config.log.level);
  log::Info("cairn starts", {{"version", CAIRN_VERSION},
                             {"name", config.name},
                             {"data-dir", config.data_dir},
                             {"initial-cluster", server::ToString(config.initial_cluster)}});
  for (const std::string& warning : config.warnings) log::Warn(warning);
  RaiseOpenFileLimit();

  // Before any thread is started: threads inherit what is blocked. A log or a client that is gone
  // is seen as an error of the write, not as a signal.
  std::signal(SIGPIPE, SIG_IGN);
  std::unique_ptr<server::Server> server;
  bool stopping = false;
  env::posix::SignalWatcher signals(loop, {SIGTERM, SIGINT}, [&](int signal) {
    if (std::exchange(stopping, true)) return;
    log::Info("received signal; shutting down", {{"signal", signal}});
    server->Stop([&loop] { loop.Stop(); });
  });
  auto started = server::Server::Start(real.env(), std::move(config));
  if (!started.ok()) {
    log::Error("cannot start", {{"error", started.status()}});
    log::SetSink(nullptr, log::Level::kWarn);
    return Complain(started.status().message(), kCannotStart);
  }
  server = *std::move(started);
  loop.Run();
  server.reset();
  log::Info("stopped");
  // The sink uses the loop's clock.
  log::SetSink(nullptr, log::Level::kWarn);
  return 0;
}

int Main(std::vector<std::string> arguments, std::vector<std::string> environment) {
  env::posix::PosixFileSystem files;
  auto request = ReadCommandLine(arguments, environment, files);
  if (!request.ok()) return Complain(request.status().message(), kBadCommandLine);
  if (request->action == Action::kServe) return Serve(std::move(request->config));
  std::fputs(request->text.c_str(), stdout);
  return 0;
}

}  // namespace
}  // namespace cairn::cli

int main(int argc, char** argv) {
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable)
    environment.emplace_back(*variable);
  return cairn::cli::Main({argv, argv + argc}, std::move(environment));
}
