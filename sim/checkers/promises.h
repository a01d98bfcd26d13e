// Promises: what a node has told others survives its crashes (Raft paper, figure 2: "updated on
// stable storage before responding to RPCs"). Entries that it has acknowledged are there when it
// comes back, unless a leader made it replace them; its term is never below one that it has sent.
//
// This finds an acknowledgement before its fsync, or a vote before its record, at the first crash
// that loses it, without waiting for the rare run in which that costs a committed entry.
#pragma once

#include <map>
#include <vector>

#include "sim/checkers/node_view.h"
#include "sim/checkers/violations.h"

namespace cairn::sim {

class Promises {
 public:
  explicit Promises(Violations& violations) : violations_(violations) {}
  // `node` sends a message of `term`, which is not the next term that a pre-vote asks about.
  void OnTermSent(size_t node, Term term);
  // `node` tells a leader that it durably holds the leader's log up to `match`.
  void OnMatchSent(size_t node, Term term, LogIndex match);
  // The log of `node` above `upto` may have been replaced unseen.
  void Doubt(size_t node, LogIndex upto);
  void OnView(const NodeView& view);

 private:
  struct Node {
    Term term;                  // the highest sent
    LogIndex match;             // the highest acknowledged, lowered where a leader replaced entries
    std::vector<LogEntry> log;  // as the last view showed it
  };
  Violations& violations_;
  std::map<size_t, Node> nodes_;
};

}  // namespace cairn::sim
