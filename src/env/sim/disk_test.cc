#include "src/env/sim/disk.h"

#include <gtest/gtest.h>

#include <set>

#include "src/env/sim/process.h"

namespace cairn::env::sim {
namespace {

// Runs `body` as a process on `host`, then ends it so.
void Live(World& world, Host& host, CrashKind end, absl::AnyInvocable<void(FileSystem&)> body) {
  bool ran = false;
  host.Start([&](Process& process) {
    body(process.env().files);
    ran = true;
  });
  world.RunUntil(world.now() + seconds(1), [&] { return ran || host.process() == nullptr; });
  host.Kill(end);
  world.RunFor(microseconds(1));
  ASSERT_EQ(host.process(), nullptr);
  while (world.Step()) {
  }
}

std::string Read(World& world, Host& host, const std::string& path) {
  std::string contents = "(missing)";
  Live(world, host, CrashKind::kProcess, [&](FileSystem& files) {
    if (auto read = ReadWholeFile(files, path); read.ok()) contents = *read;
  });
  return contents;
}

void Write(FileSystem& files, const std::string& path, std::string_view bytes, bool sync) {
  auto file = files.Open(path, OpenMode::kCreate);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->WriteAt(0, bytes).ok());
  if (sync) {
    ASSERT_TRUE((*file)->Sync().ok());
  }
}

TEST(SimDiskTest, SyncedFileInSyncedDirectorySurvivesPowerLoss) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    World world(seed);
    Host& host = world.AddHost("a");
    Live(world, host, CrashKind::kPower, [](FileSystem& files) {
      ASSERT_TRUE(files.CreateDirectories("/d").ok());
      ASSERT_TRUE(files.SyncDirectory("/").ok());
      ASSERT_TRUE(ReplaceFile(files, "/d/f", "hello").ok());
    });
    EXPECT_EQ(Read(world, host, "/d/f"), "hello");
  }
}

TEST(SimDiskTest, KillOfTheProcessLosesNothing) {
  World world(1);
  Host& host = world.AddHost("a");
  Live(world, host, CrashKind::kProcess,
       [](FileSystem& files) { Write(files, "/f", "page cache", false); });
  EXPECT_EQ(Read(world, host, "/f"), "page cache");
}

TEST(SimDiskTest, UnsyncedOverwriteIsTornBySectors) {
  int old_sectors = 0, new_sectors = 0, torn_files = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    World world(seed);
    Host& host = world.AddHost("a");
    Live(world, host, CrashKind::kPower, [](FileSystem& files) {
      Write(files, "/f", std::string(8 * kSectorBytes, 'o'), true);
      ASSERT_TRUE(files.SyncDirectory("/").ok());
      Write(files, "/f", std::string(8 * kSectorBytes, 'n'), false);
    });
    const std::string after = Read(world, host, "/f");
    ASSERT_EQ(after.size(), 8 * kSectorBytes);
    std::set<char> seen;
    for (size_t s = 0; s < 8; ++s) {
      const std::string sector = after.substr(s * kSectorBytes, kSectorBytes);
      EXPECT_EQ(sector, std::string(kSectorBytes, sector[0]));  // a sector itself is never torn
      (sector[0] == 'o' ? old_sectors : new_sectors) += 1;
      seen.insert(sector[0]);
    }
    torn_files += seen.size() == 2;
  }
  EXPECT_GT(old_sectors, 100);
  EXPECT_GT(new_sectors, 100);
  EXPECT_GT(torn_files, 20);
}

TEST(SimDiskTest, UnsyncedGrowthKeepsAnOldSizeOrZerosOrData) {
  std::set<size_t> sizes;
  bool zeros = false;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    World world(seed);
    Host& host = world.AddHost("a");
    Live(world, host, CrashKind::kPower, [](FileSystem& files) {
      Write(files, "/f", std::string(kSectorBytes, 'a'), true);
      ASSERT_TRUE(files.SyncDirectory("/").ok());
      auto file = files.Open("/f", OpenMode::kReadWrite);
      ASSERT_TRUE((*file)->WriteAt(kSectorBytes, std::string(kSectorBytes, 'b')).ok());
      ASSERT_TRUE((*file)->WriteAt(2 * kSectorBytes, std::string(kSectorBytes, 'c')).ok());
    });
    const std::string after = Read(world, host, "/f");
    EXPECT_EQ(after.substr(0, kSectorBytes), std::string(kSectorBytes, 'a'));
    sizes.insert(after.size());
    zeros |= after.size() > kSectorBytes && after[kSectorBytes] == '\0';
  }
  EXPECT_EQ(sizes, (std::set<size_t>{kSectorBytes, 2 * kSectorBytes, 3 * kSectorBytes}));
  EXPECT_TRUE(zeros);
}

TEST(SimDiskTest, NamesNotSyncedMayBeLostInAnyCombination) {
  std::set<std::pair<bool, bool>> created;
  std::set<bool> removed;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    World world(seed);
    Host& host = world.AddHost("a");
    Live(world, host, CrashKind::kPower, [](FileSystem& files) {
      Write(files, "/old", "old", true);
      ASSERT_TRUE(files.SyncDirectory("/").ok());
      Write(files, "/x", "x", true);
      Write(files, "/y", "y", true);
      ASSERT_TRUE(files.Remove("/old").ok());
    });
    created.insert({Read(world, host, "/x") == "x", Read(world, host, "/y") == "y"});
    removed.insert(Read(world, host, "/old") == "(missing)");
  }
  EXPECT_EQ(created.size(), 4u);
  EXPECT_EQ(removed.size(), 2u);
}

