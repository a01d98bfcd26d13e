// Files: the one door to the disk. Calls block (pread, pwrite, fdatasync); who must not block gives
// them to a Worker. What is written is durable only after Sync, and a name (created, renamed,
// removed) only after SyncDirectory of its folder.
//
// Errors: NotFound, AlreadyExists, ResourceExhausted (disk full), Unavailable (locked by another
// process), PermissionDenied, Internal (input/output error, message from the system). After a
// failed Sync nothing is known about what reached the disk: the caller stops, it never tries again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/status.h"

namespace cairn::env {

// One open file, positioned I/O only. Not for two threads at once, except that Sync may run on a
// Worker while the owner reads (never while it writes).
class File {
 public:
  virtual ~File() = default;  // closes; does not sync
  // Reads up to into.size() bytes; fewer only at the end of the file.
  virtual Result<size_t> ReadAt(uint64_t offset, std::span<char> into) = 0;
  // Writes all pieces one after another from `offset` on, extending the file where needed.
  virtual Status WriteAt(uint64_t offset, std::span<const std::string_view> pieces) = 0;
  // Makes all earlier writes, and the file's size, durable.
  virtual Status Sync() = 0;
  // Reserves room for [0, size) and sets the file's size to at least `size`; new bytes read as 0.
  virtual Status Allocate(uint64_t size) = 0;
  virtual Status Truncate(uint64_t size) = 0;
  virtual Result<uint64_t> Size() = 0;

  Status WriteAt(uint64_t offset, std::string_view piece) {
    return WriteAt(offset, std::span<const std::string_view>(&piece, 1));
  }
};

// Held for as long as the object lives: no other process (nor this one) can lock the same path.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // created if missing
  kCreateNew,  // must not exist
};

struct DiskSpace {
  uint64_t free_bytes = 0;
  uint64_t total_bytes = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  virtual Status CreateDirectories(const std::string& path) = 0;
  // Names (not paths) in the folder, sorted.
  virtual Result<std::vector<std::string>> List(const std::string& path) = 0;
  virtual bool Exists(const std::string& path) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  virtual Status SyncDirectory(const std::string& path) = 0;
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
  virtual Result<DiskSpace> Space(const std::string& path) = 0;
};

// The whole of a small file.
Result<std::string> ReadWholeFile(FileSystem& files, const std::string& path);
// Replaces `path` as one step: writes beside it, syncs, renames, syncs the folder. After a crash
// the file is the old or the new one, whole.
Status ReplaceFile(FileSystem& files, const std::string& path, std::string_view contents);

}  // namespace cairn::env
