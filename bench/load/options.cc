#include "bench/load/options.h"

#include <CLI/CLI.hpp>

namespace cairn::load {

Options ParseCommandLine(int argc, char** argv) {
  Options o;
  CLI::App app(
      "Load for any etcd v3 endpoint: latencies and rates of put, range and a mix of both.");
  app.require_subcommand(1);
  app.fallthrough();
  std::string endpoints;
  app.add_option("--endpoints", endpoints, "host:port, several with commas; connections take turns")
      ->default_str("127.0.0.1:2379");
  app.add_option("--connections", o.connections, "HTTP/2 connections")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--streams", o.streams, "calls in flight on each connection")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--duration", o.seconds, "seconds of measuring")->check(CLI::PositiveNumber);
  app.add_option("--warmup", o.warmup_seconds, "seconds of load before measuring")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--total", o.total, "calls to make, instead of --duration");
  app.add_option("--rate", o.rate,
                 "calls a second in all (open loop; a latency counts from when the call was due); "
                 "0: each answer makes the next call")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--keys", o.keys, "size of the key space, drawn from uniformly")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--key-size", o.key_size, "bytes")
      ->check(CLI::Range(8, 4096))
      ->capture_default_str();
  app.add_option("--value-size", o.value_size, "bytes")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  app.add_option("--preload", o.preload, "put this many of the keys first, not measured");
  app.add_option("--timeout", o.timeout_seconds, "seconds a call may take (grpc-timeout); 0: any")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seed", o.seed, "of the keys drawn");
  app.add_flag("--json", o.json, "one JSON object on standard output");
  app.add_flag("--progress", o.progress, "a line each second on standard error");

  CLI::App* put = app.add_subcommand("put", "Put of one key");
  CLI::App* range = app.add_subcommand("range", "Range of one key");
  CLI::App* mixed = app.add_subcommand("mixed", "Range and Put");
  for (CLI::App* reads : {range, mixed}) {
    reads->add_flag("--serializable", o.serializable,
                    "reads from the member asked, possibly stale");
  }
  mixed->add_option("--reads", o.read_share, "share of Range, 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  if (put->parsed()) o.workload = Workload::kPut;
  if (range->parsed()) o.workload = Workload::kRange;
  if (mixed->parsed()) o.workload = Workload::kMixed;
  if (!endpoints.empty()) o.endpoints = CLI::detail::split(endpoints, ',');
  for (std::string& endpoint : o.endpoints) {
    if (endpoint.starts_with("http://")) endpoint.erase(0, 7);
  }
  return o;
}

}  // namespace cairn::load
