// For tests: a Store over SimFiles on one simulated machine, that can be flushed, restarted and cut
// off.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "src/env/sim/process.h"
#include "src/env/sim/world.h"
#include "src/mvcc/sim_files.h"
#include "src/mvcc/store.h"

namespace cairn::mvcc {

// A KeyValue that owns its bytes.
struct OwnedKeyValue {
  std::string key, value;
  int64_t create_revision = 0, mod_revision = 0, version = 0, lease = 0;
  friend bool operator==(const OwnedKeyValue&, const OwnedKeyValue&) = default;
  friend std::ostream& operator<<(std::ostream& os, const OwnedKeyValue& kv) {
    return os << kv.key << "=" << kv.value << " create " << kv.create_revision << " mod "
              << kv.mod_revision << " version " << kv.version << " lease " << kv.lease;
  }
};

inline OwnedKeyValue Own(const KeyValue& kv) {
  return {std::string(kv.key), std::string(kv.value),
          kv.create_revision,  kv.mod_revision,
          kv.version,          kv.lease};
}

struct RangeAnswer {
  std::vector<OwnedKeyValue> kvs;
  int64_t count = 0;
  bool more = false;
  friend bool operator==(const RangeAnswer&, const RangeAnswer&) = default;
};

template <class Ranger>
Result<RangeAnswer> Ask(Ranger& from, const RangeQuery& query) {
  RangeAnswer answer;
  const Result<RangeSummary> summary =
      from.Range(query, [&](const KeyValue& kv) { answer.kvs.push_back(Own(kv)); });
  if (!summary.ok()) return summary.status();
  answer.count = summary->count;
  answer.more = summary->more;
  return answer;
}

class StoreHarness {
 public:
  explicit StoreHarness(uint64_t seed, StoreOptions options = {})
      : options_(options), world_(seed), host_(world_.AddHost("m")) {
    Start();
  }

  Store& store() { return *store_; }
  env::sim::Host& host() { return host_; }
  env::sim::World& world() { return world_; }
  raft::EntryId next() { return {Term(1), store_->applied().index.Next()}; }

  // One entry with one put or delete.
  void Put(std::string_view key, std::string_view value, int64_t lease = 0) {
    WriteTxn& txn = store_->Begin(next());
    ASSERT_TRUE(txn.Put(key, value, lease).ok());
    txn.Commit();
  }
  int64_t Delete(std::string_view key, std::string_view range_end = {}) {
    WriteTxn& txn = store_->Begin(next());
    const Result<int64_t> deleted = txn.DeleteRange({key, range_end});
    EXPECT_TRUE(deleted.ok());
    txn.Commit();
    return *deleted;
  }
  RangeAnswer Range(const RangeQuery& query) {
    Result<RangeAnswer> answer = Ask(*store_, query);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *answer : RangeAnswer{};
  }

  // Until nothing is left to flush.
  void FlushAll() {
    store_->Flush();
    const raft::EntryId to = store_->applied();
    ASSERT_TRUE(
        world_.RunUntil(world_.now() + env::seconds(10), [&] { return store_->durable() == to; }));
  }
  // Ends this life, in order or not, and opens the files again.
  void Restart(env::sim::CrashKind kind = env::sim::CrashKind::kProcess) {
    host_.Kill(kind);
    world_.RunFor(env::milliseconds(1));
    ASSERT_EQ(store_, nullptr);
    Start();
  }
  // Only after the process died of a crash that was armed.
  void StartAgain() { Start(); }
  bool alive() { return store_ != nullptr; }
  const Status& flush_status() const { return flush_status_; }
  int flushes() const { return flushes_; }  // over all lives

 private:
  void Start() {
    env::sim::Process& process = host_.Start([](env::sim::Process&) {});
    process.OnDeath([this] { store_.reset(); });
    auto files = SimFiles::Open(process.env().files, "/data/store");
    ASSERT_TRUE(files.ok()) << files.status();
    auto store = Store::Open(process, std::move(*files), options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = std::move(*store);
    store_->SetFlushObserver([this](const Status& s) {
      flush_status_ = s;
      flushes_ += s.ok() ? 1 : 0;
    });
  }

  StoreOptions options_;
  std::unique_ptr<Store> store_;  // ends with its process, so before the world
  Status flush_status_;
  int flushes_ = 0;
  env::sim::World world_;
  env::sim::Host& host_;
};

}  // namespace cairn::mvcc
