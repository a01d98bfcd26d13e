#include "src/wal/group_log.h"

#include <algorithm>

#include "src/base/check.h"

namespace cairn::wal {

void GroupLog::StartFrom(raft::EntryId base, LogIndex last) {
  shape_.base = base;
  shape_.last = last;
}

bool GroupLog::MayAppend(LogIndex first, Term term) const {
  if (first <= shape_.base.index || first > shape_.last.Next()) return false;
  return term >= TermOf(first.Prev());
}

Term GroupLog::TermOf(LogIndex index) const {
  auto run = std::upper_bound(shape_.runs.begin(), shape_.runs.end(), index,
                              [](LogIndex i, const raft::TermRun& r) { return i < r.first; });
  // Before the first run stands the base, or an entry that recovery has not read and will be told
  // is cut.
  return run == shape_.runs.begin() ? shape_.base.term : std::prev(run)->term;
}

void GroupLog::Truncate(LogIndex first) {
  CHECK(first > shape_.base.index && first <= shape_.last.Next());
  while (!shape_.runs.empty() && shape_.runs.back().first >= first) shape_.runs.pop_back();
  shape_.last = first.Prev();
}

void GroupLog::Extend(Term term) {
  shape_.last = shape_.last.Next();
  if (shape_.runs.empty() || shape_.runs.back().term != term) {
    shape_.runs.push_back({term, shape_.last});
  }
}

void GroupLog::Place(RecordRef ref) {
  while (!refs_.empty() && refs_.back().first >= ref.first) refs_.pop_back();
  refs_.push_back(ref);
  DropUnneeded();
}

bool GroupLog::Holds(raft::EntryId id) const {
  if (id == shape_.base) return true;
  return id.index > shape_.base.index && id.index <= shape_.last && TermOf(id.index) == id.term;
}

void GroupLog::Cut(raft::EntryId upto) {
  CHECK(upto.index >= shape_.base.index && upto.index <= shape_.last);
  shape_.base = upto;
  std::vector<raft::TermRun>& runs = shape_.runs;
  size_t gone = 0;
  while (gone < runs.size() && (gone + 1 < runs.size() ? runs[gone + 1].first <= upto.index.Next()
                                                       : shape_.last <= upto.index)) {
    ++gone;
  }
  runs.erase(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(gone));
  if (!runs.empty()) runs[0].first = std::max(runs[0].first, upto.index.Next());
  DropUnneeded();
}

void GroupLog::DropUnneeded() {
  const LogIndex needed = shape_.base.index.Next();
  while (refs_.size() > 1 && refs_[1].first <= needed) refs_.pop_front();
  if (shape_.last < needed) refs_.clear();
}

std::optional<uint32_t> GroupLog::LowestSegment() const {
  if (refs_.empty()) return std::nullopt;
  // Truncation goes back to earlier entries, never to earlier records: later entries stand in later
  // segments.
  return refs_.front().segment;
}

std::optional<LogIndex> GroupLog::FirstUnplaced() const {
  const LogIndex needed = shape_.base.index.Next();
  if (shape_.last < needed) return std::nullopt;
  if (refs_.empty() || refs_.front().first > needed) return needed;
  return std::nullopt;
}

GroupLog::Found GroupLog::Find(LogIndex index) const {
  auto next = std::upper_bound(refs_.begin(), refs_.end(), index,
                               [](LogIndex i, const RecordRef& r) { return i < r.first; });
  CHECK(next != refs_.begin(), "an entry was asked for that stands nowhere");
  return {*std::prev(next), next == refs_.end() ? shape_.last : next->first.Prev()};
}

}  // namespace cairn::wal
