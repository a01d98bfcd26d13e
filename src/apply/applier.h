// Applier: the state machine of the first group, a chain of small appliers over the store. Each
// applier of the chain knows its own kinds of command and hands all others on; what guards commands
// (quota, permissions) will stand before them in the same chain.
//
// Deterministic: what an entry changes depends on the entries before it alone. The answer is
// written only where someone waits for it.
#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "src/apply/answer.h"
#include "src/apply/command.h"
#include "src/base/status.h"
#include "src/base/types.h"
#include "src/membership/cluster.h"
#include "src/mvcc/store.h"
#include "src/raft/types.h"
#include "src/replica/replica.h"

namespace cairn::apply {

// Totals since the start of the process, for metrics.
struct ApplyStats {
  uint64_t puts = 0;
  uint64_t deletes = 0;
  uint64_t txns = 0;
  uint64_t put_bytes = 0;  // keys and values
  uint64_t refused = 0;    // commands that changed nothing because they could not
};

// One entry while it is applied.
class ApplyContext {
 public:
  ApplyContext(mvcc::Store& store, raft::EntryId entry, const HeaderBase& base, bool wanted,
               ApplyStats& totals)
      : header(base), reply_wanted(wanted), stats(totals), store_(store), entry_(entry) {}

  const HeaderBase header;
  const bool reply_wanted;
  ApplyStats& stats;
  // Set by the applier that found the store failing: the entry must then count as neither applied
  // nor refused.
  Status store_failure;

  // The entry's transaction, begun at the first call and ended by the Applier.
  mvcc::WriteTxn& txn() {
    if (txn_ == nullptr) txn_ = &store_.Begin(entry_);
    return *txn_;
  }
  bool begun() const { return txn_ != nullptr; }

 private:
  mvcc::Store& store_;
  raft::EntryId entry_;
  mvcc::WriteTxn* txn_ = nullptr;
};

class CommandApplier {
 public:
  virtual ~CommandApplier() = default;
  // Applies the command, or hands it on. An error is definite: the command has changed nothing,
  // except where it says outcome_unknown(): then it was applied and only its answer could not be
  // given.
  virtual Result<std::string> Apply(ApplyContext& context, CommandKind kind,
                                    std::string_view body) = 0;
};

class Applier final : public replica::StateMachine {
 public:
  using FailureObserver = absl::AnyInvocable<void(const Status&)>;

  // `store` and `cluster` outlive the applier. `self` goes into the headers of answers.
  Applier(mvcc::Store& store, membership::Cluster& cluster, NodeId self);

  // Runs once, inside Apply, when the store could not be read: the owner stops the replica. From
  // then on Apply touches nothing and answers with that error.
  void SetFailureObserver(FailureObserver observer) { failure_observer_ = std::move(observer); }

  Result<std::string> Apply(raft::EntryId id, std::string_view command, bool reply_wanted) override;
  void Skip(raft::EntryId id) override;
  raft::EntryId applied() const override { return store_.applied(); }
  raft::EntryId durable() const override { return store_.durable(); }
  void Flush() override { store_.Flush(); }
  bool overloaded() const override { return store_.overloaded(); }

  const ApplyStats& stats() const { return stats_; }

 private:
  mvcc::Store& store_;
  membership::Cluster& cluster_;
  NodeId self_;
  std::unique_ptr<CommandApplier> chain_;
  FailureObserver failure_observer_;
  Status failed_;
  ApplyStats stats_;
};

}  // namespace cairn::apply
