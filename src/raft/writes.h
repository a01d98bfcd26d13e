// Writes: the writes given to the disk and not yet known to be durable, and what each makes
// durable.
//
// An entry's own id does not say which write a completion belongs to: the same entry can be
// written, overwritten and written again. So writes are counted, and a truncation of the log takes
// back what the writes under way would have made stable.
#pragma once

#include <optional>

#include "src/base/ring.h"
#include "src/raft/types.h"

namespace cairn::raft {

class Writes {
 public:
  // Begins a write after which the log is durable up to `stable_to`; `term_and_vote`: it carries
  // the current HardState's.
  WriteId Begin(Term term, LogIndex stable_to, bool term_and_vote);
  // The write `id` and all before it are durable. Returns how far the log is stable now, or nullopt
  // for a completion that was seen already.
  std::optional<LogIndex> Complete(WriteId id, Term term);
  // The log was truncated to `last_kept`.
  void Truncated(LogIndex last_kept);

  // The node's term or vote changed: not durable until a write that carries them is.
  void TermOrVoteChanged() { unwritten_ = true; }
  // Term and vote are not in any write yet.
  bool term_and_vote_unwritten() const { return unwritten_; }
  // Term and vote as they are now are durable.
  bool term_and_vote_durable() const { return !unwritten_ && term_and_vote_in_ <= done_; }
  size_t in_flight() const { return in_flight_.size(); }

 private:
  struct InFlight {
    WriteId id;
    Term term;
    LogIndex stable_to;
  };
  Ring<InFlight> in_flight_;  // in order
  WriteId begun_;
  WriteId done_;
  WriteId term_and_vote_in_;
  bool unwritten_ = false;
};

}  // namespace cairn::raft
