#include "src/env/posix/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

namespace cairn::env::posix {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PosixFileTest : public testing::Test {
 protected:
  PosixFileTest() {
    std::string pattern = testing::TempDir() + "/cairn-file-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~PosixFileTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::unique_ptr<File> Create(const std::string& name) {
    return *files_.Open(Path(name), OpenMode::kCreate);
  }

  PosixFileSystem files_;
  std::string folder_;
};

TEST_F(PosixFileTest, OpenModes) {
  EXPECT_EQ(files_.Open(Path("a"), OpenMode::kRead).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(files_.Open(Path("a"), OpenMode::kReadWrite).status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(files_.Open(Path("a"), OpenMode::kCreateNew).ok());
  EXPECT_EQ(files_.Open(Path("a"), OpenMode::kCreateNew).status().code(),
            StatusCode::kAlreadyExists);
  EXPECT_TRUE(files_.Open(Path("a"), OpenMode::kCreate).ok());
  EXPECT_TRUE(files_.Open(Path("a"), OpenMode::kReadWrite).ok());
  EXPECT_TRUE(files_.Open(Path("a"), OpenMode::kRead).ok());
}

TEST_F(PosixFileTest, ErrorsNamePathOperationAndReason) {
  const Status s = files_.Open(Path("missing"), OpenMode::kRead).status();
  EXPECT_THAT(s.message(), HasSubstr("open"));
  EXPECT_THAT(s.message(), HasSubstr(Path("missing")));
  EXPECT_THAT(s.message(), HasSubstr("No such file or directory"));
  Create("f");
  auto read_only = *files_.Open(Path("f"), OpenMode::kRead);
  const Status w = read_only->WriteAt(0, "x");
  EXPECT_FALSE(w.ok());
  EXPECT_THAT(w.message(), HasSubstr("write " + Path("f")));
}

TEST_F(PosixFileTest, ReadsAreShortOnlyAtTheEnd) {
  auto file = Create("f");
  ASSERT_TRUE(file->WriteAt(0, "0123456789").ok());
  char buffer[8];
  EXPECT_EQ(*file->ReadAt(0, buffer), 8u);
  EXPECT_EQ(std::string(buffer, 8), "01234567");
  EXPECT_EQ(*file->ReadAt(7, buffer), 3u);
  EXPECT_EQ(std::string(buffer, 3), "789");
  EXPECT_EQ(*file->ReadAt(10, buffer), 0u);
  EXPECT_EQ(*file->ReadAt(1000, buffer), 0u);
  EXPECT_EQ(*file->Size(), 10u);
}

TEST_F(PosixFileTest, WritesAnyNumberOfPieces) {
  // More pieces than one system call takes, empty ones among them.
  std::vector<std::string> texts;
  std::string expected = "__";
  for (int i = 0; i < 3'000; ++i) {
    texts.push_back(i % 7 == 0 ? "" : std::to_string(i));
    expected += texts.back();
  }
  const std::vector<std::string_view> pieces(texts.begin(), texts.end());
  auto file = Create("f");
  ASSERT_TRUE(file->WriteAt(0, "__").ok());
  ASSERT_TRUE(file->WriteAt(2, pieces).ok());
  EXPECT_EQ(*ReadWholeFile(files_, Path("f")), expected);
  ASSERT_TRUE(file->WriteAt(5, std::span<const std::string_view>()).ok());
  EXPECT_EQ(*file->Size(), expected.size());
}

TEST_F(PosixFileTest, AllocateGrowsButNeverShrinksOrOverwrites) {
  auto file = Create("f");
  ASSERT_TRUE(file->WriteAt(0, "abc").ok());
  ASSERT_TRUE(file->Allocate(4096).ok());
  EXPECT_EQ(*file->Size(), 4096u);
  EXPECT_EQ(*ReadWholeFile(files_, Path("f")), "abc" + std::string(4093, '\0'));
  ASSERT_TRUE(file->Allocate(10).ok());
  EXPECT_EQ(*file->Size(), 4096u);
  ASSERT_TRUE(file->Truncate(2).ok());
  EXPECT_EQ(*ReadWholeFile(files_, Path("f")), "ab");
  EXPECT_TRUE(file->Sync().ok());
}

TEST_F(PosixFileTest, FoldersAndNames) {
  ASSERT_TRUE(files_.CreateDirectories(Path("x/y/z/")).ok());
  ASSERT_TRUE(files_.CreateDirectories(Path("x/y/z")).ok());
  for (const char* name : {"b", "a", "c"}) Create(std::string("x/y/") + name);
  EXPECT_THAT(*files_.List(Path("x/y")), ElementsAre("a", "b", "c", "z"));
  EXPECT_EQ(files_.List(Path("nowhere")).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(files_.CreateDirectories(Path("x/y/a")).ok());

  ASSERT_TRUE(files_.Rename(Path("x/y/a"), Path("x/y/b")).ok());
  EXPECT_FALSE(files_.Exists(Path("x/y/a")));
  EXPECT_TRUE(files_.Exists(Path("x/y/b")));
  EXPECT_EQ(files_.Rename(Path("x/y/a"), Path("x/y/b")).code(), StatusCode::kNotFound);
  EXPECT_TRUE(files_.SyncDirectory(Path("x/y")).ok());
  EXPECT_FALSE(files_.SyncDirectory(Path("x/y/b")).ok());

  EXPECT_FALSE(files_.Remove(Path("x/y")).ok());  // not empty
  for (const char* name : {"x/y/b", "x/y/c", "x/y/z"}) EXPECT_TRUE(files_.Remove(Path(name)).ok());
  EXPECT_THAT(*files_.List(Path("x/y")), IsEmpty());
  EXPECT_EQ(files_.Remove(Path("x/y/b")).code(), StatusCode::kNotFound);
}

TEST_F(PosixFileTest, LockIsExclusiveEvenWithinTheProcess) {
  auto lock = files_.Lock(Path("LOCK"));
  ASSERT_TRUE(lock.ok());
  const Status second = files_.Lock(Path("LOCK")).status();
  EXPECT_EQ(second.code(), StatusCode::kUnavailable);
  EXPECT_THAT(second.message(), HasSubstr(Path("LOCK")));
  // A failed try, whose descriptor was closed, must not have taken the lock away.
  EXPECT_FALSE(files_.Lock(Path("LOCK")).ok());
  lock->reset();
  EXPECT_TRUE(files_.Lock(Path("LOCK")).ok());
}

TEST_F(PosixFileTest, SpaceIsPlausible) {
  const auto space = files_.Space(folder_);
  ASSERT_TRUE(space.ok());
  EXPECT_GT(space->total_bytes, 0u);
  EXPECT_LE(space->free_bytes, space->total_bytes);
  EXPECT_EQ(files_.Space(Path("nowhere")).status().code(), StatusCode::kNotFound);
}

TEST_F(PosixFileTest, DiskFullIsTold) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  auto file = files_.Open("/dev/full", OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->WriteAt(0, "x").code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace cairn::env::posix
