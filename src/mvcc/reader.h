// Reading the store at a revision: memory above files, newest version at or below the revision,
// tombstones hide. Used by the store for its own reads and by its transaction.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/mvcc/codec.h"
#include "src/mvcc/key_table.h"
#include "src/mvcc/sorted_files.h"
#include "src/mvcc/store.h"
#include "src/mvcc/window.h"

namespace cairn::mvcc {

// What a read looks at; all of it outlives the reader and changes only between its calls.
struct ReadView {
  const KeyTable* table;
  SortedFiles* files;
  std::vector<Window*> windows;  // oldest first, the active one last
  // At or below it: in the files. Above it: in memory.
  int64_t files_revision = 0;
  // The files may hold versions up to here already: a flush is on its way, and its batch becomes
  // visible before the store hears of it. Only reads at or above it may use the latest family.
  int64_t files_may_reach = 0;
};

class Reader {
 public:
  explicit Reader(const ReadView* view) : view_(view) {}

  // The newest version in memory at or below `revision`, null if there is none: then the files have
  // it.
  static const Version* InMemory(const KeyState& state, int64_t revision, const ReadView& view);

  // The metadata of `key` at `revision`; not live() when it does not exist then. With `value`, its
  // value too, a view that holds until the next call.
  Result<LatestMeta> Find(std::string_view key, int64_t revision, std::string_view* value);
  // The newest state in the files, for a key that has no version in memory.
  Result<LatestMeta> FindLatestInFiles(std::string_view key);

  // `visit` sees the keys that pass the query's bounds, up to its limit. `revision` has been
  // resolved and checked; `total` is the number of all live keys at it, when known.
  Result<RangeSummary> Range(const RangeQuery& query, int64_t revision,
                             std::optional<int64_t> total, Visitor visit);

 private:
  Result<LatestMeta> FindInFilesAt(std::string_view key, int64_t revision, std::string_view* value);
  Status LoadValue(std::string_view key, Revision revision, std::string_view* value);
  Result<RangeSummary> PointRange(const RangeQuery& query, int64_t revision, Visitor visit);

  const ReadView* view_;
  std::string key_buffer_, value_buffer_;
};

// True if the range is every key there can be.
bool CoversAllKeys(const KeyRange& keys);

}  // namespace cairn::mvcc
