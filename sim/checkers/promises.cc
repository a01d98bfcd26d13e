#include "sim/checkers/promises.h"

#include <algorithm>

namespace cairn::sim {

void Promises::OnTermSent(size_t node, Term term) {
  Node& n = nodes_[node];
  n.term = std::max(n.term, term);
}

void Promises::OnMatchSent(size_t node, Term term, LogIndex match) {
  OnTermSent(node, term);
  Node& n = nodes_[node];
  n.match = std::max(n.match, match);
}

void Promises::Doubt(size_t node, LogIndex upto) {
  Node& n = nodes_[node];
  n.match = std::min(n.match, upto);
}

void Promises::OnView(const NodeView& view) {
  Node& n = nodes_[view.node];
  if (view.term < n.term) {
    violations_.Report("promises", "member " + std::to_string(view.node) + " is in term " +
                                       std::to_string(view.term.value) +
                                       " and has sent a message of term " +
                                       std::to_string(n.term.value));
  }
  const size_t same = std::min<size_t>(view.changed_from.value - 1, n.log.size());
  if (view.restarted) {
    for (size_t i = same; i < n.match.value; ++i) {
      if (i < view.log->size() && i < n.log.size() && (*view.log)[i] == n.log[i]) continue;
      violations_.Report("promises", "member " + std::to_string(view.node) +
                                         " has acknowledged its log up to " +
                                         std::to_string(n.match.value) + " and lost index " +
                                         std::to_string(i + 1) + " in a crash");
      break;
    }
  } else if (same < n.match.value && same < n.log.size()) {
    n.match = LogIndex(same);  // replaced by a leader, which the other checkers watch
  }
  n.match = std::min(n.match, view.last());
  n.log.resize(same);
  n.log.insert(n.log.end(), view.log->begin() + static_cast<ptrdiff_t>(same), view.log->end());
}

}  // namespace cairn::sim
