// Disk: what one simulated machine keeps across the lives of its processes, and what a crash does
// to it.
//
// Every file has two states: what a reader sees (the page cache) and what stands on the medium.
// Sync makes them one. A power loss keeps of the difference what a real disk might have: each
// 512-byte sector on its own old or new (a sector written several times since the last sync may
// also hold a version in between), the file's size as it was after some prefix of its changes.
// Changes of directories (create, rename, remove) are durable after SyncDirectory; of the others a
// crash keeps either a prefix, as one journal would, or any set in which changes of the same name
// keep their order, as a file system with a log tree a file would. A rename is never torn. A
// process crash (kill -9) loses nothing: the page cache survives.
//
// After a failed Sync each dirty sector is on the medium or not, and later syncs do not write it
// again although they succeed: what Linux does (Rebello et al., "Can Applications Recover from
// fsync Failures?", ATC 2020).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/random.h"
#include "src/base/status.h"
#include "src/env/file.h"
#include "src/env/time.h"

namespace cairn::env::sim {

inline constexpr uint64_t kSectorBytes = 512;

// What is wrong with a disk, set by the nemesis at any time. Chances are for each operation.
struct DiskFaults {
  double sync_error = 0;
  double write_error = 0;
  double read_error = 0;
  double sync_slowdown = 1;              // multiplies the time of every sync
  uint64_t capacity_bytes = UINT64_MAX;  // beyond it: disk full
};

struct DiskOptions {
  Duration write_time = microseconds(3);
  Duration sync_min = microseconds(80);
  Duration sync_max = microseconds(400);
  // How often a sector that is overwritten while dirty had been written back before.
  double writeback_chance = 0.25;
};

class Disk {
 public:
  Disk(Random random, DiskOptions options);
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  ~Disk();

  DiskFaults& faults() { return faults_; }

  // What remains of the last moment's state when power is lost.
  void PowerLoss();
  void ReleaseLocks() { locks_.clear(); }

  // ---- Damage, on medium and cache alike ----
  // False when the file is missing or shorter.
  bool FlipBit(const std::string& path, uint64_t offset, int bit);
  // The next write is acknowledged and goes nowhere / to another sector-aligned place of the same
  // file.
  void LoseNextWrite() { lose_next_write_ = true; }
  void MisdirectNextWrite() { misdirect_next_write_ = true; }
  // Every file's path, sorted: for a nemesis that looks for something to damage.
  std::vector<std::string> Paths() const;

  uint64_t used_bytes() const;

 private:
  friend class SimFileSystem;
  friend class SimFile;

  struct Inode {
    bool directory = false;
    // Files. `data` is what readers see; `medium` holds the sectors that differ there, `stale`
    // those that a failed sync left behind (no later sync writes them).
    std::string data;
    std::map<uint64_t, std::string> medium;
    std::map<uint64_t, std::string> stale;
    std::vector<uint64_t> sizes = {0};  // the durable size, then every size since
    // Directories.
    std::map<std::string, std::shared_ptr<Inode>> entries;
    std::map<std::string, std::shared_ptr<Inode>> durable_entries;
  };
  using InodePtr = std::shared_ptr<Inode>;

  // One change of a directory that is not durable yet: `name` gets `to` (null: is removed); a
  // rename also removes `from_name` in `from_parent`.
  struct Change {
    InodePtr parent;
    std::string name;
    InodePtr to;
    InodePtr from_parent;
    std::string from_name;
    bool Touches(const Inode* directory) const;
    bool SharesName(const Change& other) const;
    void MakeDurable() const;
  };

  struct Place {  // a path taken apart; parent is null when a folder on the way is missing
    InodePtr parent;
    std::string name;
  };

  Place Find(const std::string& path) const;
  InodePtr Lookup(const std::string& path) const;

  Result<InodePtr> OpenFile(const std::string& path, OpenMode mode);
  Status CreateDirectories(const std::string& path);
  Status Rename(const std::string& from, const std::string& to);
  Status Remove(const std::string& path);
  Status SyncDirectory(const std::string& path);
  Status WriteAt(Inode& file, uint64_t offset, std::span<const std::string_view> pieces);
  // Only the first `bytes` of the write, as a crash in its middle leaves it.
  void WritePart(Inode& file, uint64_t offset, std::span<const std::string_view> pieces,
                 size_t bytes);
  Status SetSize(Inode& file, uint64_t size, bool may_shrink);
  Status Sync(Inode& file);
  Duration SyncTime();

  void Dirty(Inode& file, uint64_t first_sector, uint64_t last_sector);
  void Resize(Inode& file, uint64_t size);
  void CrashFile(Inode& file);
  void CrashTree(const InodePtr& directory);
  void Collect(const Inode& directory, const std::string& prefix,
               std::vector<std::string>* out) const;
  Status RoomFor(const Inode& file, uint64_t size) const;

  Random random_;
  DiskOptions options_;
  DiskFaults faults_;
  InodePtr root_;
  std::vector<Change> changes_;  // of directories, oldest first
  std::set<std::string> locks_;
  bool lose_next_write_ = false;
  bool misdirect_next_write_ = false;
};

}  // namespace cairn::env::sim
