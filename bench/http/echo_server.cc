// The front end alone, for measuring: /test.Echo/Echo answers a unary call with its own bytes,
// /echo over HTTP. Prints, for each second with calls, calls a second and CPU microseconds a call.
//   cairn-http-echo [HOST:PORT] [seconds to run]
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "src/env/posix/real_env.h"
#include "src/http/server.h"

namespace {

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace cairn;  // NOLINT: one small program
  env::posix::RealEnv world;
  const auto server = http::Server::Create(world.env(), http::Options());
  uint64_t calls = 0;
  server->HandleUnary("/test.Echo/Echo",
                      [&](const http::CallInfo&, std::string_view message, http::UnaryCall call) {
                        ++calls;
                        call.Reply(std::string(message));
                      });
  // header { cluster_id, member_id, revision, raft_term }, as a member of a real cluster fills
  // them.
  const std::string put_response =
      "\x0a\x1a\x08\x81\x82\x83\x84\x85\x86\x87\x88\x01\x10\x91\x92\x93\x94\x95\x96\x97\x98\x01\x18"
      "\xc0\x84"
      "\x3d\x20\x02";
  for (const char* path : {"/etcdserverpb.KV/Put", "/etcdserverpb.KV/Range"}) {
    server->HandleUnary(path, [&](const http::CallInfo&, std::string_view, http::UnaryCall call) {
      ++calls;
      call.Reply(put_response);
    });
  }
  server->HandleHttp("/echo", [&](const http::HttpRequest& request, http::HttpCall call) {
    ++calls;
    call.Reply(200, "application/octet-stream", std::string(request.body));
  });
  const auto bound = server->Listen({argc > 1 ? argv[1] : "127.0.0.1:50051"});
  if (!bound.ok()) {
    std::fprintf(stderr, "%s\n", bound.status().ToString().c_str());
    return 1;
  }
  std::printf("listening on %s\n", bound.value().text.c_str());
  const double end = argc > 2 ? std::atof(argv[2]) : 1e9;
  env::Executor& executor = world.loop();
  const env::Time start = executor.NowExact();
  while (std::chrono::duration<double>(executor.NowExact() - start).count() < end) {
    const env::Time second = executor.NowExact();
    const uint64_t calls_before = calls;
    const double cpu_before = CpuSeconds();
    while (executor.NowExact() - second < env::seconds(1))
      world.loop().RunTurn(env::milliseconds(100));
    const uint64_t n = calls - calls_before;
    if (n == 0) continue;
    const double wall = std::chrono::duration<double>(executor.NowExact() - second).count();
    std::printf("%8.0f calls/s  %5.2f us CPU a call\n", static_cast<double>(n) / wall,
                (CpuSeconds() - cpu_before) * 1e6 / static_cast<double>(n));
    std::fflush(stdout);
  }
  return 0;
}
