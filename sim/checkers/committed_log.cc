#include "sim/checkers/committed_log.h"

#include <algorithm>

namespace cairn::sim {

void CommittedLog::OnView(const NodeView& view) {
  CheckNewLeader(view);  // before this view's own commits count
  CheckCommitted(view);
  CheckApplied(view);
}

void CommittedLog::CheckCommitted(const NodeView& view) {
  auto& [life, upto] = checked_[view.node];
  if (life != view.life) {
    life = view.life;
    upto = LogIndex();
  }
  if (view.commit > view.last()) {
    violations_.Report("committed log",
                       "member " + std::to_string(view.node) + " has commit index " +
                           std::to_string(view.commit.value) + ", its log ends at " +
                           std::to_string(view.last().value));
    return;
  }
  // A change below the commit index is looked at again, though it must not be.
  for (LogIndex i = std::min(upto.Next(), view.changed_from); i <= view.commit; i = i.Next()) {
    const LogEntry& entry = view.at(i);
    if (i.value > entries_.size()) {
      entries_.push_back(entry);
      seen_in_.push_back(view.term);
    } else if (entries_[i.value - 1] != entry) {
      violations_.Report("committed log", "index " + std::to_string(i.value) +
                                              " was committed as " +
                                              Text(entries_[i.value - 1].id) + ", member " +
                                              std::to_string(view.node) + " has committed " +
                                              Text(entry.id) + " there");
      return;
    }
  }
  upto = view.commit;
}

void CommittedLog::CheckApplied(const NodeView& view) {
  const raft::EntryId applied = view.applied;
  if (applied.index.value == 0) return;
  if (applied.index.value > entries_.size()) {
    violations_.Report("committed log", "member " + std::to_string(view.node) + " has applied " +
                                            Text(applied) + ", which nobody has committed");
  } else if (entries_[applied.index.value - 1].id != applied) {
    violations_.Report("committed log", "member " + std::to_string(view.node) + " has applied " +
                                            Text(applied) + ", committed is " +
                                            Text(entries_[applied.index.value - 1].id));
  }
}

void CommittedLog::CheckNewLeader(const NodeView& view) {
  if (view.role != raft::Role::kLeader) return;
  auto& checked = leaders_[view.node];
  if (checked == std::pair{view.life, view.term}) return;
  checked = {view.life, view.term};
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (seen_in_[i] >= view.term) continue;  // committed by a leader after this one
    const bool there = i < view.log->size();
    if (there && (*view.log)[i] == entries_[i]) continue;
    violations_.Report("leader completeness",
                       "member " + std::to_string(view.node) + " leads term " +
                           std::to_string(view.term.value) + " without the committed entry " +
                           Text(entries_[i].id) +
                           (there ? ", it holds " + Text((*view.log)[i].id) : std::string()));
    return;
  }
}

}  // namespace cairn::sim
