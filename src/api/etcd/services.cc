#include "src/api/etcd/services.h"

#include <algorithm>
#include <optional>

namespace cairn::api::etcd {

bool Services::is_learner() const {
  const std::optional<membership::Member> member = cluster.Find(self);
  return member && member->is_learner;
}

env::Time Services::Deadline(const http::CallInfo& info) const {
  return std::min(info.deadline, executor.Now() + limits.request_timeout);
}

Status Services::Ready(const http::CallInfo& info) const {
  if (const Status health = replica.health(); !health.ok()) [[unlikely]] {
    return {StatusCode::kUnavailable, "etcdserver: server stopped: " + health.message()};
  }
  if (info.has_leader && !has_leader()) return NoLeader();
  return OkStatus();
}

uint64_t DataBytes(const mvcc::StoreStats& stats) {
  return stats.files_bytes + stats.sealed_bytes + stats.window_bytes;
}

Status NoLeader() { return {StatusCode::kUnavailable, "etcdserver: no leader"}; }

Status MalformedRequest() {
  return {StatusCode::kInternal, "grpc: the request message cannot be parsed"};
}

}  // namespace cairn::api::etcd
