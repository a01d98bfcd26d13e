// State-machine safety and "committed entries never change" (Raft paper, figure 3): once any node
// has committed an entry at an index, no node ever commits or applies another one there. The
// checker keeps the one log that all nodes have committed so far.
//
// Leader completeness (same figure): an entry committed in a term stands in the log of every leader
// of a later term.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "sim/checkers/node_view.h"
#include "sim/checkers/violations.h"

namespace cairn::sim {

class CommittedLog {
 public:
  explicit CommittedLog(Violations& violations) : violations_(violations) {}
  void OnView(const NodeView& view);

  const std::vector<LogEntry>& entries() const { return entries_; }

 private:
  void CheckCommitted(const NodeView& view);
  void CheckApplied(const NodeView& view);
  void CheckNewLeader(const NodeView& view);

  Violations& violations_;
  std::vector<LogEntry> entries_;  // [i]: index i + 1
  std::vector<Term> seen_in_;  // the term of the node that showed it as committed first: not below
                               // the term in which it was committed
  std::map<size_t, std::pair<uint64_t, LogIndex>> checked_;  // by node: its life, and up to where
  std::map<size_t, std::pair<uint64_t, Term>> leaders_;  // by node: life and term checked already
};

}  // namespace cairn::sim
