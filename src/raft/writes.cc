#include "src/raft/writes.h"

#include <algorithm>

#include "src/base/check.h"

namespace cairn::raft {

WriteId Writes::Begin(Term term, LogIndex stable_to, bool term_and_vote) {
  begun_ = WriteId(begun_.value + 1);
  if (term_and_vote) {
    term_and_vote_in_ = begun_;
    unwritten_ = false;
  }
  in_flight_.push_back({begun_, term, stable_to});
  return begun_;
}

std::optional<LogIndex> Writes::Complete(WriteId id, Term term) {
  if (id <= done_) return std::nullopt;
  CHECK_LE(id, begun_);
  InFlight last;
  while (!in_flight_.empty() && in_flight_.front().id <= id) {
    last = in_flight_.front();
    in_flight_.pop_front();
  }
  CHECK_EQ(last.id, id);
  CHECK_EQ(last.term, term);
  done_ = id;
  return last.stable_to;
}

void Writes::Truncated(LogIndex last_kept) {
  for (size_t i = 0; i < in_flight_.size(); ++i) {
    in_flight_[i].stable_to = std::min(in_flight_[i].stable_to, last_kept);
  }
}

}  // namespace cairn::raft
