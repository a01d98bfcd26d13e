// What the checkers see of a node: its state after a step, and its log as a mirror that the harness
// keeps. Checkers know neither the world nor the member, so their tests can show them any history,
// good or bad.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/raft/types.h"

namespace cairn::sim {

struct LogEntry {
  raft::EntryId id;
  uint64_t digest = 0;  // over type and data
  friend bool operator==(const LogEntry&, const LogEntry&) = default;
};

inline std::string Text(raft::EntryId id) {
  return std::to_string(id.term.value) + ":" + std::to_string(id.index.value);
}

// `log[i]` is the entry at index i + 1. What was cut off the front of the real log stays in the
// mirror.
struct NodeView {
  size_t node = 0;
  uint64_t life = 0;       // rises with every start of its process
  bool restarted = false;  // the first view of this life
  Term term;
  raft::Role role = raft::Role::kFollower;
  LogIndex commit;
  raft::EntryId applied;
  // Entries below it are as they were at the last view; log.size() + 1 when nothing changed.
  LogIndex changed_from;
  const std::vector<LogEntry>* log = nullptr;

  LogIndex last() const { return LogIndex(log->size()); }
  const LogEntry& at(LogIndex i) const { return (*log)[i.value - 1]; }
};

}  // namespace cairn::sim
