// The Store as a member runs it: on RocksDB in a real folder, a real loop and a real flush thread.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <string>

#include "src/base/random.h"
#include "src/env/posix/real_env.h"
#include "src/mvcc/rocksdb_files.h"
#include "src/mvcc/store.h"

namespace cairn::mvcc {
namespace {

class StoreOnRocksDbTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/cairn_store_XXXXXX";
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    Open();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Open() {
    store_.reset();
    auto files = OpenRocksDbFiles(folder_ + "/store", {.block_cache_bytes = 1 << 20});
    ASSERT_TRUE(files.ok()) << files.status();
    auto store = Store::Open(env_.loop(), std::move(*files),
                             {.window_bytes = 100'000, .latest_cache_entries = 500});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = std::move(*store);
    store_->SetFlushObserver([](const Status& s) { ASSERT_TRUE(s.ok()) << s; });
  }
  void Turn() { env_.loop().RunTurn(env::milliseconds(50)); }
  void FlushAll() {
    store_->Flush();
    while (store_->durable() != store_->applied()) Turn();
  }

  // What entry `index` does is a function of its number, so that it can be replayed.
  void Apply(uint64_t index) {
    Random random(index);
    WriteTxn& txn = store_->Begin({Term(1), LogIndex(index)});
    const std::string key = "key" + std::to_string(random.Below(2000));
    if (random.Chance(0.1)) {
      ASSERT_TRUE(txn.DeleteRange({key, {}}).ok());
    } else {
      ASSERT_TRUE(txn.Put(key, std::to_string(index), 0).ok());
    }
    txn.SetSystem("index", std::to_string(index));
    txn.Commit();
  }
  std::map<std::string, std::string> Wanted(uint64_t last) const {
    std::map<std::string, std::string> wanted;
    for (uint64_t index = 1; index <= last; ++index) {
      Random random(index);
      const std::string key = "key" + std::to_string(random.Below(2000));
      if (random.Chance(0.1)) {
        wanted.erase(key);
      } else {
        wanted[key] = std::to_string(index);
      }
    }
    return wanted;
  }
  void Compare(uint64_t last) {
    const auto wanted = Wanted(last);
    std::map<std::string, std::string> got;
    const auto summary = store_->Range({.keys = {"a", std::string_view("\0", 1)}},
                                       [&](const KeyValue& kv) { got.emplace(kv.key, kv.value); });
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(got, wanted);
    EXPECT_EQ(summary->count, static_cast<int64_t>(wanted.size()));
    EXPECT_EQ(store_->stats().keys, summary->count);
    for (const auto& entry : wanted) {
      const auto one = store_->Range({.keys = {entry.first, {}}}, [&](const KeyValue& kv) {
        EXPECT_EQ(kv.value, entry.second);
      });
      ASSERT_TRUE(one.ok());
      EXPECT_EQ(one->count, 1);
    }
    EXPECT_EQ(store_->System("index"), std::to_string(last));
  }

  std::string folder_;
  env::posix::RealEnv env_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreOnRocksDbTest, FlushesRestartsAndReplays) {
  uint64_t last = 0;
  for (int life = 0; life < 4; ++life) {
    for (; last < 6000u * (life + 1); ++last) {
      Apply(last + 1);
      if (last % 50 == 0) env_.loop().RunTurn(env::Duration(0));  // flushes run beside
    }
    Compare(last);
    if (life % 2 == 0) FlushAll();
    const Result<uint64_t> hash = store_->Hash();
    const raft::EntryId durable = store_->durable();
    Open();
    ASSERT_GE(store_->applied().index, durable.index);
    ASSERT_GT(durable.index.value, 0u);
    for (uint64_t i = store_->applied().index.value + 1; i <= last; ++i) Apply(i);
    Compare(last);
    EXPECT_EQ(store_->Hash().value(), hash.value());
  }
  EXPECT_GT(store_->stats().files_bytes, 0u);
}

TEST_F(StoreOnRocksDbTest, OldRevisionsStayReadableInTheFiles) {
  for (uint64_t i = 1; i <= 4000; ++i) Apply(i);
  std::map<int64_t, int64_t> counts;
  for (int64_t revision = 2; revision <= store_->revision(); revision += 211) {
    counts[revision] = store_
                           ->Range({.keys = {"a", "z"}, .revision = revision, .count_only = true},
                                   [](const KeyValue&) {})
                           ->count;
  }
  FlushAll();
  for (const auto& at : counts) {
    const int64_t revision = at.first, count = at.second;
    int64_t visited = 0;
    const auto summary =
        store_->Range({.keys = {"a", "z"}, .revision = revision}, [&](const KeyValue& kv) {
          ++visited;
          EXPECT_LE(kv.mod_revision, revision);
        });
    EXPECT_EQ(summary->count, count);
    EXPECT_EQ(visited, count);
  }
  EXPECT_GT(counts.size(), 10u);
}

}  // namespace
}  // namespace cairn::mvcc
