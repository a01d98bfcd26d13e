// etcdserverpb.Cluster: MemberList.
#pragma once

#include <string_view>

#include "src/api/etcd/services.h"
#include "src/http/server.h"

namespace cairn::api::etcd {

class ClusterService {
 public:
  explicit ClusterService(Services& services);
  ClusterService(const ClusterService&) = delete;
  ClusterService& operator=(const ClusterService&) = delete;

 private:
  void MemberList(const http::CallInfo& info, std::string_view message, http::UnaryCall call);
  void AnswerMemberList(http::UnaryCall& call);

  Services& services_;
};

}  // namespace cairn::api::etcd
