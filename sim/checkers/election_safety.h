// Election safety: at most one leader in a term (Raft paper, figure 3), and what it rests on: a
// node gives its vote to at most one candidate in a term (figure 2, section 5.2), its whole life
// long, over every crash.
#pragma once

#include <map>
#include <utility>

#include "sim/checkers/node_view.h"
#include "sim/checkers/violations.h"

namespace cairn::sim {

class ElectionSafety {
 public:
  explicit ElectionSafety(Violations& violations) : violations_(violations) {}
  // `node` leads in `term`: seen in its state, or in a message that only a leader sends.
  void OnLeader(size_t node, Term term);
  // `voter` sends a granted vote.
  void OnVote(size_t voter, Term term, size_t candidate);
  void OnView(const NodeView& view) {
    if (view.role == raft::Role::kLeader) OnLeader(view.node, view.term);
  }
  size_t terms_with_leader() const { return leaders_.size(); }

 private:
  Violations& violations_;
  std::map<Term, size_t> leaders_;
  std::map<std::pair<Term, size_t>, size_t> votes_;  // (term, voter) -> candidate
};

}  // namespace cairn::sim
