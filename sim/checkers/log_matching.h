// Log matching: if two logs hold an entry with the same index and term, they are identical up to it
// (Raft paper, figure 3). Checked over every entry ever seen in any log: an entry's (term, index)
// fixes its contents and the term of the entry before it; the rest follows by induction.
#pragma once

#include <map>

#include "sim/checkers/node_view.h"
#include "sim/checkers/violations.h"

namespace cairn::sim {

class LogMatching {
 public:
  explicit LogMatching(Violations& violations) : violations_(violations) {}
  void OnView(const NodeView& view);

 private:
  struct Known {
    uint64_t digest = 0;
    Term before;
    size_t seen_at = 0;
  };
  Violations& violations_;
  std::map<raft::EntryId, Known> entries_;
};

}  // namespace cairn::sim
