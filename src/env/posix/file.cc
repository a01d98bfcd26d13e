#include "src/env/posix/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "src/env/posix/error.h"

namespace cairn::env::posix {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;
// Pieces of one pwritev; the system takes up to 1024.
constexpr size_t kMaxPieces = 256;

// Runs a system call again while a signal interrupts it.
template <class Call>
auto Retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

int OpenRetry(const std::string& path, int flags) {
  return Retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kFileMode); });
}

class PosixFile final : public File {
 public:
  PosixFile(std::string path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t n = Retry([&] {
        return ::pread(fd_.get(), into.data() + done, into.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (n < 0) return FileError("read", path_, errno);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status WriteAt(uint64_t offset, std::span<const std::string_view> pieces) override {
    std::array<iovec, kMaxPieces> vectors;
    size_t next = 0;  // the first piece that is not in `vectors` yet
    size_t begin = 0;
    size_t end = 0;  // [begin, end) of `vectors` waits to be written
    while (true) {
      if (begin == end) {
        begin = end = 0;
        for (; next < pieces.size() && end < vectors.size(); ++next) {
          if (pieces[next].empty()) continue;
          vectors[end++] = {const_cast<char*>(pieces[next].data()), pieces[next].size()};
        }
        if (end == 0) return OkStatus();
      }
      const ssize_t n = Retry([&] {
        return ::pwritev(fd_.get(), &vectors[begin], static_cast<int>(end - begin),
                         static_cast<off_t>(offset));
      });
      if (n < 0) return FileError("write", path_, errno);
      if (n == 0) return FileError("write", path_, ENOSPC);  // no progress and no reason given
      offset += static_cast<uint64_t>(n);
      for (auto left = static_cast<size_t>(n); left > 0;) {
        iovec& v = vectors[begin];
        const size_t step = std::min(left, v.iov_len);
        v.iov_base = static_cast<char*>(v.iov_base) + step;
        v.iov_len -= step;
        left -= step;
        if (v.iov_len == 0) ++begin;
      }
    }
  }

  // Not run again after EINTR: whether the first try lost an error of the disk is not known then.
  Status Sync() override {
    return ::fdatasync(fd_.get()) == 0 ? OkStatus() : FileError("sync", path_, errno);
  }

  Status Allocate(uint64_t size) override {
    if (size == 0) return OkStatus();
    if (Retry([&] { return ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(size)); }) == 0) {
      return OkStatus();
    }
    if (errno != EOPNOTSUPP) return FileError("allocate room for", path_, errno);
    return FillWithZeros(size);
  }

  Status Truncate(uint64_t size) override {
    const auto length = static_cast<off_t>(size);
    if (Retry([&] { return ::ftruncate(fd_.get(), length); }) == 0) return OkStatus();
    return FileError("truncate", path_, errno);
  }

  Result<uint64_t> Size() override {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return FileError("stat", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  // For file systems that cannot reserve: writing is the only way to own the room.
  Status FillWithZeros(uint64_t size) {
    auto have = Size();
    if (!have.ok()) return have.status();
    const std::string zeros(size_t{1} << 20, '\0');
    for (uint64_t at = *have; at < size;) {
      const auto step = static_cast<size_t>(std::min<uint64_t>(zeros.size(), size - at));
      if (Status s = File::WriteAt(at, std::string_view(zeros).substr(0, step)); !s.ok()) return s;
      at += step;
    }
    return OkStatus();
  }

  const std::string path_;
  const Descriptor fd_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  const Descriptor fd_;  // closing it gives the lock up
};

std::string ParentOf(const std::string& path) {
  const size_t last = path.find_last_not_of('/');
  const size_t slash = last == std::string::npos ? std::string::npos : path.rfind('/', last);
  if (slash == std::string::npos) return last == std::string::npos ? "/" : ".";
  const size_t end = path.find_last_not_of('/', slash);
  return end == std::string::npos ? "/" : path.substr(0, end + 1);
}

}  // namespace

Result<std::unique_ptr<File>> PosixFileSystem::Open(const std::string& path, OpenMode mode) {
  int flags = O_RDWR;
  if (mode == OpenMode::kRead) flags = O_RDONLY;
  if (mode == OpenMode::kCreate) flags = O_RDWR | O_CREAT;
  if (mode == OpenMode::kCreateNew) flags = O_RDWR | O_CREAT | O_EXCL;
  Descriptor fd(OpenRetry(path, flags));
  if (fd.get() < 0) return FileError("open", path, errno);
  return std::unique_ptr<File>(std::make_unique<PosixFile>(path, std::move(fd)));
}

Status PosixFileSystem::CreateDirectories(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    return S_ISDIR(info.st_mode) ? OkStatus() : FileError("create folder", path, ENOTDIR);
  }
  if (errno != ENOENT) return FileError("create folder", path, errno);
  const std::string parent = ParentOf(path);
  if (Status s = CreateDirectories(parent); !s.ok()) return s;
  if (::mkdir(path.c_str(), kFolderMode) != 0 && errno != EEXIST) {
    return FileError("create folder", path, errno);
  }
  return SyncDirectory(parent);
}

Result<std::vector<std::string>> PosixFileSystem::List(const std::string& path) {
  DIR* folder = ::opendir(path.c_str());
  if (folder == nullptr) return FileError("list", path, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int error = errno;
  ::closedir(folder);
  if (error != 0) return FileError("list", path, error);
  std::sort(names.begin(), names.end());
  return names;
}

bool PosixFileSystem::Exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

Status PosixFileSystem::Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return OkStatus();
  return FileError("rename", from + " to " + to, errno);
}

Status PosixFileSystem::Remove(const std::string& path) {
  if (std::remove(path.c_str()) == 0) return OkStatus();
  return FileError("remove", path, errno);
}

Status PosixFileSystem::SyncDirectory(const std::string& path) {
  const Descriptor fd(OpenRetry(path, O_RDONLY | O_DIRECTORY));
  if (fd.get() < 0) return FileError("open folder", path, errno);
  // Some file systems cannot sync a folder, and say EINVAL; their names are durable as they are.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) return FileError("sync folder", path, errno);
  return OkStatus();
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::Lock(const std::string& path) {
  Descriptor fd(OpenRetry(path, O_RDWR | O_CREAT));
  if (fd.get() < 0) return FileError("open lock file", path, errno);
  // An open-file-description lock: unlike a classic fcntl lock it also stands against this process
  // itself, and is not lost when another descriptor of the file is closed.
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (Retry([&] { return ::fcntl(fd.get(), F_OFD_SETLK, &whole); }) != 0) {
    if (errno == EAGAIN || errno == EACCES) {
      return Status(StatusCode::kUnavailable, "lock " + path + ": held by another process");
    }
    return FileError("lock", path, errno);
  }
  return std::unique_ptr<FileLock>(std::make_unique<PosixLock>(std::move(fd)));
}

Result<DiskSpace> PosixFileSystem::Space(const std::string& path) {
  struct statvfs info {};
  if (Retry([&] { return ::statvfs(path.c_str(), &info); }) != 0) {
    return FileError("measure the disk of", path, errno);
  }
  return DiskSpace{uint64_t{info.f_bavail} * info.f_frsize,
                   uint64_t{info.f_blocks} * info.f_frsize};
}

}  // namespace cairn::env::posix
