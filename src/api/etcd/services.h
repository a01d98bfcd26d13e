// What the services of the etcd API are made of and what they answer for. They hold no state of
// their own beyond counters; all of them run on the executor's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "src/apply/answer.h"
#include "src/apply/applier.h"
#include "src/base/status.h"
#include "src/base/types.h"
#include "src/env/env.h"
#include "src/http/server.h"
#include "src/membership/cluster.h"
#include "src/mvcc/store.h"
#include "src/replica/replica.h"
#include "src/transport/transport.h"
#include "src/wal/wal.h"

namespace cairn::api::etcd {

// The etcd whose API this is, where clients ask: they choose by it what to use (kube-apiserver
// trusts watch progress from 3.5.13 on). Our own version is announced elsewhere.
inline constexpr std::string_view kServerVersion = "3.5.13";
inline constexpr std::string_view kClusterVersion = "3.5.0";

struct Limits {
  uint64_t max_txn_ops = 128;
  size_t max_request_bytes = 1572864;  // of one write
  // How long a request may take if its client sets no shorter time.
  env::Duration request_timeout = env::seconds(7);
  uint64_t quota_backend_bytes = 2ull << 30;

  // etcd's: 5 s for the disk and the queue, and two elections.
  static env::Duration RequestTimeout(env::Duration election_timeout) {
    return env::seconds(5) + 2 * election_timeout;
  }
};

// All outlive the services.
struct Services {
  env::Executor& executor;
  replica::Replica& replica;
  mvcc::Store& store;
  const membership::Cluster& cluster;
  const apply::Applier& applier;
  http::Server& server;
  NodeId self;
  Limits limits;
  // Sources of metrics; may be empty.
  std::function<wal::Stats()> wal_stats;
  std::function<std::vector<transport::PeerStats>()> peer_stats;

  bool has_leader() const { return replica.leader() != kNobody; }
  bool is_learner() const;
  apply::HeaderBase header() const { return {cluster.id(), self, replica.term()}; }
  // The earlier of the client's deadline and ours.
  env::Time Deadline(const http::CallInfo& info) const;
  // Not Ok when this member has stopped, or the client asked for a leader (`hasleader`) and there
  // is none: then no call but those of diagnosis is served.
  Status Ready(const http::CallInfo& info) const;
};

// What the store's data takes, on disk and in windows that are not flushed yet.
uint64_t DataBytes(const mvcc::StoreStats& stats);

Status NoLeader();
// The bytes are no message of the method's request type.
Status MalformedRequest();

}  // namespace cairn::api::etcd
