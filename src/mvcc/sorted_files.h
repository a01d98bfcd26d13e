// SortedFiles: the sorted files under the window, as the store sees them: four families of byte
// strings in byte order, changed only by whole batches. A batch is one atomic, durable step over
// all families; there is no memtable, no log and no single write. src/mvcc/codec.h says what the
// families hold.
//
// Implementations: RocksDB (rocksdb_files.h), and plain files on env::FileSystem (sim_files.h) for
// the simulator. No type of either crosses this interface; one conformance test holds for both.
//
// Thread rules: Get and NewCursor on the owner's thread; one batch at a time may be written on
// another thread meanwhile. A cursor belongs to one thread and sees the files as they stood when it
// was made.
//
// Errors: DataLoss when what is read is damaged, Internal when the disk fails.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "src/base/status.h"

namespace cairn::mvcc {

enum class Family : uint8_t {
  kVersions = 0,   // (key, revision) -> metadata and value of that version
  kRevisions = 1,  // revision -> key, in chunks
  kLatest = 2,     // key -> metadata of its newest version; nothing for a deleted key
  kSystem = 3,     // the durable point, and the records beside the keys
};
inline constexpr int kFamilies = 4;

class SortedFiles {
 public:
  // Walks a family in byte order. key() and value() hold until the next move.
  class Cursor {
   public:
    virtual ~Cursor() = default;
    // Moves to the first key at or after `target`.
    virtual void Seek(std::string_view target) = 0;
    virtual void Next() = 0;
    virtual bool Valid() const = 0;  // false at the end, and after an error: ask status()
    virtual std::string_view key() const = 0;
    virtual std::string_view value() const = 0;
    virtual Status status() const = 0;
  };

  // Changes to be made in one step. The keys of one family are added in strictly rising order, the
  // families in any order and mixed. Dropping it without Commit leaves the files as they were.
  class Batch {
   public:
    virtual ~Batch() = default;
    virtual void Put(Family family, std::string_view key, std::string_view value) = 0;
    virtual void Delete(Family family, std::string_view key) = 0;
    // Durable and visible, all or nothing, when this returns Ok. After an error of any kind the
    // caller stops: what is on the disk is known again after the next Open, the old state or the
    // new one. An error of Put or Delete comes out here. Called once.
    virtual Status Commit() = 0;
  };

  // How far a cursor will look.
  enum class Reach : uint8_t {
    kAll,
    // Versions only: the versions of the one key that Seek's target names. Filters are used, so
    // that files without the key cost nothing.
    kOneKey,
  };

  virtual ~SortedFiles() = default;
  // True and `value` set when the key is there.
  virtual Result<bool> Get(Family family, std::string_view key, std::string* value) = 0;
  virtual std::unique_ptr<Cursor> NewCursor(Family family, Reach reach) = 0;
  std::unique_ptr<Cursor> NewCursor(Family family) { return NewCursor(family, Reach::kAll); }
  virtual std::unique_ptr<Batch> NewBatch() = 0;
  // What the files take on the disk, about.
  virtual uint64_t SizeBytes() const = 0;
};

}  // namespace cairn::mvcc
