// Config: what one member is told to do, checked. Everything behind it may rely on its values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "src/base/log.h"
#include "src/base/status.h"
#include "src/base/types.h"
#include "src/env/time.h"
#include "src/membership/member.h"
#include "src/membership/url.h"
#include "src/server/flags.h"

namespace cairn::server {

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

  std::vector<membership::Url> listen_peer_urls;
  std::vector<membership::Url> listen_client_urls;  // those of --listen-client-http-urls among them
  std::vector<membership::Url> listen_metrics_urls;  // may be empty
  std::vector<membership::Url> advertise_peer_urls;
  std::vector<membership::Url> advertise_client_urls;

  // The first members with their ids, in order of id; the one named `name` has the id `self` and
  // the URLs of advertise_peer_urls.
  std::vector<membership::Member> initial_cluster;
  ClusterId cluster;
  NodeId self;
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

// As --initial-cluster takes it: "m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380".
std::string ToString(std::span<const membership::Member> members);

}  // namespace cairn::server
