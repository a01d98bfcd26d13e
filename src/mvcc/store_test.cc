#include "src/mvcc/store.h"

#include <gtest/gtest.h>

#include "src/mvcc/store_harness.h"

namespace cairn::mvcc {
namespace {

using namespace std::string_literals;

constexpr std::string_view kAll("\0", 1);

RangeQuery One(std::string_view key, int64_t revision = 0) {
  return {.keys = {key, {}}, .revision = revision};
}
RangeQuery Between(std::string_view key, std::string_view end, int64_t revision = 0) {
  return {.keys = {key, end}, .revision = revision};
}
std::vector<std::string> Keys(const RangeAnswer& answer) {
  std::vector<std::string> keys;
  for (const auto& kv : answer.kvs) keys.push_back(kv.key);
  return keys;
}
using Strings = std::vector<std::string>;

// Each test's state is read from the window, from a sealed window and from the files.
enum class Where { kWindow, kSealed, kFiles, kRestarted };
class StoreSemantics : public ::testing::TestWithParam<Where> {
 protected:
  // Moves what has been written to where the test wants it.
  void Place(StoreHarness& h) {
    if (GetParam() == Where::kSealed) h.store().Flush();
    if (GetParam() == Where::kFiles || GetParam() == Where::kRestarted) h.FlushAll();
    if (GetParam() == Where::kRestarted) h.Restart();
  }
};
INSTANTIATE_TEST_SUITE_P(Places, StoreSemantics,
                         ::testing::Values(Where::kWindow, Where::kSealed, Where::kFiles,
                                           Where::kRestarted));

TEST_P(StoreSemantics, RevisionsAndVersions) {
  StoreHarness h(1);
  EXPECT_EQ(h.store().revision(), 1);
  h.Put("k", "1");
  EXPECT_EQ(h.store().revision(), 2);
  h.Put("k", "2", 77);
  h.Put("other", "x");
  Place(h);
  EXPECT_EQ(h.store().revision(), 4);
  EXPECT_EQ(h.Range(One("k")).kvs, (std::vector<OwnedKeyValue>{{"k", "2", 2, 3, 2, 77}}));
  EXPECT_EQ(h.Range(One("k", 2)).kvs, (std::vector<OwnedKeyValue>{{"k", "1", 2, 2, 1, 0}}));
  EXPECT_EQ(h.Range(One("k", 1)).count, 0);
  EXPECT_EQ(h.Range(One("none")).count, 0);
  h.Put("k", "3");
  Place(h);
  EXPECT_EQ(h.Range(One("k")).kvs, (std::vector<OwnedKeyValue>{{"k", "3", 2, 5, 3, 0}}));
  EXPECT_EQ(h.store().stats().keys, 2);
}

TEST_P(StoreSemantics, DeletedKeysStartAnew) {
  StoreHarness h(1);
  h.Put("k", "1");
  h.Put("k", "2");
  Place(h);
  EXPECT_EQ(h.Delete("k"), 1);
  EXPECT_EQ(h.store().revision(), 4);
  Place(h);
  EXPECT_EQ(h.Range(One("k")).count, 0);
  EXPECT_EQ(h.Range(Between("a", "z")).count, 0);
  EXPECT_EQ(h.store().stats().keys, 0);
  EXPECT_EQ(h.Range(One("k", 3)).kvs, (std::vector<OwnedKeyValue>{{"k", "2", 2, 3, 2, 0}}));
  EXPECT_EQ(Keys(h.Range(Between("a", "z", 3))), Strings{"k"});
  // What is not there is not deleted, and takes no revision.
  EXPECT_EQ(h.Delete("k"), 0);
  EXPECT_EQ(h.Delete("a", "z"), 0);
  EXPECT_EQ(h.store().revision(), 4);
  h.Put("k", "3");
  Place(h);
  EXPECT_EQ(h.Range(One("k")).kvs, (std::vector<OwnedKeyValue>{{"k", "3", 5, 5, 1, 0}}));
  EXPECT_EQ(h.Range(One("k", 4)).count, 0);
}

TEST_P(StoreSemantics, OneTransactionOneRevision) {
  StoreHarness h(1);
  h.Put("a", "1");
  h.Put("b", "1");
  Place(h);
  WriteTxn& txn = h.store().Begin(h.next());
  EXPECT_EQ(txn.revision(), 3);
  EXPECT_EQ(Ask(txn, Between("a", "z"))->count, 2);
  ASSERT_TRUE(txn.Put("c", "1", 0).ok());
  EXPECT_EQ(txn.revision(), 4);
  EXPECT_EQ(*txn.DeleteRange({"a", "c"}), 2);
  ASSERT_TRUE(txn.Put("a", "2", 0).ok());  // deleted and put again: anew
  ASSERT_TRUE(txn.Put("c", "2", 0).ok());  // put twice
  EXPECT_EQ(Keys(*Ask(txn, Between("a", "z"))), (Strings{"a", "c"}));
  EXPECT_EQ(Ask(txn, Between("a", "z", 4))->count, 2);
  EXPECT_EQ(Keys(*Ask(txn, Between("a", "z", 3))), (Strings{"a", "b"}));
  EXPECT_EQ(Ask(txn, One("a", 5)).status().code(), StatusCode::kOutOfRange);
  txn.Commit();
  Place(h);
  EXPECT_EQ(h.store().revision(), 4);
  EXPECT_EQ(h.store().stats().keys, 2);
  EXPECT_EQ(h.Range(Between("", kAll)).kvs,
            (std::vector<OwnedKeyValue>{{"a", "2", 4, 4, 1, 0}, {"c", "2", 4, 4, 2, 0}}));
  EXPECT_EQ(Keys(h.Range(Between("", kAll, 3))), (Strings{"a", "b"}));
  // Put and deleted in one: there was something, and there is nothing.
  WriteTxn& second = h.store().Begin(h.next());
  ASSERT_TRUE(second.Put("d", "1", 0).ok());
  EXPECT_EQ(*second.DeleteRange({"d", {}}), 1);
  second.Commit();
  Place(h);
  EXPECT_EQ(h.store().revision(), 5);
  EXPECT_EQ(h.Range(One("d")).count, 0);
  EXPECT_EQ(h.store().stats().keys, 2);
}

TEST_P(StoreSemantics, RangeShapes) {
  StoreHarness h(1);
  for (const char* key : {"a", "ab", "b", "c", "d"}) h.Put(key, std::string("v") + key);
  h.Put("a\0"s, "zero");
  Place(h);
  EXPECT_EQ(Keys(h.Range(Between("a", "c"))), (Strings{"a", "a\0"s, "ab", "b"}));
  EXPECT_EQ(Keys(h.Range(Between("b", kAll))), (Strings{"b", "c", "d"}));
  EXPECT_EQ(Keys(h.Range(Between("\0"s, kAll))).size(), 6u);
  EXPECT_EQ(h.Range(Between("c", "b")).count, 0);
  EXPECT_EQ(h.Range(Between("c", "c")).count, 0);

  RangeQuery query = Between("a", kAll);
  query.limit = 2;
  RangeAnswer answer = h.Range(query);
  EXPECT_EQ(Keys(answer), (Strings{"a", "a\0"s}));
  EXPECT_EQ(answer.count, 6);
  EXPECT_TRUE(answer.more);
  query.limit = 6;
  EXPECT_FALSE(h.Range(query).more);
  query.count_only = true;
  query.limit = 2;
  answer = h.Range(query);
  EXPECT_TRUE(answer.kvs.empty());
  EXPECT_EQ(answer.count, 6);
  EXPECT_FALSE(answer.more);

  query = Between("a", "c");
  query.keys_only = true;
  for (const auto& kv : h.Range(query).kvs) EXPECT_EQ(kv.value, "");
  EXPECT_EQ(h.Range(query).kvs[3], (OwnedKeyValue{"b", "", 4, 4, 1, 0}));
}

TEST_P(StoreSemantics, BoundsHideButDoNotUncount) {
  StoreHarness h(1);
  for (const char* key : {"a", "b", "c", "d"}) h.Put(key, "1");  // 2 to 5
  h.Put("b", "2");                                               // 6
  Place(h);
  RangeQuery query = Between("a", "z");
  query.min_mod_revision = 4;
  EXPECT_EQ(Keys(h.Range(query)), (Strings{"b", "c", "d"}));
  EXPECT_EQ(h.Range(query).count, 4);
  query.max_mod_revision = 5;
  EXPECT_EQ(Keys(h.Range(query)), (Strings{"c", "d"}));
  query.limit = 1;
  EXPECT_EQ(Keys(h.Range(query)), Strings{"c"});
  EXPECT_TRUE(h.Range(query).more);
  query.limit = 2;
  EXPECT_FALSE(h.Range(query).more);
  query = Between("a", "z");
  query.max_create_revision = 3;
  EXPECT_EQ(Keys(h.Range(query)), (Strings{"a", "b"}));
  query.min_create_revision = 3;
  EXPECT_EQ(Keys(h.Range(query)), Strings{"b"});
  query.limit = 1;
  EXPECT_FALSE(h.Range(query).more);
  query = One("a");
  query.min_mod_revision = 3;
  EXPECT_EQ(h.Range(query).count, 1);
  EXPECT_TRUE(h.Range(query).kvs.empty());
}

TEST_P(StoreSemantics, SystemRecords) {
  StoreHarness h(1);
  WriteTxn& txn = h.store().Begin(h.next());
  txn.SetSystem("lease/1", "one");
  txn.SetSystem("lease/2", "two");
  txn.SetSystem("m", "x");
  txn.Commit();
  Place(h);
  WriteTxn& second = h.store().Begin(h.next());
  second.EraseSystem("lease/1");
  second.EraseSystem("never");
  second.SetSystem("m", "y");
  second.Commit();
  Place(h);
  EXPECT_EQ(h.store().revision(), 1);
  EXPECT_EQ(h.store().System("m"), "y");
  EXPECT_FALSE(h.store().System("lease/1").has_value());
  Strings seen;
  h.store().VisitSystem("lease/", [&](std::string_view k, std::string_view v) {
    seen.push_back(std::string(k) + "=" + std::string(v));
  });
  EXPECT_EQ(seen, Strings{"lease/2=two"});
}

TEST(StoreTest, RevisionsOutOfReachAreTold) {
  StoreHarness h(1);
  h.Put("k", "1");
  const auto answer = Ask(h.store(), One("k", 3));
  EXPECT_EQ(answer.status(), Status(StatusCode::kOutOfRange,
                                    "etcdserver: mvcc: required revision is a future revision"));
}

TEST(StoreTest, SkippedEntriesMoveTheDurablePoint) {
  StoreHarness h(1);
  h.store().Skip(h.next());
  h.store().Skip(h.next());
  EXPECT_EQ(h.store().durable().index, LogIndex(0));
  h.FlushAll();
  EXPECT_EQ(h.store().durable().index, LogIndex(2));
  const uint64_t flushes = h.store().stats().flushes;
  h.store().Flush();  // nothing to do
  h.world().RunFor(env::seconds(1));
  EXPECT_EQ(h.store().stats().flushes, flushes);
  h.Restart();
  EXPECT_EQ(h.store().applied().index, LogIndex(2));
}

TEST(StoreTest, WhatWasNotFlushedIsGoneAfterARestart) {
  StoreHarness h(1);
  h.Put("a", "1");
  h.FlushAll();
  h.Put("b", "1");
  h.Restart();
  EXPECT_EQ(h.store().applied().index, LogIndex(1));
  EXPECT_EQ(h.store().revision(), 2);
  EXPECT_EQ(h.store().stats().keys, 1);
  EXPECT_EQ(Keys(h.Range(Between("", kAll))), Strings{"a"});
}

TEST(StoreTest, FullWindowsAreFlushedByThemselvesAndReportOverload) {
  StoreHarness h(1, {.window_bytes = 4096, .max_sealed_windows = 2, .latest_cache_entries = 16});
  for (int i = 0; i < 200; ++i) h.Put("key" + std::to_string(i), std::string(100, 'v'));
  EXPECT_TRUE(h.store().overloaded());
  EXPECT_GT(h.store().stats().sealed_bytes, 0u);
  EXPECT_TRUE(h.world().RunUntil(h.world().now() + env::seconds(10),
                                 [&] { return h.store().stats().sealed_bytes == 0; }));
  EXPECT_FALSE(h.store().overloaded());
  EXPECT_GT(h.store().durable().index, LogIndex(100));
  EXPECT_GT(h.store().stats().files_bytes, 0u);
  EXPECT_EQ(h.Range(Between("", kAll)).kvs.size(), 200u);
}

TEST(StoreTest, AFlushErrorIsReportedAndSticks) {
  StoreHarness h(1);
  h.Put("a", "1");
  h.host().disk().faults().sync_error = 1;
  h.store().Flush();
  ASSERT_TRUE(h.world().RunUntil(h.world().now() + env::seconds(1),
                                 [&] { return !h.flush_status().ok(); }));
  h.host().disk().faults().sync_error = 0;
  h.Put("b", "1");
  h.store().Flush();
  h.world().RunFor(env::seconds(1));
  EXPECT_EQ(h.store().durable().index, LogIndex(0));
  EXPECT_EQ(h.store().stats().flushes, 0u);
}

TEST(StoreTest, ThePastOfAHotKey) {
  StoreHarness h(1, {.window_bytes = 64 << 10});
  for (int i = 2; i < 3000; ++i) {
    h.Put("hot", std::to_string(i));
    if (i % 900 == 0) h.FlushAll();
  }
  for (int64_t revision = 2; revision < 3000; ++revision) {
    const RangeAnswer answer = h.Range(One("hot", revision));
    ASSERT_EQ(answer.count, 1);
    ASSERT_EQ(answer.kvs[0].value, std::to_string(revision));
    ASSERT_EQ(answer.kvs[0].version, revision - 1);
  }
}

TEST(StoreTest, LargeValuesAndDeletesOfManyKeys) {
  StoreHarness h(1);
  const std::string large(3 << 20, 'x');
  h.Put("large", large);
  for (int i = 0; i < 3000; ++i) h.Put("key" + std::to_string(i), "v");
  h.FlushAll();
  EXPECT_EQ(h.Range(One("large")).kvs[0].value, large);
  EXPECT_EQ(h.Delete("key", "kez"), 3000);
  EXPECT_EQ(Keys(h.Range(Between("", kAll))), Strings{"large"});
}

using StoreDeathTest = ::testing::Test;
TEST(StoreDeathTest, AnEntryIsAppliedOnce) {
  StoreHarness h(1);
  h.Put("a", "1");
  EXPECT_DEATH(h.store().Skip(h.store().applied()), "CHECK|entry");
  EXPECT_DEATH(h.store().Begin({Term(1), LogIndex(3)}), "CHECK|entry");
}

}  // namespace
}  // namespace cairn::mvcc
