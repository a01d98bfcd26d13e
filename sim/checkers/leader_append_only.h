// Leader append-only: a leader never overwrites or deletes entries in its log; it only appends
// (Raft paper, figure 3 and section 5.3).
#pragma once

#include <map>

#include "sim/checkers/node_view.h"
#include "sim/checkers/violations.h"

namespace cairn::sim {

class LeaderAppendOnly {
 public:
  explicit LeaderAppendOnly(Violations& violations) : violations_(violations) {}
  void OnView(const NodeView& view);

 private:
  struct Leading {
    uint64_t life = 0;
    Term term;
    LogIndex last;
  };
  Violations& violations_;
  std::map<size_t, Leading> leading_;  // nodes that led at their last view
};

}  // namespace cairn::sim
