#include "src/raft/log.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"

namespace cairn::raft {

Log::Log(const LogShape& shape, LogIndex commit, LogIndex applied)
    : base_(shape.base),
      last_(shape.last),
      runs_(shape.runs),
      stable_(shape.last),
      handed_(shape.last),
      commit_(commit),
      applying_(applied),
      applied_(applied) {
  CHECK_LE(base_.index, last_);
  CHECK_EQ(runs_.empty(), base_.index == last_);
  Term before = base_.term;
  LogIndex covered = base_.index;
  for (size_t i = 0; i < runs_.size(); ++i) {
    CHECK(i == 0 ? runs_[i].first == covered.Next() : runs_[i].first > covered, "runs in order");
    CHECK(i == 0 ? runs_[i].term >= before : runs_[i].term > before, "terms rise");
    before = runs_[i].term;
    covered = runs_[i].first;
  }
  CHECK_LE(covered, last_);
  CHECK_LE(base_.index, applied_);
  CHECK_LE(applied_, commit_);
  CHECK_LE(commit_, last_);
}

EntryId Log::last() const { return {runs_.empty() ? base_.term : runs_.back().term, last_}; }

std::optional<Term> Log::TermAt(LogIndex index) const {
  if (index > last_ || index < base_.index) return std::nullopt;
  if (index == base_.index) return base_.term;
  if (index >= runs_.back().first) return runs_.back().term;  // nearly always
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), index,
                                      [](LogIndex i, const TermRun& run) { return i < run.first; });
  return std::prev(after)->term;
}

std::optional<EntryId> Log::LastAtOrBelow(EntryId bound) const {
  LogIndex end = std::min(bound.index, last_);
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    if (run->first > end) continue;
    if (run->term <= bound.term) return EntryId{run->term, end};
    end = run->first.Prev();
  }
  if (end < base_.index || base_.term > bound.term) return std::nullopt;
  return base_;
}

bool Log::MaybeCommit(LogIndex index) {
  if (index <= commit_) return false;
  CHECK_LE(index, last_);
  commit_ = index;
  return true;
}

void Log::StableTo(LogIndex index) {
  CHECK_LE(index, handed_);
  stable_ = std::max(stable_, index);
}

void Log::HandedTo(LogIndex index) {
  CHECK(handed_ <= index && index <= last_);
  handed_ = index;
}

void Log::ApplyingTo(LogIndex index) {
  CHECK(applying_ <= index && index <= ApplicableTo(), "nothing is applied that this log lacks");
  applying_ = index;
}

void Log::AppliedTo(LogIndex index) {
  CHECK(applied_ <= index && index <= applying_);
  applied_ = index;
}

void Log::Append(Entry entry) {
  CHECK_EQ(entry.index, last_.Next());
  const Term before = last().term;
  CHECK_GE(entry.term, before);
  if (runs_.empty() || entry.term != before) runs_.push_back({entry.term, entry.index});
  last_ = entry.index;
  cache_bytes_ += EntryBytes(entry);
  cache_.push_back(std::move(entry));
}

void Log::TruncateAfter(LogIndex last_kept) {
  CHECK_LT(last_kept, last_);
  CHECK_GE(last_kept, commit_);
  while (!cache_.empty() && cache_.back().index > last_kept) {
    cache_bytes_ -= EntryBytes(cache_.back());
    cache_.pop_back();
  }
  while (!runs_.empty() && runs_.back().first > last_kept) runs_.pop_back();
  last_ = last_kept;
  handed_ = std::min(handed_, last_kept);
  stable_ = std::min(stable_, last_kept);
}

void Log::Compact(LogIndex upto) {
  if (upto <= base_.index) return;
  CHECK_LE(upto, applied_);
  base_ = {*TermAt(upto), upto};
  // The run that holds the entry after the new base stays, from there on.
  size_t gone = 0;
  while (gone < runs_.size() &&
         (gone + 1 < runs_.size() ? runs_[gone + 1].first <= upto.Next() : last_ == upto)) {
    ++gone;
  }
  runs_.erase(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(gone));
  if (!runs_.empty()) runs_.front().first = upto.Next();
  while (!cache_.empty() && cache_.front().index <= upto) {
    cache_bytes_ -= EntryBytes(cache_.front());
    cache_.pop_front();
  }
}

size_t Log::CopyTo(LogIndex first, LogIndex last, size_t max_bytes, std::vector<Entry>* to) const {
  CHECK(cache_first() <= first && last <= last_);
  if (first > last) return 0;
  const size_t begin = first - cache_first();
  const size_t limit = last.Next() - cache_first();
  size_t end = begin;
  size_t bytes = 0;
  while (end < limit && bytes < max_bytes) bytes += EntryBytes(cache_[end++]);
  if (end == begin) bytes += EntryBytes(cache_[end++]);
  to->reserve(to->size() + (end - begin));
  for (size_t i = begin; i < end; ++i) to->push_back(cache_[i]);
  return bytes;
}

size_t Log::BytesOf(LogIndex after, LogIndex upto) const {
  size_t bytes = 0;
  for (LogIndex i = std::max(after.Next(), cache_first()); i <= upto; i = i.Next()) {
    bytes += EntryBytes(Cached(i));
  }
  return bytes;
}

void Log::Evict(LogIndex not_needed, size_t max_bytes) {
  const LogIndex may_go = std::min(applied_, stable_);
  while (!cache_.empty() && cache_.front().index <= may_go &&
         (cache_.front().index <= not_needed || cache_bytes_ > max_bytes)) {
    cache_bytes_ -= EntryBytes(cache_.front());
    cache_.pop_front();
  }
}

}  // namespace cairn::raft
