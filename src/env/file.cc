#include "src/env/file.h"

namespace cairn::env {

Result<std::string> ReadWholeFile(FileSystem& files, const std::string& path) {
  auto file = files.Open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  std::string contents(*size, '\0');
  auto got = (*file)->ReadAt(0, contents);
  if (!got.ok()) return got.status();
  contents.resize(*got);
  return contents;
}

Status ReplaceFile(FileSystem& files, const std::string& path, std::string_view contents) {
  const std::string beside = path + ".new";
  {
    auto file = files.Open(beside, OpenMode::kCreate);
    if (!file.ok()) return file.status();
    if (Status s = (*file)->Truncate(0); !s.ok()) return s;
    if (Status s = (*file)->WriteAt(0, contents); !s.ok()) return s;
    if (Status s = (*file)->Sync(); !s.ok()) return s;
  }
  if (Status s = files.Rename(beside, path); !s.ok()) return s;
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return files.SyncDirectory(".");
  return files.SyncDirectory(slash == 0 ? "/" : path.substr(0, slash));
}

}  // namespace cairn::env
