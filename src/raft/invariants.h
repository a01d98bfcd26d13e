// Invariants: what must be true of one node at every moment, and between one moment and the next.
// Checked after every call of RawNode in debug and simulation builds; a violation is a CHECK. What
// must be true between nodes (figure 3) is the business of the tests that see them all.
#pragma once

#include <vector>

#include "src/raft/raw_node.h"

namespace cairn::raft {

class Invariants {
 public:
  // Checks `core` by itself and against what it was at the last call.
  void Check(const RawNode::Core& core);

 private:
  // What the delta-invariants compare.
  struct Before {
    bool valid = false;
    Term term;
    NodeId vote;
    Role role = Role::kFollower;
    LogIndex base, last, stable, commit, applying, applied, everywhere;
    Term term_at_commit;
    std::vector<LogIndex> matches;  // of a leader's members, in order of id
  };

  static void CheckLog(const RawNode::Core& core);
  static void CheckRole(const RawNode::Core& core);
  static void CheckProgress(const RawNode::Core& core);
  void CheckDelta(const RawNode::Core& core) const;
  void Remember(const RawNode::Core& core);

  Before before_;
};

}  // namespace cairn::raft
