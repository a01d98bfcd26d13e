// PendingReads: linearizable reads on their way. All that arrive while a round of confirmation is
// under way share the next one (dissertation 6.4). A round that was not answered in time is asked
// again under a new id, so an old answer can never serve a later read.
#pragma once

#include <absl/functional/any_invocable.h>
#include <absl/functional/function_ref.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "src/base/ring.h"
#include "src/base/status.h"
#include "src/env/time.h"
#include "src/raft/types.h"

namespace cairn::replica {

class PendingReads {
 public:
  using Done = absl::AnyInvocable<void(const Status&)>;
  struct Read {
    env::Time deadline;
    Done done;
  };

  explicit PendingReads(uint64_t first_id) : next_id_(first_id) {}

  void Add(env::Time deadline, Done done) { waiting_.push_back(Read{deadline, std::move(done)}); }
  // Begins a round for all that wait, if there are any and none is under way. The caller asks the
  // core.
  std::optional<raft::ReadId> BeginRound(env::Time now);
  // The round's answer: its reads wait for `index` to be applied. False if `id` is not the round
  // under way.
  bool Confirmed(raft::ReadId id, LogIndex index);
  // The round under way has failed, or is older than `patience`: its reads wait for another round.
  bool Dropped(raft::ReadId id);
  bool DropIfOlder(env::Time now, env::Duration patience);
  // Removes the reads that may be served at `applied`, in the order in which they came.
  std::vector<Read> TakeServable(LogIndex applied);
  // Removes the reads whose deadline is not later than `now`.
  std::vector<Read> TakeExpired(env::Time now);
  std::vector<Read> TakeAll();

  size_t count() const;

 private:
  struct Confirmation {
    LogIndex index;
    std::vector<Read> reads;
  };

  uint64_t next_id_;
  std::vector<Read> waiting_;
  raft::ReadId round_;  // 0: none under way
  env::Time round_began_;
  std::vector<Read> in_round_;
  Ring<Confirmation> confirmed_;  // indexes rise
};

}  // namespace cairn::replica
