// Config: what one member is told to do, checked. Everything behind it may rely on its values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "src/base/log.h"
#include "src/base/status.h"
#include "src/env/time.h"
#include "src/server/flags.h"
#include "src/server/urls.h"

namespace cairn::server {

// One of the first members of a cluster, as --initial-cluster names it.
struct FirstMember {
  std::string name;
  std::vector<Url> peer_urls;  // sorted, at least one
  friend bool operator==(const FirstMember&, const FirstMember&) = default;
};

enum class LogFormat : uint8_t { kJson, kConsole };

struct LogConfig {
  log::Level level = log::Level::kInfo;
  LogFormat format = LogFormat::kJson;
  std::vector<std::string> outputs;  // "stderr", "stdout" or paths; at least one
};

struct Config {
  std::string name;
  std::string data_dir;
  std::string wal_dir;  // `<data_dir>/member/wal` unless given

  std::vector<Url> listen_peer_urls;
  std::vector<Url> listen_client_urls;   // those of --listen-client-http-urls among them
  std::vector<Url> listen_metrics_urls;  // may be empty
  std::vector<Url> advertise_peer_urls;
  std::vector<Url> advertise_client_urls;

  // Sorted by name. `name` is among them, with the URLs of advertise_peer_urls.
  std::vector<FirstMember> initial_cluster;
  std::string initial_cluster_token;
  bool initial_cluster_state_existing = false;
  // What the command line leaves out is taken from the data directory where that has it.
  bool name_given = false;
  bool initial_cluster_given = false;

  env::Duration heartbeat_interval{0};
  env::Duration election_timeout{0};  // at least 5 heartbeat intervals, at most 50 s
  bool pre_vote = true;

  uint64_t quota_backend_bytes = 0;  // shown, not enforced yet; 0: etcd's default of 2 GiB
  uint64_t max_txn_ops = 0;
  uint64_t max_request_bytes = 0;
  uint32_t max_concurrent_streams = 0;
  env::Duration grpc_keepalive_min_time{0};
  env::Duration grpc_keepalive_interval{0};  // 0: no pings
  env::Duration grpc_keepalive_timeout{0};   // 0: a missing answer is not waited for

  LogConfig log;

  // One line each, for the log once there is one.
  std::vector<std::string> warnings;
};

// Checks what was given and fills in the rest. InvalidArgument with one line that says what to do.
Result<Config> MakeConfig(const FlagValues& values);

// "m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380"; a name may stand several times, once for each
// URL.
Result<std::vector<FirstMember>> ParseInitialCluster(std::string_view text);
std::string ToString(std::span<const FirstMember> members);

}  // namespace cairn::server
