#include "src/apply/applier.h"

#include <utility>

#include "src/apply/kv_applier.h"
#include "src/apply/membership_applier.h"

namespace cairn::apply {
namespace {

// The end of the chain: nobody knew the kind.
class UnknownApplier final : public CommandApplier {
 public:
  Result<std::string> Apply(ApplyContext&, CommandKind, std::string_view) override {
    return Status(StatusCode::kUnimplemented, "etcdserver: unknown kind of command");
  }
};

}  // namespace

Applier::Applier(mvcc::Store& store, membership::Cluster& cluster, NodeId self)
    : store_(store), cluster_(cluster), self_(self) {
  chain_ = std::make_unique<UnknownApplier>();
  chain_ = std::make_unique<MembershipApplier>(cluster_, std::move(chain_));
  chain_ = std::make_unique<KvApplier>(std::move(chain_));
}

Result<std::string> Applier::Apply(raft::EntryId id, std::string_view command, bool reply_wanted) {
  if (!failed_.ok()) [[unlikely]]
    return failed_;
  if (command.empty()) [[unlikely]] {
    ++stats_.refused;
    store_.Skip(id);
    return Status(StatusCode::kInternal, "etcdserver: empty command");
  }
  ApplyContext context(store_, id, {cluster_.id(), self_, id.term}, reply_wanted, stats_);
  Result<std::string> reply =
      chain_->Apply(context, CommandKind{static_cast<uint8_t>(command[0])}, command.substr(1));
  if (!context.store_failure.ok()) [[unlikely]] {
    failed_ = Status::OutcomeUnknown(StatusCode::kUnavailable,
                                     "etcdserver: server stopped: the store cannot be read: " +
                                         context.store_failure.ToString());
    if (failure_observer_) failure_observer_(failed_);
    return failed_;
  }
  if (!reply.ok()) ++stats_.refused;
  if (context.begun()) {
    context.txn().Commit();
  } else {
    store_.Skip(id);
  }
  return reply;
}

void Applier::Skip(raft::EntryId id) {
  if (failed_.ok()) store_.Skip(id);
}

}  // namespace cairn::apply
