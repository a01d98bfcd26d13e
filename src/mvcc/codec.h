// How keys, versions and the durable point are written into the sorted files. docs/formats/store.md
// is the specification; what stands here must not change its meaning without a new format number
// there.
//
// Versions are found under the key, escaped so that it can be followed by something, then the
// revision, newest first:
//   key bytes, each 00 as 00 FF | 00 00 | ~main (8 bytes, big endian) | ~sub (4 bytes, big endian)
// Byte order of these is the order of (key, revision descending): the terminator 00 00 is below 00
// FF and below every other byte, so "a" < "a\0" < "ab" holds with any revision behind them.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "src/mvcc/store.h"
#include "src/raft/types.h"

namespace cairn::mvcc {

inline constexpr size_t kVersionSuffixBytes = 12;

// Everything about a version but its key, value and own revision. version 0: a tombstone.
struct VersionMeta {
  int64_t create_revision = 0;
  int64_t version = 0;
  int64_t lease = 0;
  bool live() const { return version > 0; }
  friend bool operator==(const VersionMeta&, const VersionMeta&) = default;
};

// Each replaces `to`.
void EncodeVersionKey(std::string_view key, Revision revision, std::string* to);
// Sorts before every version of `key`.
void EncodeKeyStart(std::string_view key, std::string* to);
// Sorts after every version of `key` and before those of all greater keys.
void EncodeKeyEnd(std::string_view key, std::string* to);
void EncodeRevision(Revision revision, std::string* to);

// The part of an encoded version key that all versions of its key share: the escaped key with its
// terminator. The whole of `encoded` if there is no terminator.
std::string_view VersionKeyPrefix(std::string_view encoded);

// The decoded key is a view of `encoded` or, when it had to be unescaped, of `scratch`.
struct VersionKey {
  std::string_view key;
  Revision revision;
};
std::optional<VersionKey> DecodeVersionKey(std::string_view encoded, std::string* scratch);
std::optional<Revision> DecodeRevision(std::string_view encoded);

// Revisions are kept in chunks, for an entry each would cost a put as much as its version: an entry
// of the family stands under its *last* revision, so that a seek to any revision finds the chunk
// that holds it or what follows, and lists revisions with their keys in rising order.
class RevisionChunk {
 public:
  static constexpr size_t kFullBytes = 4096;
  void Add(Revision revision, std::string_view key);
  bool empty() const { return bytes_.empty(); }
  bool full() const { return bytes_.size() >= kFullBytes; }
  Revision last() const { return last_; }
  std::string_view bytes() const { return bytes_; }
  void Clear() { bytes_.clear(), last_ = {}; }

 private:
  Revision last_;
  std::string bytes_;
};
// False when the chunk is damaged; what was visited before is right all the same.
bool VisitRevisionChunk(std::string_view bytes,
                        absl::FunctionRef<void(Revision revision, std::string_view key)> visit);

// Metadata, then the value's bytes.
void EncodeVersion(const VersionMeta& meta, std::string_view value, std::string* to);
std::optional<VersionMeta> DecodeVersion(std::string_view encoded, std::string_view* value);

// Of the newest version.
struct LatestMeta {
  Revision mod;
  VersionMeta meta;
};
void EncodeLatest(const LatestMeta& latest, std::string* to);
std::optional<LatestMeta> DecodeLatest(std::string_view encoded);

// Where a restart begins.
struct DurablePoint {
  raft::EntryId applied;
  int64_t revision = 1;
  int64_t compacted_revision = 0;
  int64_t keys = 0;
  friend bool operator==(const DurablePoint&, const DurablePoint&) = default;
};
// Keys of the system family: the durable point, and a record of the owner's under its own name.
inline constexpr std::string_view kDurablePointKey = "d";
inline constexpr char kSystemRecordPrefix = 's';
std::string EncodeDurablePoint(const DurablePoint& point);
std::optional<DurablePoint> DecodeDurablePoint(std::string_view encoded);

}  // namespace cairn::mvcc
