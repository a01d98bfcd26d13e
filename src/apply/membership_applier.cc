#include "src/apply/membership_applier.h"

#include <optional>

#include "proto/etcd/rpc.pb.h"

namespace cairn::apply {

Result<std::string> MembershipApplier::Apply(ApplyContext& context, CommandKind kind,
                                             std::string_view body) {
  if (kind != CommandKind::kMemberAttributes) return next_->Apply(context, kind, body);
  etcdserverpb::Member published;
  if (!published.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return Status(StatusCode::kInvalidArgument, "etcdserver: the request cannot be parsed");
  }
  std::optional<membership::Member> member = cluster_.Find(NodeId(published.id()));
  if (!member) return Status(StatusCode::kNotFound, "etcdserver: member not found");
  member->name = published.name();
  member->client_urls.assign(published.clienturls().begin(), published.clienturls().end());
  cluster_.Save(context.txn(), *member);
  return std::string();
}

}  // namespace cairn::apply
