#include "sim/checkers/log_matching.h"

namespace cairn::sim {

void LogMatching::OnView(const NodeView& view) {
  for (LogIndex i = view.changed_from; i <= view.last(); i = i.Next()) {
    const LogEntry& entry = view.at(i);
    const Term before = i.value == 1 ? Term() : view.at(i.Prev()).id.term;
    const auto [it, fresh] = entries_.try_emplace(entry.id, Known{entry.digest, before, view.node});
    if (fresh || (it->second.digest == entry.digest && it->second.before == before)) continue;
    violations_.Report(
        "log matching",
        "entry " + Text(entry.id) + " differs between member " +
            std::to_string(it->second.seen_at) + " and member " + std::to_string(view.node) +
            (it->second.digest != entry.digest ? " in what it holds"
                                               : " in the entry that stands before it"));
    return;
  }
}

}  // namespace cairn::sim
