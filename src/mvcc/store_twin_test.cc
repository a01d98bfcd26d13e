// The store against a dumb twin that keeps every version of every key in one ordered map: random
// transactions, reads at every revision, flushes and restarts at random moments, power cuts at
// random file operations followed by replay from the durable point, as the log would.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "src/base/random.h"
#include "src/mvcc/store_harness.h"

namespace cairn::mvcc {
namespace {

using namespace std::string_literals;

constexpr std::string_view kAll("\0", 1);

class Twin {
 public:
  int64_t revision() const { return revision_; }
  int64_t TxnRevision() const { return revision_ + (changes_ > 0 ? 1 : 0); }

  void Put(const std::string& key, const std::string& value, int64_t lease) {
    const OwnedKeyValue* old = At(key, TxnRevision());
    OwnedKeyValue kv{key, value, revision_ + 1, revision_ + 1, 1, lease};
    if (old != nullptr) {
      kv.create_revision = old->create_revision;
      kv.version = old->version + 1;
    }
    versions_[key].push_back(kv);
    ++changes_;
  }
  int64_t DeleteRange(const std::string& key, const std::string& end) {
    int64_t deleted = 0;
    for (auto& [k, versions] : versions_) {
      if (!Inside(k, key, end) || versions.back().version == 0) continue;
      versions.push_back({k, "", 0, revision_ + 1, 0, 0});
      ++changes_;
      ++deleted;
    }
    return deleted;
  }
  void Commit() {
    revision_ = TxnRevision();
    changes_ = 0;
  }

  RangeAnswer Range(const RangeQuery& q, int64_t current) const {
    RangeAnswer answer;
    const int64_t revision = q.revision > 0 ? q.revision : current;
    for (const auto& [key, versions] : versions_) {
      if (!Inside(key, std::string(q.keys.key), std::string(q.keys.range_end))) continue;
      const OwnedKeyValue* kv = At(key, revision);
      if (kv == nullptr) continue;
      ++answer.count;
      if (q.count_only || (q.min_mod_revision != 0 && kv->mod_revision < q.min_mod_revision) ||
          (q.max_mod_revision != 0 && kv->mod_revision > q.max_mod_revision) ||
          (q.min_create_revision != 0 && kv->create_revision < q.min_create_revision) ||
          (q.max_create_revision != 0 && kv->create_revision > q.max_create_revision)) {
        continue;
      }
      if (q.limit > 0 && static_cast<int64_t>(answer.kvs.size()) == q.limit) {
        answer.more = true;
        continue;
      }
      answer.kvs.push_back(*kv);
      if (q.keys_only) answer.kvs.back().value.clear();
    }
    return answer;
  }
  int64_t LiveKeys() const {
    int64_t n = 0;
    for (const auto& [key, versions] : versions_) n += versions.back().version > 0 ? 1 : 0;
    return n;
  }

 private:
  static bool Inside(const std::string& k, const std::string& key, const std::string& end) {
    if (end.empty()) return k == key;
    return k >= key && (end == "\0"s || k < end);
  }
  const OwnedKeyValue* At(const std::string& key, int64_t revision) const {
    const auto it = versions_.find(key);
    if (it == versions_.end()) return nullptr;
    for (auto v = it->second.rbegin(); v != it->second.rend(); ++v) {
      if (v->mod_revision <= revision) return v->version > 0 ? &*v : nullptr;
    }
    return nullptr;
  }

  std::map<std::string, std::vector<OwnedKeyValue>> versions_;
  int64_t revision_ = 1;
  int64_t changes_ = 0;
};

struct Change {
  bool put = true;
  std::string key, end_or_value;
  int64_t lease = 0;
};
// What one entry does; nothing: it is skipped.
using Changes = std::vector<Change>;

class TwinTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  std::string RandomKey() {
    static constexpr std::string_view kLetters("\0ab\xff", 4);
    std::string key;
    for (uint64_t n = random_.Between(1, 4); n > 0; --n) key.push_back(kLetters[random_.Below(4)]);
    return key;
  }
  std::string RandomEnd() {
    if (random_.Chance(0.3)) return "";
    return random_.Chance(0.3) ? "\0"s : RandomKey();
  }

  Changes RandomChanges() {
    Changes changes;
    if (random_.Chance(0.05)) return changes;
    do {
      Change c;
      c.put = random_.Chance(0.75);
      c.key = RandomKey();
      if (c.put) {
        c.end_or_value = std::string(random_.Below(60), static_cast<char>('A' + random_.Below(26)));
        c.lease = static_cast<int64_t>(random_.Below(3));
      } else if (random_.Chance(0.3)) {
        c.end_or_value = RandomEnd();
      }
      changes.push_back(c);
    } while (random_.Chance(0.3));
    return changes;
  }

