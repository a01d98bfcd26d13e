#include "src/env/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace cairn::env {
namespace {

using testing::ElementsAre;

// Files in memory that note each call, and fail the one they are told to.
class NotingFiles final : public FileSystem {
 public:
  std::map<std::string, std::string> files;
  std::vector<std::string> calls;
  size_t fail_call = SIZE_MAX;
  size_t short_read = SIZE_MAX;

  Status Note(std::string call) {
    calls.push_back(std::move(call));
    if (calls.size() - 1 == fail_call) return Status(StatusCode::kInternal, "disk");
    return OkStatus();
  }

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (Status s = Note("open " + path); !s.ok()) return s;
    if (mode == OpenMode::kRead && !files.contains(path)) {
      return Status(StatusCode::kNotFound, path);
    }
    return std::unique_ptr<File>(std::make_unique<OneFile>(*this, path, &files[path]));
  }
  Status CreateDirectories(const std::string&) override { return OkStatus(); }
  Result<std::vector<std::string>> List(const std::string&) override {
    return std::vector<std::string>();
  }
  bool Exists(const std::string& path) override { return files.contains(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    if (Status s = Note("rename " + from + " " + to); !s.ok()) return s;
    files[to] = std::exchange(files[from], "");
    files.erase(from);
    return OkStatus();
  }
  Status Remove(const std::string&) override { return OkStatus(); }
  Status SyncDirectory(const std::string& path) override { return Note("sync folder " + path); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string&) override {
    return std::make_unique<FileLock>();
  }
  Result<DiskSpace> Space(const std::string&) override { return DiskSpace{}; }

 private:
  class OneFile final : public File {
   public:
    OneFile(NotingFiles& owner, std::string path, std::string* bytes)
        : owner_(owner), path_(std::move(path)), bytes_(bytes) {}
    Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override {
      if (Status s = owner_.Note("read " + path_); !s.ok()) return s;
      const size_t n =
          std::min({into.size(), bytes_->size() - static_cast<size_t>(offset), owner_.short_read});
      std::copy_n(bytes_->data() + offset, n, into.data());
      return n;
    }
    Status WriteAt(uint64_t offset, std::span<const std::string_view> pieces) override {
      if (Status s = owner_.Note("write " + path_); !s.ok()) return s;
      for (const std::string_view piece : pieces) {
        bytes_->resize(std::max<size_t>(bytes_->size(), offset + piece.size()));
        bytes_->replace(offset, piece.size(), piece);
        offset += piece.size();
      }
      return OkStatus();
    }
    Status Sync() override { return owner_.Note("sync " + path_); }
    Status Allocate(uint64_t) override { return OkStatus(); }
    Status Truncate(uint64_t size) override {
      if (Status s = owner_.Note("truncate " + path_); !s.ok()) return s;
      bytes_->resize(size);
      return OkStatus();
    }
    Result<uint64_t> Size() override {
      if (Status s = owner_.Note("size " + path_); !s.ok()) return s;
      return bytes_->size();
    }

   private:
    NotingFiles& owner_;
    const std::string path_;
    std::string* const bytes_;
  };
};

TEST(ReplaceFileTest, OldOrNewAtEveryCrash) {
  // The new contents must be durable before the name moves, and the name before it is reported
  // done.
  NotingFiles files;
  files.files["d/f"] = "old";
  files.files["d/f.new"] = "left over by a crash, and longer";
  ASSERT_TRUE(ReplaceFile(files, "d/f", "new").ok());
  EXPECT_THAT(files.calls, ElementsAre("open d/f.new", "truncate d/f.new", "write d/f.new",
                                       "sync d/f.new", "rename d/f.new d/f", "sync folder d"));
  EXPECT_EQ(files.files["d/f"], "new");
  EXPECT_FALSE(files.files.contains("d/f.new"));
}

TEST(ReplaceFileTest, EachFailureIsToldAndLeavesTheOldFile) {
  for (size_t call = 0; call < 6; ++call) {
    NotingFiles files;
    files.files["d/f"] = "old";
    files.fail_call = call;
    EXPECT_EQ(ReplaceFile(files, "d/f", "new").code(), StatusCode::kInternal) << call;
    EXPECT_EQ(files.files["d/f"], call < 5 ? "old" : "new") << call;
    EXPECT_EQ(files.calls.size(), call + 1) << "nothing is done after a failure";
  }
}

TEST(ReplaceFileTest, SyncsTheFolderWhateverThePathLooksLike) {
  for (const auto& [path, folder] :
       std::map<std::string, std::string>{{"f", "."}, {"/f", "/"}, {"/a/b/f", "/a/b"}}) {
    NotingFiles files;
    ASSERT_TRUE(ReplaceFile(files, path, "x").ok());
    EXPECT_EQ(files.calls.back(), "sync folder " + folder);
  }
}

TEST(ReadWholeFileTest, ReadsAllAndTellsErrors) {
  NotingFiles files;
  EXPECT_EQ(ReadWholeFile(files, "f").status().code(), StatusCode::kNotFound);
  files.files["f"] = std::string("with\0zero", 9);
  EXPECT_EQ(*ReadWholeFile(files, "f"), std::string("with\0zero", 9));
  files.files["f"] = "";
  EXPECT_EQ(*ReadWholeFile(files, "f"), "");
  for (size_t call = 0; call < 3; ++call) {
    NotingFiles failing;
    failing.files["f"] = "x";
    failing.fail_call = call;
    EXPECT_EQ(ReadWholeFile(failing, "f").status().code(), StatusCode::kInternal);
  }
}

TEST(ReadWholeFileTest, FileThatShrankMeanwhileGivesWhatIsThere) {
  NotingFiles files;
  files.files["f"] = "0123456789";
  files.short_read = 4;
  EXPECT_EQ(*ReadWholeFile(files, "f"), "0123");
}

}  // namespace
}  // namespace cairn::env
