// What every SortedFiles must do, asked of both; and what each must survive.
#include "src/mvcc/sorted_files.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "src/base/random.h"
#include "src/env/sim/process.h"
#include "src/env/sim/world.h"
#include "src/mvcc/codec.h"
#include "src/mvcc/rocksdb_files.h"
#include "src/mvcc/sim_files.h"

namespace cairn::mvcc {
namespace {

// A place that files are opened in again and again.
class Place {
 public:
  virtual ~Place() = default;
  virtual Result<std::unique_ptr<SortedFiles>> Open() = 0;
};

class SimPlace final : public Place {
 public:
  Result<std::unique_ptr<SortedFiles>> Open() override {
    auto files = SimFiles::Open(process_.env().files, "/data/store");
    if (!files.ok()) return files.status();
    return std::unique_ptr<SortedFiles>(std::move(*files));
  }

 private:
  env::sim::World world_{1};
  env::sim::Process& process_ = world_.AddHost("m").Start([](env::sim::Process&) {});
};

class RocksDbPlace final : public Place {
 public:
  RocksDbPlace() {
    std::string folder = ::testing::TempDir() + "/cairn_files_XXXXXX";
    folder_ = ::mkdtemp(folder.data());
  }
  ~RocksDbPlace() override { std::filesystem::remove_all(folder_); }
  Result<std::unique_ptr<SortedFiles>> Open() override {
    return OpenRocksDbFiles(store(), {.block_cache_bytes = 1 << 20});
  }
  std::string store() const { return folder_ + "/store"; }

 private:
  std::string folder_;
};

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Place>()> make;
};

class SortedFilesTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    place_ = GetParam().make();
    Open();
  }
  void Open() {
    files_.reset();
    auto opened = place_->Open();
    ASSERT_TRUE(opened.ok()) << opened.status();
    files_ = std::move(*opened);
  }
  std::optional<std::string> Get(Family family, std::string_view key) {
    std::string value;
    const Result<bool> found = files_->Get(family, key, &value);
    EXPECT_TRUE(found.ok()) << found.status();
    if (!*found) return {};
    return value;
  }
  using Map = std::map<std::string, std::string>;
  Map All(Family family, std::string_view from = {}) {
    Map all;
    auto cursor = files_->NewCursor(family);
    for (cursor->Seek(from); cursor->Valid(); cursor->Next()) {
      EXPECT_TRUE(all.empty() || all.rbegin()->first < cursor->key());
      all.emplace(cursor->key(), cursor->value());
    }
    EXPECT_TRUE(cursor->status().ok());
    return all;
  }

  std::unique_ptr<Place> place_;
  std::unique_ptr<SortedFiles> files_;
};

INSTANTIATE_TEST_SUITE_P(Both, SortedFilesTest,
                         ::testing::Values(Kind{"Sim", [] { return std::make_unique<SimPlace>(); }},
                                           Kind{"RocksDb",
                                                [] { return std::make_unique<RocksDbPlace>(); }}),
                         [](const auto& kind) { return std::string(kind.param.name); });

TEST_P(SortedFilesTest, EmptyAtFirst) {
  for (int f = 0; f < kFamilies; ++f) {
    EXPECT_TRUE(All(static_cast<Family>(f)).empty());
    EXPECT_FALSE(Get(static_cast<Family>(f), "k").has_value());
  }
  EXPECT_TRUE(files_->NewBatch()->Commit().ok());
}

TEST_P(SortedFilesTest, ABatchIsOneStepOverAllFamilies) {
  auto batch = files_->NewBatch();
  batch->Put(Family::kLatest, "a", "1");
  batch->Put(Family::kSystem, "s", "2");
  batch->Put(Family::kLatest, std::string_view("a\0", 2), "3");
  batch->Put(Family::kRevisions, "r", "");
  EXPECT_FALSE(Get(Family::kLatest, "a").has_value());
  auto before = files_->NewCursor(Family::kLatest);
  before->Seek("");
  ASSERT_TRUE(batch->Commit().ok());
  EXPECT_FALSE(before->Valid());
  before->Seek("");
  EXPECT_FALSE(before->Valid()) << "a cursor stays at its moment";
  EXPECT_EQ(Get(Family::kLatest, "a"), "1");
  EXPECT_EQ(Get(Family::kLatest, std::string_view("a\0", 2)), "3");
  EXPECT_EQ(Get(Family::kSystem, "s"), "2");
  EXPECT_EQ(Get(Family::kRevisions, "r"), "");
  EXPECT_FALSE(Get(Family::kLatest, "s").has_value());
  EXPECT_GT(files_->SizeBytes(), 0u);
}

TEST_P(SortedFilesTest, ADroppedBatchLeavesNothing) {
  {
    auto batch = files_->NewBatch();
    batch->Put(Family::kLatest, "a", "1");
  }
  EXPECT_TRUE(All(Family::kLatest).empty());
  Open();
  EXPECT_TRUE(All(Family::kLatest).empty());
}

