#include "src/api/etcd/cluster_service.h"

#include <utility>

#include "proto/etcd/rpc.pb.h"

namespace cairn::api::etcd {

ClusterService::ClusterService(Services& services) : services_(services) {
  services.server.HandleUnary(
      "/etcdserverpb.Cluster/MemberList",
      [this](const http::CallInfo& info, std::string_view message, http::UnaryCall call) {
        MemberList(info, message, std::move(call));
      });
}

void ClusterService::MemberList(const http::CallInfo& info, std::string_view message,
                                http::UnaryCall call) {
  if (Status status = services_.Ready(info); !status.ok()) return call.Fail(status);
  etcdserverpb::MemberListRequest request;
  if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return call.Fail(MalformedRequest());
  }
  if (!request.linearizable()) return AnswerMemberList(call);
  services_.replica.ReadIndex(services_.Deadline(info), [this, call](const Status& status) mutable {
    if (call.cancelled()) return;
    if (!status.ok()) return call.Fail(status);
    AnswerMemberList(call);
  });
}

void ClusterService::AnswerMemberList(http::UnaryCall& call) {
  etcdserverpb::MemberListResponse response;
  // As in etcd, the header of a membership call has no revision.
  response.mutable_header()->set_cluster_id(services_.cluster.id().value);
  response.mutable_header()->set_member_id(services_.self.value);
  response.mutable_header()->set_raft_term(services_.replica.term().value);
  for (const membership::Member& member : services_.cluster.Members()) {
    etcdserverpb::Member& m = *response.add_members();
    m.set_id(member.id.value);
    m.set_name(member.name);
    for (const std::string& url : member.peer_urls) m.add_peerurls(url);
    for (const std::string& url : member.client_urls) m.add_clienturls(url);
    m.set_islearner(member.is_learner);
  }
  call.Reply(response.SerializeAsString());
}

}  // namespace cairn::api::etcd
