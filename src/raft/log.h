// Log: the in-memory part of one node's log. It knows the term of every entry (a few TermRuns),
// holds the newest entries themselves in a bounded cache, and keeps the log pointers:
//
//   base <= applied <= applying <= min(commit, stable),  stable <= handed <= last,  commit <= last
//
//   applied   the state machine has them        stable   durable here
//   applying  given out to be applied           handed   given out to be written
//   commit    known to be committed             last     the last entry
//
// The cache is a suffix of the log. An entry leaves it only when it is applied and stable, so
// whatever is not cached can be read from the disk.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "src/base/ring.h"
#include "src/raft/types.h"

namespace cairn::raft {

// What an entry counts in every limit in bytes: its data, and a share for what stands around it in
// memory and on the wire, so that empty entries are bounded too.
inline constexpr size_t kEntryOverhead = 32;
inline size_t EntryBytes(const Entry& e) { return e.data.size() + kEntryOverhead; }

class Log {
 public:
  // A log as it was found at the start: all of it is stable, none cached. CHECKs the shape.
  Log(const LogShape& shape, LogIndex commit, LogIndex applied);

  // ---- Shape ----
  EntryId base() const { return base_; }
  LogIndex first_index() const { return base_.index.Next(); }
  LogIndex last_index() const { return last_; }
  EntryId last() const;
  // The term of an entry or of the base; nullopt for what is cut or not there yet.
  std::optional<Term> TermAt(LogIndex index) const;
  bool Holds(EntryId id) const { return TermAt(id.index) == id.term; }
  // The last entry (or the base) at or below bound.index whose term is at most bound.term; nullopt
  // when that stands before the base. Fast backtracking skips whole terms with it, on both sides.
  std::optional<EntryId> LastAtOrBelow(EntryId bound) const;
  const std::vector<TermRun>& runs() const { return runs_; }

  // ---- Pointers ----
  LogIndex stable_index() const { return stable_; }
  LogIndex handed_index() const { return handed_; }
  LogIndex commit_index() const { return commit_; }
  LogIndex applying_index() const { return applying_; }
  LogIndex applied_index() const { return applied_; }

  // True if it moved. `index` <= last.
  bool MaybeCommit(LogIndex index);
  // Everything up to `index` is durable. `index` <= handed.
  void StableTo(LogIndex index);
  // Entries up to `index` were given out to be written / to be applied.
  void HandedTo(LogIndex index);
  void ApplyingTo(LogIndex index);
  void AppliedTo(LogIndex index);
  // What may be applied now: entries (applying, ApplicableTo()].
  LogIndex ApplicableTo() const { return commit_ < stable_ ? commit_ : stable_; }

  // ---- Change ----
  // entry.index == last + 1, entry.term >= last term.
  void Append(Entry entry);
  // Removes the entries after `last_kept`; none of them is committed.
  void TruncateAfter(LogIndex last_kept);
  // The entries up to `upto` are cut. upto <= applied.
  void Compact(LogIndex upto);

  // ---- Cache ----
  // Entries [cache_first(), last] are in memory.
  LogIndex cache_first() const { return last_.Next() - cache_.size(); }
  size_t cache_bytes() const { return cache_bytes_; }
  const Entry& Cached(LogIndex index) const { return cache_[index - cache_first()]; }
  // Copies cached entries from `first` to `last` at most, stopping after the one that reaches
  // max_bytes (so at least one, if there is one). Returns their EntryBytes.
  size_t CopyTo(LogIndex first, LogIndex last, size_t max_bytes, std::vector<Entry>* to) const;
  // The sum of EntryBytes of cached entries (after, upto].
  size_t BytesOf(LogIndex after, LogIndex upto) const;
  // Drops applied and stable entries: those up to `not_needed`, and more until max_bytes suffice.
  void Evict(LogIndex not_needed, size_t max_bytes);

 private:
  EntryId base_;
  LogIndex last_;
  std::vector<TermRun> runs_;
  Ring<Entry> cache_;
  size_t cache_bytes_ = 0;
  LogIndex stable_, handed_, commit_, applying_, applied_;
};

}  // namespace cairn::raft
