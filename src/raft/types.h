// The plain data of Raft: entries, the durable state, configurations. Values only; each says what
// makes it valid. Sources: Ongaro and Ousterhout 2014 (figure 2), Ongaro's dissertation 2014.
#pragma once

#include <cstdint>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/types.h"

namespace cairn::raft {

// What names an entry: two entries with the same id are the same, and so are all before them
// (log matching, figure 3).
struct EntryId {
  Term term;
  LogIndex index;
  friend auto operator<=>(const EntryId&,
                          const EntryId&) = default;  // section 5.4.1: later term first
};

enum class EntryType : uint8_t {
  kNormal = 0,      // data is for the state machine
  kNoOp = 1,        // written by a new leader at the start of its term; no data
  kConfChange = 2,  // data is an encoded configuration change (room for membership changes)
};

struct Entry {
  Term term;
  LogIndex index;
  EntryType type = EntryType::kNormal;
  SharedBytes data;

  EntryId id() const { return {term, index}; }
  friend bool operator==(const Entry&, const Entry&) = default;
};

// What must survive a crash beside the log (figure 2, "persistent state"). Term and vote are
// written in one record; commit is a hint that saves work after a restart and needs no sync of its
// own.
struct HardState {
  Term term;
  NodeId vote;      // kNobody: none in this term
  LogIndex commit;  // never above the last index written before or with it
  friend bool operator==(const HardState&, const HardState&) = default;
};

// Who belongs to a group. voters_outgoing is empty outside a joint configuration
// (dissertation 4.3). Each list sorted, without duplicates; learners disjoint from both voter
// lists; learners_next are outgoing voters that become learners when the joint configuration is
// left.
struct ConfState {
  std::vector<NodeId> voters;
  std::vector<NodeId> voters_outgoing;
  std::vector<NodeId> learners;
  std::vector<NodeId> learners_next;
  bool auto_leave = false;
  friend bool operator==(const ConfState&, const ConfState&) = default;
};

// A stretch of the log with one term, from `first` on up to the next run's first. The terms of a
// whole log are a handful of these, so the core knows every entry's term without holding the
// entries.
struct TermRun {
  Term term;
  LogIndex first;
  friend bool operator==(const TermRun&, const TermRun&) = default;
};

// What a log holds, without its data. Entries (base.index, last] exist; base is the entry before
// the first (0,0 for a log never cut); runs cover them in order, terms strictly rising.
struct LogShape {
  EntryId base;
  LogIndex last;
  std::vector<TermRun> runs;
  friend bool operator==(const LogShape&, const LogShape&) = default;
};

enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

// Names a read request; never used twice by a process, nor by two lives of one (drawn from a random
// start).
struct ReadId : StrongInt<ReadId> {
  using StrongInt::StrongInt;
};

// Names one write to the log; strictly rising in one life of a RawNode.
struct WriteId : StrongInt<WriteId> {
  using StrongInt::StrongInt;
};

}  // namespace cairn::raft
