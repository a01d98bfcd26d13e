// The file system of one process on its host's disk: counts operations (crash points), takes time,
// and does nothing once the process is dead.
#include <utility>

#include "src/base/checksum.h"
#include "src/env/sim/process.h"

namespace cairn::env::sim {
namespace {

Status Dead() { return Status(StatusCode::kInternal, "the simulated process is dead"); }

}  // namespace

class SimFile final : public File {
 public:
  SimFile(Process& process, std::shared_ptr<Disk::Inode> inode)
      : process_(process), disk_(process.host().disk()), inode_(std::move(inode)) {
    ++process_.objects;
  }
  ~SimFile() override { --process_.objects; }

  Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override {
    if (!process_.inspecting()) {
      if (!process_.alive()) return Dead();
      process_.Spend(disk_.options_.write_time);
      if (disk_.random_.Chance(disk_.faults_.read_error)) {
        return Status(StatusCode::kInternal, "input/output error");
      }
    }
    if (offset >= inode_->data.size()) return size_t{0};
    const size_t n = std::min(into.size(), inode_->data.size() - static_cast<size_t>(offset));
    inode_->data.copy(into.data(), n, offset);
    return n;
  }

  using File::WriteAt;
  Status WriteAt(uint64_t offset, std::span<const std::string_view> pieces) override {
    size_t bytes = 0;
    for (const std::string_view piece : pieces) bytes += piece.size();
    const bool was_alive = process_.alive();
    if (!process_.FileOperation("write", offset ^ (bytes << 40))) {
      if (was_alive) {  // it dies in the middle of this write
        disk_.WritePart(*inode_, offset, pieces, disk_.random_.Below(bytes + 1));
      }
      return Dead();
    }
    process_.Spend(disk_.options_.write_time);
    return disk_.WriteAt(*inode_, offset, pieces);
  }

  Status Sync() override {
    if (!process_.FileOperation("sync", inode_->data.size())) return Dead();
    process_.Spend(disk_.SyncTime());
    return disk_.Sync(*inode_);
  }

  Status Allocate(uint64_t size) override {
    if (!process_.FileOperation("allocate", size)) return Dead();
    process_.Spend(disk_.options_.write_time);
    return disk_.SetSize(*inode_, size, /*may_shrink=*/false);
  }

  Status Truncate(uint64_t size) override {
    if (!process_.FileOperation("truncate", size)) return Dead();
    process_.Spend(disk_.options_.write_time);
    return disk_.SetSize(*inode_, size, /*may_shrink=*/true);
  }

  Result<uint64_t> Size() override {
    if (!process_.alive() && !process_.inspecting()) return Dead();
    return uint64_t{inode_->data.size()};
  }

 private:
  Process& process_;
  Disk& disk_;
  std::shared_ptr<Disk::Inode> inode_;
};

class SimFileSystem final : public FileSystem {
 public:
  explicit SimFileSystem(Process& process) : process_(process), disk_(process.host().disk()) {}

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    const bool changes = mode == OpenMode::kCreate || mode == OpenMode::kCreateNew;
    if (!process_.alive() || (changes && !Begin("open", path))) return Dead();
    auto inode = disk_.OpenFile(path, mode);
    if (!inode.ok()) return inode.status();
    return std::unique_ptr<File>(std::make_unique<SimFile>(process_, std::move(*inode)));
  }

  Status CreateDirectories(const std::string& path) override {
    return Begin("mkdir", path) ? disk_.CreateDirectories(path) : Dead();
  }

  Result<std::vector<std::string>> List(const std::string& path) override {
    if (!process_.alive()) return Dead();
    const auto directory = disk_.Lookup(path);
    if (directory == nullptr || !directory->directory) {
      return Status(StatusCode::kNotFound, path + ": no such directory");
    }
    std::vector<std::string> names;
    for (const auto& [name, inode] : directory->entries) names.push_back(name);
    return names;
  }

  bool Exists(const std::string& path) override {
    return process_.alive() && disk_.Lookup(path) != nullptr;
  }

  Status Rename(const std::string& from, const std::string& to) override {
    return Begin("rename", to) ? disk_.Rename(from, to) : Dead();
  }

  Status Remove(const std::string& path) override {
    return Begin("remove", path) ? disk_.Remove(path) : Dead();
  }

  Status SyncDirectory(const std::string& path) override {
    if (!Begin("sync directory", path)) return Dead();
    process_.Spend(disk_.SyncTime());
    return disk_.SyncDirectory(path);
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

  Result<DiskSpace> Space(const std::string&) override {
    if (!process_.alive()) return Dead();
    constexpr uint64_t kUnbounded = 1ull << 40;
    const uint64_t total = std::min(disk_.faults_.capacity_bytes, kUnbounded);
    const uint64_t used = disk_.used_bytes();
    return DiskSpace{total > used ? total - used : 0, total};
  }

 private:
  bool Begin(std::string_view kind, const std::string& path) {
    if (!process_.FileOperation(kind, Checksum(path))) return false;
    process_.Spend(disk_.options_.write_time);
    return true;
  }

  Process& process_;
  Disk& disk_;
};

namespace {

class SimLock final : public FileLock {
 public:
  SimLock(Process& process, std::set<std::string>& held, std::string path)
      : process_(process), held_(held), path_(std::move(path)) {
    ++process_.objects;
  }
  ~SimLock() override {
    held_.erase(path_);
    --process_.objects;
  }

 private:
  Process& process_;
  std::set<std::string>& held_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<FileLock>> SimFileSystem::Lock(const std::string& path) {
  if (!process_.alive()) return Dead();
  if (disk_.Find(path).parent == nullptr) {
    return Status(StatusCode::kNotFound, path + ": no such directory");
  }
  if (!disk_.locks_.insert(path).second) {
    return Status(StatusCode::kUnavailable, path + ": locked by another process");
  }
  return std::unique_ptr<FileLock>(std::make_unique<SimLock>(process_, disk_.locks_, path));
}

std::unique_ptr<FileSystem> NewFileSystem(Process& process) {
  return std::make_unique<SimFileSystem>(process);
}

}  // namespace cairn::env::sim