  // Applies entry `index` to the store only; answers that it gives are compared by the caller.
  void ApplyToStore(size_t index, bool check_inside) {
    const raft::EntryId entry{Term(1), LogIndex(index)};
    const Changes& changes = entries_[index - 1];
    if (changes.empty()) return h_.store().Skip(entry);
    WriteTxn& txn = h_.store().Begin(entry);
    for (const Change& c : changes) {
      if (c.put) {
        ASSERT_TRUE(txn.Put(c.key, c.end_or_value, c.lease).ok());
        if (check_inside) twin_.Put(c.key, c.end_or_value, c.lease);
      } else {
        const Result<int64_t> deleted = txn.DeleteRange({c.key, c.end_or_value});
        ASSERT_TRUE(deleted.ok());
        if (check_inside) {
          ASSERT_EQ(*deleted, twin_.DeleteRange(c.key, c.end_or_value));
        }
      }
      if (check_inside && random_.Chance(0.2)) CompareOne(txn, twin_.TxnRevision());
    }
    txn.SetSystem("last", std::to_string(index));
    txn.Commit();
    if (check_inside) twin_.Commit();
  }

  template <class Ranger>
  void CompareOne(Ranger& store, int64_t current) {
    const std::string key = RandomKey(), end = RandomEnd();
    RangeQuery q{.keys = {key, end}};
    if (random_.Chance(0.5)) q.revision = static_cast<int64_t>(random_.Between(1, current));
    if (random_.Chance(0.3)) q.limit = static_cast<int64_t>(random_.Between(1, 6));
    q.keys_only = random_.Chance(0.3);
    q.count_only = random_.Chance(0.2);
    for (int64_t* bound : {&q.min_mod_revision, &q.max_mod_revision, &q.min_create_revision,
                           &q.max_create_revision}) {
      if (random_.Chance(0.1)) *bound = static_cast<int64_t>(random_.Between(1, current));
    }
    const Result<RangeAnswer> got = Ask(store, q);
    ASSERT_TRUE(got.ok()) << got.status();
    const RangeAnswer want = twin_.Range(q, current);
    ASSERT_EQ(got->kvs, want.kvs);
    ASSERT_EQ(got->count, want.count);
    // A limit on one key, or on a count, cuts nothing short.
    ASSERT_EQ(got->more, want.more);
  }

  void CompareAll() {
    ASSERT_EQ(h_.store().revision(), twin_.revision());
    ASSERT_EQ(h_.store().stats().keys, twin_.LiveKeys());
    for (int64_t revision = 1; revision <= twin_.revision();
         revision += 1 + static_cast<int64_t>(random_.Below(20))) {
      const RangeQuery q{.keys = {"", kAll}, .revision = revision};
      const Result<RangeAnswer> got = Ask(h_.store(), q);
      ASSERT_TRUE(got.ok());
      ASSERT_EQ(got->kvs, twin_.Range(q, twin_.revision()).kvs);
    }
  }

  void Replay() {
    const uint64_t from = h_.store().applied().index.value;
    ASSERT_GE(from, durable_seen_);
    ASSERT_LE(from, entries_.size());
    if (from > 0) {
      const auto last = h_.store().System("last");
      if (last.has_value()) {
        ASSERT_LE(std::stoull(*last), from);
      }
    }
    for (size_t i = from + 1; i <= entries_.size(); ++i) ApplyToStore(i, /*check_inside=*/false);
    CompareAll();
  }

  void Run(int steps, bool power_cuts) {
    for (int step = 0; step < steps; ++step) {
      entries_.push_back(RandomChanges());
      ApplyToStore(entries_.size(), /*check_inside=*/true);
      if (HasFatalFailure()) return;
      for (uint64_t n = random_.Below(4); n > 0; --n) CompareOne(h_.store(), twin_.revision());
      if (random_.Chance(0.03)) h_.store().Flush();
      if (random_.Chance(0.1)) h_.world().RunFor(env::microseconds(random_.Below(1500)));
      durable_seen_ = h_.store().durable().index.value;
      if (random_.Chance(0.01)) {
        const auto kind =
            random_.Chance(0.5) ? env::sim::CrashKind::kPower : env::sim::CrashKind::kProcess;
        ++restarts_;
        if (power_cuts && random_.Chance(0.8)) {
          h_.host().process()->CrashAtFileOperation(random_.Between(1, 12), kind);
          h_.store().Flush();
          h_.world().RunFor(env::milliseconds(20));
          if (h_.alive()) continue;  // fewer operations than that: it will strike later
          h_.StartAgain();
        } else {
          h_.Restart(kind);
        }
        Replay();
      } else if (power_cuts && !h_.alive()) {
        h_.StartAgain();
        Replay();
      }
      if (HasFatalFailure()) return;
    }
    CompareAll();
    EXPECT_GT(h_.flushes(), 5);
    EXPECT_GT(restarts_, 0);
  }

  Random random_{GetParam()};
  StoreHarness h_{GetParam(),
                  {.window_bytes = 3000, .max_sealed_windows = 2, .latest_cache_entries = 8}};
  Twin twin_;
  std::vector<Changes> entries_;
  uint64_t durable_seen_ = 0;
  int restarts_ = 0;
};

TEST_P(TwinTest, SameAnswers) { Run(700, /*power_cuts=*/false); }
TEST_P(TwinTest, SameAnswersAcrossPowerCuts) { Run(500, /*power_cuts=*/true); }

INSTANTIATE_TEST_SUITE_P(Seeds, TwinTest, ::testing::Range<uint64_t>(1, 13));

}  // namespace
}  // namespace cairn::mvcc
