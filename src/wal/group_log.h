// GroupLog: what the log knows of one group in memory: hard state, shape, and where on disk its
// entries stand. Recovery builds it record by record; afterwards the Wal keeps it up to date.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "src/raft/types.h"

namespace cairn::wal {

// Entries of a group from `first` on, up to the next RecordRef's first, stand in this record.
struct RecordRef {
  LogIndex first;
  uint32_t segment = 0;
  uint32_t offset = 0;
};
static_assert(sizeof(RecordRef) == 16);

class GroupLog {
 public:
  const raft::HardState& hard_state() const { return hard_state_; }
  const raft::LogShape& shape() const { return shape_; }
  raft::EntryId base() const { return shape_.base; }
  LogIndex last() const { return shape_.last; }
  Term last_term() const {
    return shape_.runs.empty() ? shape_.base.term : shape_.runs.back().term;
  }

  void SetHardState(const raft::HardState& hard_state) { hard_state_ = hard_state; }
  // Recovery begins in the middle: the entries up to `last` stand in segments that are not read.
  void StartFrom(raft::EntryId base, LogIndex last);

  // Whether an entry may follow: log matching needs indexes without a gap, terms that never fall.
  bool MayAppend(LogIndex first, Term term) const;
  // The log is cut to first - 1; entries follow by Extend.
  void Truncate(LogIndex first);
  void Extend(Term term);
  // The entries from `first` on stand in the record at this place, whatever stood elsewhere before.
  void Place(RecordRef ref);

  // Whether the log holds (or its base is) this id.
  bool Holds(raft::EntryId id) const;
  // Entries up to `upto` are needed no more.
  void Cut(raft::EntryId upto);

  // The lowest segment that holds a needed entry.
  std::optional<uint32_t> LowestSegment() const;
  // The first entry from the base on whose record is not known; none when all are.
  std::optional<LogIndex> FirstUnplaced() const;
  // The record that holds `index`, and the last entry that it still holds.
  struct Found {
    RecordRef ref;
    LogIndex last;
  };
  Found Find(LogIndex index) const;

 private:
  Term TermOf(LogIndex index) const;
  void DropUnneeded();

  raft::HardState hard_state_;
  raft::LogShape shape_;
  std::deque<RecordRef> refs_;  // first strictly rising
};

}  // namespace cairn::wal
