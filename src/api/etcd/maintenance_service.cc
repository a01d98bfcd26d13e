#include "src/api/etcd/maintenance_service.h"

#include <string>
#include <utility>

#include "proto/etcd/rpc.pb.h"

namespace cairn::api::etcd {

MaintenanceService::MaintenanceService(Services& services) : services_(services) {
  services.server.HandleUnary(
      "/etcdserverpb.Maintenance/Status",
      [this](const http::CallInfo&, std::string_view message, http::UnaryCall call) {
        GetStatus(message, std::move(call));
      });
}

void MaintenanceService::GetStatus(std::string_view message, http::UnaryCall call) {
  etcdserverpb::StatusRequest request;
  if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return call.Fail(MalformedRequest());
  }
  const raft::NodeStatus node = services_.replica.status();
  const mvcc::StoreStats store = services_.store.stats();
  etcdserverpb::StatusResponse response;
  response.mutable_header()->set_cluster_id(services_.cluster.id().value);
  response.mutable_header()->set_member_id(services_.self.value);
  response.mutable_header()->set_revision(store.revision);
  response.mutable_header()->set_raft_term(node.term.value);
  response.set_version(std::string(kServerVersion));
  response.set_dbsize(static_cast<int64_t>(DataBytes(store)));
  response.set_dbsizeinuse(static_cast<int64_t>(DataBytes(store)));
  response.set_dbsizequota(static_cast<int64_t>(services_.limits.quota_backend_bytes));
  response.set_leader(services_.replica.leader().value);
  response.set_raftindex(node.commit_index.value);
  response.set_raftterm(node.term.value);
  response.set_raftappliedindex(services_.store.applied().index.value);
  response.set_islearner(services_.is_learner());
  if (!services_.has_leader()) response.add_errors(NoLeader().message());
  if (const Status health = services_.replica.health(); !health.ok()) {
    response.add_errors("etcdserver: server stopped: " + health.message());
  }
  call.Reply(response.SerializeAsString());
}

}  // namespace cairn::api::etcd
