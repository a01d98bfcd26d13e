// RocksDbFiles: SortedFiles on RocksDB. One column family each; a batch is one SST file a family,
// written and synced beside the database and ingested in one atomic step (IngestExternalFiles over
// all of them: one edit of the manifest). Memtables, write-ahead log and write stalls of RocksDB
// are never used.
//
// In its folder: db/ is RocksDB's; new/ holds the files of a batch until they are ingested, and
// what a crash left there is removed at the next Open.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "src/mvcc/sorted_files.h"

namespace cairn::mvcc {

struct RocksDbOptions {
  size_t block_cache_bytes = 32 << 20;  // data blocks
  int max_open_files = 512;             // each holds its index and filters, up to about 1 MB
  // LZ4 for what has sunk to the lowest level: less disk, about 1 us more a read that misses the
  // cache.
  bool compress = false;
  int background_jobs = 2;  // threads that compact, at low priority
  // A batch waits, on its worker, while a family has so many files that a read must ask each of:
  // compaction is behind, and the store says it is overloaded.
  int max_overlapping_files = 40;
};

// `folder` is created if missing; its parent must exist. DataLoss when the database is damaged,
// Unavailable when another process has it open.
Result<std::unique_ptr<SortedFiles>> OpenRocksDbFiles(const std::string& folder,
                                                      const RocksDbOptions& options);

}  // namespace cairn::mvcc