TEST(SimDiskTest, RenameIsOldOrNewNeverNeitherNorBoth) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    World world(seed);
    Host& host = world.AddHost("a");
    Live(world, host, CrashKind::kPower, [](FileSystem& files) {
      ASSERT_TRUE(ReplaceFile(files, "/f", "one").ok());
      Write(files, "/g", "two", true);
      ASSERT_TRUE(files.SyncDirectory("/").ok());
      ASSERT_TRUE(files.Rename("/g", "/f").ok());
    });
    const std::string f = Read(world, host, "/f");
    const std::string g = Read(world, host, "/g");
    EXPECT_EQ(g, f == "two" ? "(missing)" : "two");
    EXPECT_TRUE(f == "one" || f == "two") << f;
    seen.insert(f);
  }
  EXPECT_EQ(seen.size(), 2u);
}

TEST(SimDiskTest, FolderThatWasNotSyncedTakesItsFilesAlong) {
  int lost = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    World world(seed);
    Host& host = world.AddHost("a");
    Live(world, host, CrashKind::kPower, [](FileSystem& files) {
      ASSERT_TRUE(files.CreateDirectories("/d/e").ok());
      ASSERT_TRUE(ReplaceFile(files, "/d/e/f", "hello").ok());
    });
    lost += Read(world, host, "/d/e/f") == "(missing)";
  }
  EXPECT_GT(lost, 10);
  EXPECT_LT(lost, 50);
}

TEST(SimDiskTest, CrashInTheMiddleOfAWriteLeavesAPartOfIt) {
  std::set<size_t> kept;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    World world(seed);
    Host& host = world.AddHost("a");
    host.Start([](Process& process) {
      FileSystem& files = process.env().files;
      Write(files, "/f", std::string(100, 'o'), true);
      process.CrashAtFileOperation(2, CrashKind::kProcess);  // 1 is the open
      auto file = files.Open("/f", OpenMode::kCreate);
      EXPECT_FALSE((*file)->WriteAt(0, std::string(100, 'n')).ok());
      EXPECT_FALSE((*file)->WriteAt(0, std::string(100, 'x')).ok());  // dead: does nothing
      EXPECT_FALSE(process.alive());
    });
    world.RunFor(seconds(1));
    ASSERT_EQ(host.process(), nullptr);
    const std::string after = Read(world, host, "/f");
    EXPECT_EQ(after.find('x'), std::string::npos);
    kept.insert(static_cast<size_t>(std::count(after.begin(), after.end(), 'n')));
  }
  EXPECT_GT(kept.size(), 10u);
}

TEST(SimDiskTest, FailedSyncLosesSectorsThatALaterSyncDoesNotBring) {
  int lost = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    World world(seed);
    Host& host = world.AddHost("a");
    Live(world, host, CrashKind::kPower, [&](FileSystem& files) {
      Write(files, "/f", std::string(kSectorBytes, 'o'), true);
      ASSERT_TRUE(files.SyncDirectory("/").ok());
      auto file = files.Open("/f", OpenMode::kReadWrite);
      ASSERT_TRUE((*file)->WriteAt(0, std::string(kSectorBytes, 'n')).ok());
      host.disk().faults().sync_error = 1;
      EXPECT_EQ((*file)->Sync().code(), StatusCode::kInternal);
      host.disk().faults().sync_error = 0;
      EXPECT_TRUE((*file)->Sync().ok());
    });
    lost += Read(world, host, "/f")[0] == 'o';
  }
  EXPECT_GT(lost, 10);
  EXPECT_LT(lost, 40);
}

TEST(SimDiskTest, FullDiskRefusesGrowthOnly) {
  World world(1);
  Host& host = world.AddHost("a");
  Live(world, host, CrashKind::kProcess, [&](FileSystem& files) {
    Write(files, "/f", std::string(1000, 'a'), true);
    host.disk().faults().capacity_bytes = 1500;
    auto file = files.Open("/f", OpenMode::kReadWrite);
    EXPECT_TRUE((*file)->WriteAt(0, std::string(1000, 'b')).ok());
    EXPECT_EQ((*file)->WriteAt(1000, std::string(501, 'c')).code(), StatusCode::kResourceExhausted);
    EXPECT_EQ((*file)->Allocate(2000).code(), StatusCode::kResourceExhausted);
    EXPECT_EQ(files.Space("/").value().free_bytes, 500u);
  });
}

TEST(SimDiskTest, LockIsExclusiveAndDiesWithItsProcess) {
  World world(1);
  Host& host = world.AddHost("a");
  for (int life = 0; life < 2; ++life) {
    Live(world, host, CrashKind::kProcess, [&](FileSystem& files) {
      auto lock = files.Lock("/lock");
      ASSERT_TRUE(lock.ok());
      EXPECT_EQ(files.Lock("/lock").status().code(), StatusCode::kUnavailable);
    });
  }
}

TEST(SimDiskTest, FlippedBitStaysAcrossPowerLoss) {
  World world(1);
  Host& host = world.AddHost("a");
  Live(world, host, CrashKind::kPower, [&](FileSystem& files) {
    Write(files, "/f", "aaaa", true);
    ASSERT_TRUE(files.SyncDirectory("/").ok());
    EXPECT_TRUE(host.disk().FlipBit("/f", 2, 0));
    EXPECT_FALSE(host.disk().FlipBit("/f", 4, 0));
  });
  EXPECT_EQ(Read(world, host, "/f"), "aa`a");
}

}  // namespace
}  // namespace cairn::env::sim