TEST_P(SortedFilesTest, MatchesAMapOverManyBatchesAndOpens) {
  Random random(5);
  std::array<Map, kFamilies> want;
  for (int round = 0; round < 60; ++round) {
    auto batch = files_->NewBatch();
    for (size_t f = 0; f < kFamilies; ++f) {
      Map puts;
      for (uint64_t n = random.Below(20); n > 0; --n) {
        puts[std::to_string(random.Below(100))] = std::string(random.Below(30), 'v');
      }
      for (const auto& [key, value] : puts) {
        if (random.Chance(0.3)) {
          batch->Delete(static_cast<Family>(f), key);
          want[f].erase(key);
        } else {
          batch->Put(static_cast<Family>(f), key, value);
          want[f][key] = value;
        }
      }
    }
    ASSERT_TRUE(batch->Commit().ok());
    if (random.Chance(0.1)) Open();
    for (size_t f = 0; f < kFamilies; ++f) {
      const auto family = static_cast<Family>(f);
      ASSERT_EQ(All(family), want[f]);
      const std::string from = std::to_string(random.Below(100));
      ASSERT_EQ(All(family, from), Map(want[f].lower_bound(from), want[f].end()));
      const auto it = want[f].find(from);
      ASSERT_EQ(Get(family, from), it == want[f].end() ? std::nullopt : std::optional(it->second));
    }
  }
}

TEST_P(SortedFilesTest, OneKeysVersions) {
  // Over several batches, so that filters of several files are asked.
  std::string encoded;
  for (int64_t revision = 2; revision < 40; revision += 2) {
    auto batch = files_->NewBatch();
    for (const std::string key : {"a", "ab", "b"}) {
      EncodeVersionKey(key, {revision, 0}, &encoded);
      batch->Put(Family::kVersions, encoded, key + std::to_string(revision));
    }
    ASSERT_TRUE(batch->Commit().ok());
  }
  for (const std::string key : {"a", "ab", "b"}) {
    for (int64_t revision = 1; revision < 45; ++revision) {
      auto cursor = files_->NewCursor(Family::kVersions, SortedFiles::Reach::kOneKey);
      EncodeVersionKey(key, {revision, UINT32_MAX}, &encoded);
      cursor->Seek(encoded);
      const int64_t newest = std::min<int64_t>(revision / 2 * 2, 38);
      std::string start;
      EncodeKeyStart(key, &start);
      const bool found = cursor->Valid() && cursor->key().starts_with(start);
      ASSERT_EQ(found, newest >= 2);
      if (found) {
        ASSERT_EQ(cursor->value(), key + std::to_string(newest));
      }
    }
  }
  auto cursor = files_->NewCursor(Family::kVersions, SortedFiles::Reach::kOneKey);
  EncodeVersionKey("aa", {100, 0}, &encoded);
  cursor->Seek(encoded);
  std::string start;
  EncodeKeyStart("aa", &start);
  EXPECT_FALSE(cursor->Valid() && cursor->key().starts_with(start));
  EXPECT_TRUE(cursor->status().ok());
}

TEST(RocksDbFilesTest, LeftoversAreRemovedAndDamageIsTold) {
  RocksDbPlace place;
  {
    auto files = place.Open();
    ASSERT_TRUE(files.ok()) << files.status();
    auto batch = (*files)->NewBatch();
    for (int i = 1000; i < 3000; ++i) {
      batch->Put(Family::kLatest, std::to_string(i), std::string(50, 'x'));
    }
    ASSERT_TRUE(batch->Commit().ok());
    EXPECT_TRUE(std::filesystem::is_empty(place.store() + "/new"));
    EXPECT_EQ(place.Open().status().code(), StatusCode::kUnavailable);
  }
  std::ofstream(place.store() + "/new/7.sst") << "half a file";
  {
    auto files = place.Open();
    ASSERT_TRUE(files.ok()) << files.status();
    EXPECT_TRUE(std::filesystem::is_empty(place.store() + "/new"));
  }
  // A bit flips in the middle of the one data file.
  int flipped = 0;
  for (const auto& file : std::filesystem::directory_iterator(place.store() + "/db")) {
    if (file.path().extension() != ".sst") continue;
    std::fstream f(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(file.file_size() / 2);
    f.seekg(middle);
    const char byte = static_cast<char>(f.get() ^ 1);
    f.seekp(middle);
    f.put(byte);
    ++flipped;
  }
  ASSERT_EQ(flipped, 1);
  auto files = place.Open();
  ASSERT_TRUE(files.ok()) << files.status();
  auto cursor = (*files)->NewCursor(Family::kLatest);
  cursor->Seek("");
  while (cursor->Valid()) cursor->Next();
  EXPECT_EQ(cursor->status().code(), StatusCode::kDataLoss);
}

TEST(SimFilesTest, DamageIsToldAtOpen) {
  for (const char* victim : {"/data/store/MANIFEST", "/data/store/000001.run"}) {
    env::sim::World world(1);
    env::sim::Host& host = world.AddHost("m");
    env::sim::Process& process = host.Start([](env::sim::Process&) {});
    {
      auto files = SimFiles::Open(process.env().files, "/data/store");
      auto batch = (*files)->NewBatch();
      batch->Put(Family::kLatest, "a", "1");
      ASSERT_TRUE(batch->Commit().ok());
    }
    ASSERT_TRUE(host.disk().FlipBit(victim, 5, 3));
    const auto damaged = SimFiles::Open(process.env().files, "/data/store");
    ASSERT_FALSE(damaged.ok());
    EXPECT_EQ(damaged.status().code(), StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace cairn::mvcc
