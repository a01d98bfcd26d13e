#include "sim/checkers/leader_append_only.h"

namespace cairn::sim {

void LeaderAppendOnly::OnView(const NodeView& view) {
  if (view.role != raft::Role::kLeader) {
    leading_.erase(view.node);
    return;
  }
  auto it = leading_.find(view.node);
  if (it != leading_.end() && it->second.life == view.life && it->second.term == view.term &&
      view.changed_from <= it->second.last) {
    violations_.Report("leader append-only",
                       "member " + std::to_string(view.node) + " leads term " +
                           std::to_string(view.term.value) + " and its log changed at " +
                           std::to_string(view.changed_from.value) + ", it ended at " +
                           std::to_string(it->second.last.value));
  }
  leading_[view.node] = {view.life, view.term, view.last()};
}

}  // namespace cairn::sim
