// PendingCommands: what this replica has taken from clients and not answered yet. Numbers rise by
// one, so the table is a ring indexed by number: no hashing, no allocation for each command in
// steady state.
#pragma once

#include <absl/functional/any_invocable.h>
#include <absl/functional/function_ref.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/ring.h"
#include "src/base/status.h"
#include "src/base/types.h"
#include "src/env/time.h"

namespace cairn::replica {

class PendingCommands {
 public:
  using Done = absl::AnyInvocable<void(Result<std::string>)>;

  enum class State : uint8_t {
    kSettled,  // answered; the place is free
    kWaiting,  // in no log: may be proposed, or refused with a definite error
    kSent,     // proposed or forwarded in `term`: in the log of that term's leader, or lost
  };
  struct Command {
    State state = State::kSettled;
    Term term;         // kSent only
    SharedBytes data;  // tagged
    env::Time deadline;
    Done done;
  };

  explicit PendingCommands(uint64_t first_sequence) : first_(first_sequence) {}

  // The number that the next Add will give.
  uint64_t next_sequence() const { return first_ + commands_.size(); }
  // Adds a waiting command and returns its number.
  uint64_t Add(SharedBytes data, env::Time deadline, Done done);
  // Null when settled or never given.
  Command* Find(uint64_t sequence);
  // Frees the place and gives back what is to be called; the caller calls it when its own state is
  // in order.
  Done Settle(uint64_t sequence);

  // All commands below are settled.
  uint64_t settled_below() const { return first_; }
  size_t count() const { return count_; }
  size_t bytes() const { return bytes_; }

  // Numbers of unsettled commands in order for which `wanted` says yes.
  std::vector<uint64_t> Select(absl::FunctionRef<bool(const Command&)> wanted) const;
  // Numbers whose deadline is not later than `now`, in order of number within a slot of 20 ms.
  std::vector<uint64_t> TakeExpired(env::Time now);

 private:
  static int64_t SlotOf(env::Time t);

  Ring<Command> commands_;  // commands_[i] has the number first_ + i
  uint64_t first_;
  size_t count_ = 0;
  size_t bytes_ = 0;
  // Numbers by the slot in which their deadline falls. Settled ones stay until their slot comes up.
  std::map<int64_t, std::vector<uint64_t>> deadlines_;
};

}  // namespace cairn::replica
