// Store: the multi-version map under the state machine. A window of recent versions in memory above
// sorted files; one durable point for everything. docs/architecture.md says how; src/mvcc/window.h
// and src/mvcc/sorted_files.h are the two halves.
//
// Writes come from the log, one transaction an entry, on the executor's thread, and are in memory
// only: the log has made them durable. A full window is sealed and a worker makes it files in one
// atomic step, with the id of the last entry applied and the system records as they stood at that
// entry: that is the durable point. A restart begins there and replays the log. Nothing is applied
// twice: an entry at or below applied() is refused by CHECK.
//
// Revisions are etcd's: an empty store is at 1, the first transaction that writes makes 2.
#pragma once

#include <absl/functional/any_invocable.h>
#include <absl/functional/function_ref.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/status.h"
#include "src/env/env.h"
#include "src/raft/types.h"

namespace cairn::mvcc {

class SortedFiles;

// main: the transaction; sub: the change within it, from 0.
struct Revision {
  int64_t main = 0;
  int64_t sub = 0;
  friend auto operator<=>(const Revision&, const Revision&) = default;
};

// One version of one key. The views are valid during the visit only.
struct KeyValue {
  std::string_view key;
  std::string_view value;  // empty when keys_only
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  int64_t version = 0;  // 1 for the first put after (re)creation
  int64_t lease = 0;
};

// Which keys: range_end empty = the one key; "\0" = every key from `key` on; else [key, range_end).
struct KeyRange {
  std::string_view key;
  std::string_view range_end;
};

struct RangeQuery {
  KeyRange keys;
  int64_t revision = 0;  // 0: the current one
  int64_t limit = 0;     // visits at most so many; 0: all. `count` is exact all the same
  bool keys_only = false;
  bool count_only = false;
  // Bounds on what is visited, 0 = none; `count` ignores them, as etcd's does.
  int64_t min_mod_revision = 0, max_mod_revision = 0;
  int64_t min_create_revision = 0, max_create_revision = 0;
};

struct RangeSummary {
  int64_t count = 0;  // keys in the range at that revision
  bool more = false;  // the limit cut the visit short
};

using Visitor = absl::FunctionRef<void(const KeyValue&)>;

// The changes of one entry. All share one main revision, taken when the first change is made.
//
// Changes are made in place, there is no way back: an entry that is committed is applied whole. An
// error of a call (the files could not be read) leaves the store between two states; it is sticky,
// and the owner stops without Commit.
class WriteTxn {
 public:
  // Sees the changes made so far in this transaction. Errors as Store::Range.
  virtual Result<RangeSummary> Range(const RangeQuery& query, Visitor visit) = 0;
  // Makes a new version of the key.
  virtual Status Put(std::string_view key, std::string_view value, int64_t lease) = 0;
  // Deletes every key in the range, a tombstone each, and returns how many there were.
  virtual Result<int64_t> DeleteRange(KeyRange keys) = 0;
  // The store's revision as a reader sees it after this transaction: main of the change, or the
  // current one.
  virtual int64_t revision() const = 0;
  // Records beside the keys (members, leases, alarms, ...): small, whole in memory, same durable
  // point.
  virtual void SetSystem(std::string_view key, std::string_view value) = 0;
  virtual void EraseSystem(std::string_view key) = 0;
  // Ends the transaction; the entry counts as applied from here on. Called exactly once.
  virtual void Commit() = 0;

 protected:
  ~WriteTxn() = default;
};

struct StoreOptions {
  size_t window_bytes = 32 << 20;  // a window of this size is sealed and flushed
  size_t max_sealed_windows = 2;  // beyond it Begin() still works; `overloaded()` asks for patience
  size_t latest_cache_entries = 1 << 20;  // hash of the latest metadata of recently written keys
};

struct StoreStats {
  int64_t revision = 1;
  int64_t compacted_revision = 0;
  int64_t keys = 0;  // live keys now; exact
  uint64_t window_bytes = 0, sealed_bytes = 0;
  uint64_t files_bytes = 0;  // on disk
  uint64_t flushes = 0;
  env::Duration last_flush{0};
};

class Store {
 public:
  // Loads the durable point out of `files`. DataLoss when the files are damaged.
  static Result<std::unique_ptr<Store>> Open(env::Executor& executor,
                                             std::unique_ptr<SortedFiles> files,
                                             StoreOptions options);
  virtual ~Store() = default;

  // The last entry applied, in memory / in the files.
  virtual raft::EntryId applied() const = 0;
  virtual raft::EntryId durable() const = 0;

  // One transaction at a time; its entry must be the one after applied() in index. The store owns
  // the transaction and uses the one object again for the next: a put makes no garbage. Valid until
  // Commit.
  virtual WriteTxn& Begin(raft::EntryId entry) = 0;
  // The entry changes nothing here (a no-op, a refused command).
  virtual void Skip(raft::EntryId entry) = 0;

  // Visits in key order. OutOfRange "etcdserver: mvcc: required revision is a future revision" /
  // "... has been compacted".
  virtual Result<RangeSummary> Range(const RangeQuery& query, Visitor visit) = 0;

  virtual int64_t revision() const = 0;
  virtual std::optional<std::string> System(std::string_view key) const = 0;
  virtual void VisitSystem(
      std::string_view prefix,
      absl::FunctionRef<void(std::string_view key, std::string_view value)> visit) const = 0;

  // Seals the window, if it holds anything, and flushes. The log retains too much, or the process
  // ends.
  virtual void Flush() = 0;
  // Runs after each flush, when durable() has moved, or with the error that stopped flushing: then
  // the disk has failed and the owner stops.
  virtual void SetFlushObserver(absl::AnyInvocable<void(const Status&)> observer) = 0;
  virtual bool overloaded() const = 0;

  virtual StoreStats stats() const = 0;
  // Over the revision, every key's latest version with its metadata, and the system records: equal
  // on all members at equal applied(). Reads everything: for tests and simulation.
  virtual Result<uint64_t> Hash() = 0;
};

}  // namespace cairn::mvcc
