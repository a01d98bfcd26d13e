// The files of the machine.
#pragma once

#include "src/env/file.h"

namespace cairn::env::posix {

// Stateless: one serves any number of threads. New files are readable by their owner alone (0600,
// folders 0700).
class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  // Also makes the names of the folders it creates durable, all the way down.
  Status CreateDirectories(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  bool Exists(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  // A file or an empty folder.
  Status Remove(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  // Creates the file if it is missing and leaves it there: removing it could take the lock from
  // another.
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  Result<DiskSpace> Space(const std::string& path) override;
};

}  // namespace cairn::env::posix
