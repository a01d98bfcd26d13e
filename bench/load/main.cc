// cairn-load: load for any etcd v3 endpoint. See --help.
#include <cstdio>

#include "bench/load/options.h"
#include "bench/load/runner.h"

namespace cairn::load {
namespace {

double Micros(uint64_t nanos) { return static_cast<double>(nanos) / 1e3; }

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
  return out;
}

void PrintJson(const Outcome& o) {
  const auto ok = static_cast<double>(o.latency.count());
  std::printf("{\"ops\":%.0f,\"seconds\":%.3f,\"ops_per_second\":%.1f,", ok, o.seconds,
              ok / o.seconds);
  std::printf(
      "\"latency_us\":{\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p99.9\":%.1f,"
      "\"max\":%.1f},",
      o.latency.mean() / 1e3, Micros(o.latency.Quantile(0.5)), Micros(o.latency.Quantile(0.9)),
      Micros(o.latency.Quantile(0.99)), Micros(o.latency.Quantile(0.999)), Micros(o.latency.max()));
  std::printf("\"errors\":{");
  const char* comma = "";
  for (size_t code = 1; code < o.by_code.size(); ++code) {
    if (o.by_code[code] == 0) continue;
    std::printf("%s\"%s\":%llu", comma,
                std::string(StatusCodeName(static_cast<StatusCode>(code))).c_str(),
                static_cast<unsigned long long>(o.by_code[code]));
    comma = ",";
  }
  std::printf(
      "},\"first_error\":\"%s\",\"longest_gap_ms\":%.1f,\"reconnects\":%llu,"
      "\"client_cpu_us_per_op\":%.2f}\n",
      Escaped(o.first_error).c_str(),
      std::chrono::duration<double, std::milli>(o.longest_gap).count(),
      static_cast<unsigned long long>(o.reconnects), ok > 0 ? o.cpu_seconds * 1e6 / ok : 0.0);
}

void PrintText(const Outcome& o) {
  const auto ok = static_cast<double>(o.latency.count());
  std::printf("%.0f calls in %.2f s: %.1f/s\n", ok, o.seconds, ok / o.seconds);
  std::printf("latency us: mean %.1f  p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f\n",
              o.latency.mean() / 1e3, Micros(o.latency.Quantile(0.5)),
              Micros(o.latency.Quantile(0.9)), Micros(o.latency.Quantile(0.99)),
              Micros(o.latency.Quantile(0.999)), Micros(o.latency.max()));
  std::printf("errors: %llu", static_cast<unsigned long long>(o.errors()));
  for (size_t code = 1; code < o.by_code.size(); ++code) {
    if (o.by_code[code] == 0) continue;
    std::printf("  %s %llu", std::string(StatusCodeName(static_cast<StatusCode>(code))).c_str(),
                static_cast<unsigned long long>(o.by_code[code]));
  }
  std::printf("\n");
  if (!o.first_error.empty()) std::printf("first error: %s\n", o.first_error.c_str());
  std::printf("longest time without a success: %.1f ms, reconnects: %llu\n",
              std::chrono::duration<double, std::milli>(o.longest_gap).count(),
              static_cast<unsigned long long>(o.reconnects));
  std::printf("CPU of this process: %.2f us a call\n", ok > 0 ? o.cpu_seconds * 1e6 / ok : 0.0);
}

int Main(int argc, char** argv) {
  const Options options = ParseCommandLine(argc, argv);
  Runner runner(options);
  const Status preloaded = runner.Preload();
  if (!preloaded.ok()) {
    std::fprintf(stderr, "cairn-load: %s\n", preloaded.message().c_str());
    return 1;
  }
  const Outcome outcome = runner.Run();
  if (options.json) {
    PrintJson(outcome);
  } else {
    PrintText(outcome);
  }
  return outcome.latency.count() == 0 ? 1 : 0;
}

}  // namespace
}  // namespace cairn::load

int main(int argc, char** argv) { return cairn::load::Main(argc, argv); }
