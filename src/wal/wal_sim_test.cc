// The log against a dumb twin in the simulator: random writes, cuts and reads while the process is
// killed and the power goes at any moment. What was acknowledged is there; what is there was
// written, in order, and nothing in between is gone.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/env/sim/process.h"
#include "src/env/sim/world.h"
#include "src/wal/format.h"
#include "src/wal/wal.h"

namespace cairn::wal {
namespace {

using env::sim::CrashKind;
using env::sim::Host;
using env::sim::Process;
using env::sim::World;

constexpr uint64_t kGroups = 3;

// What a group must be after some write.
struct TwinGroup {
  raft::HardState hard_state;
  std::vector<raft::Entry> entries;  // [i] has index i + 1; cut ones are kept
  friend bool operator==(const TwinGroup&, const TwinGroup&) = default;
};
using TwinState = std::map<uint64_t, std::shared_ptr<const TwinGroup>>;

bool Same(const TwinState& a, const TwinState& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.first == y.first && *x.second == *y.second;
  });
}

struct Twin {
  // states.front() is after the last write that is known to be durable, then one for each write
  // given since.
  std::deque<TwinState> states{TwinState{}};
  std::map<uint64_t, uint64_t> cuts;  // the highest cut asked for

  const TwinState& now() const { return states.back(); }
};

class LogSimulation {
 public:
  explicit LogSimulation(uint64_t seed, bool failing_syncs)
      : world_(seed),
        host_(world_.AddHost("a")),
        random_(seed * 77 + 1),
        failing_syncs_(failing_syncs) {
    options_.directory = "/data/member/wal";
    options_.segment_bytes = kMinSegmentBytes;
    options_.inline_sync_bytes = random_.Chance(0.5) ? 4096 : 0;
  }

  void Run() {
    for (int life = 0; life < 12 && !::testing::Test::HasFatalFailure(); ++life) Live();
    host_.disk().faults().sync_error = 0;
    last_life_ = true;
    Live();
    EXPECT_GT(acknowledged_, 20u) << "a run in which nothing happens shows nothing";
  }
  uint64_t failed_opens() const { return failed_opens_; }

 private:
  void Live() {
    process_ = nullptr;
    bool ended = false;
    host_.Start([this, &ended](Process& p) {
      p.OnDeath([this, &ended] {
        wal_.reset();
        ended = true;
      });
      process_ = &p;
      if (!last_life_) ArmCrash(p);
      Begin();
    });
    const env::Time end = world_.now() + env::milliseconds(300);
    world_.RunUntil(end, [&] { return ended; });
    if (!ended) host_.Kill(random_.Chance(0.5) ? CrashKind::kPower : CrashKind::kProcess);
    world_.RunUntil(end + env::seconds(1), [&] { return ended; });
    ASSERT_TRUE(ended);
  }

  void ArmCrash(Process& p) {
    const CrashKind kind = random_.Chance(0.5) ? CrashKind::kPower : CrashKind::kProcess;
    switch (random_.Below(3)) {
      case 0:
        p.CrashAtFileOperation(1 + random_.Below(random_.Chance(0.3) ? 12 : 300), kind);
        break;
      case 1:
        p.CrashAtTask(1 + random_.Below(600), kind);
        break;
      default:
        break;  // killed from outside, at the end of its time
    }
    host_.disk().faults().sync_error = failing_syncs_ && random_.Chance(0.3) ? 0.02 : 0;
  }

  void Begin() {
    auto opened = Wal::Open(process_->env(), options_);
    if (!process_->alive()) return;
    if (!opened.ok()) {
      ASSERT_NE(opened.status().code(), StatusCode::kDataLoss) << opened.status();
      ASSERT_GT(host_.disk().faults().sync_error, 0) << opened.status();
      ++failed_opens_;
      return;
    }
    wal_ = std::move(*opened);
    CheckRecovered();
    if (!::testing::Test::HasFatalFailure()) Act();
  }

  // What the log holds is one of the states since the last durable write.
  void CheckRecovered() {
    TwinState found;
    given_ = done_ = 0;
    std::map<uint64_t, uint64_t> cuts;
    for (const GroupId id : wal_->Groups()) {
      const GroupState state = wal_->Recovered(id);
      TwinGroup group;
      group.hard_state = state.hard_state;
      const uint64_t base = state.log.base.index.value;
      ASSERT_LE(base, twin_.cuts[id.value]);
      cuts[id.value] = base;
      // Cut entries cannot be read any more: what the twin says stands for them.
      const auto& known = twin_.now().contains(id.value) ? twin_.now().at(id.value)->entries
                                                         : std::vector<raft::Entry>();
      ASSERT_LE(base, known.size());
      group.entries.assign(known.begin(), known.begin() + static_cast<std::ptrdiff_t>(base));
      for (LogIndex next(base + 1); next <= state.log.last;) {
        auto read = wal_->Read(id, next, state.log.last, 3000);
        ASSERT_TRUE(read.ok()) << read.status();
        ASSERT_FALSE(read->empty());
        for (raft::Entry& e : *read) group.entries.push_back(std::move(e));
        next = LogIndex(group.entries.size() + 1);
      }
      found[id.value] = std::make_shared<const TwinGroup>(std::move(group));
    }
    size_t match = twin_.states.size();
    while (match > 0 && !Same(twin_.states[match - 1], found)) --match;
    ASSERT_GT(match, 0u) << "acknowledged writes are lost, or others stand in their place";
    twin_.states = {found};
    twin_.cuts = cuts;
  }

  void Act() {
    if (wal_ == nullptr) return;
    const uint64_t writes = random_.Below(5);
    for (uint64_t i = 0; i < writes; ++i) Write();
    if (random_.Chance(0.2)) Cut();
    if (random_.Chance(0.2)) ReadSome();
    const env::Duration pause =
        random_.Chance(0.03) ? env::milliseconds(70) : env::microseconds(200);
    process_->Schedule(process_->Now() + pause, [this] { Act(); });
  }

  void Write() {
    if (twin_.states.size() > 200) return;  // a log that has failed
    const uint64_t id = 1 + random_.Below(kGroups);
    TwinState state = twin_.now();
    TwinGroup group = state.contains(id) ? *state.at(id) : TwinGroup();
    wal::Write write;
    write.group = GroupId(id);
    write.sync = random_.Chance(0.8);
    Term term = std::max(group.hard_state.term, Term(1));
    if (random_.Chance(0.1)) term = term.Next();
    const uint64_t count = random_.Below(5);
    if (count > 0) {
      uint64_t first = group.entries.size() + 1;
      if (random_.Chance(0.1)) first = random_.Between(twin_.cuts[id] + 1, first);
      group.entries.resize(first - 1);
      for (uint64_t i = 0; i < count; ++i) {
        group.entries.push_back({term, LogIndex(first + i),
                                 static_cast<raft::EntryType>(random_.Below(3)), RandomData()});
        write.entries.push_back(group.entries.back());
      }
    }
    if (count == 0 || term != group.hard_state.term || random_.Chance(0.5)) {
      write.hard_state =
          raft::HardState{term, NodeId(random_.Below(3)), LogIndex(group.entries.size())};
      group.hard_state = *write.hard_state;
    }
    state[id] = std::make_shared<const TwinGroup>(std::move(group));
    twin_.states.push_back(std::move(state));
    const uint64_t number = ++given_;
    wal_->Append(std::move(write), [this, number](const Status& s) {
      if (!s.ok()) return;
      ASSERT_EQ(number, ++done_) << "in order";
      ++acknowledged_;
      twin_.states.pop_front();
    });
  }

  SharedBytes RandomData() {
    const size_t size = random_.Below(random_.Chance(0.2) ? 1200 : 100);
    const char fill = random_.Chance(0.2) ? '\0' : static_cast<char>('a' + random_.Below(26));
    return SharedBytes::Copy(std::string(size, fill));
  }

  void Cut() {
    const uint64_t id = 1 + random_.Below(kGroups);
    if (!twin_.now().contains(id)) return;
    const auto& entries = twin_.now().at(id)->entries;
    uint64_t& cut = twin_.cuts[id];
    if (entries.size() <= cut) return;
    cut = random_.Between(cut + 1, entries.size());
    wal_->Cut(GroupId(id), entries[cut - 1].id());
  }

  void ReadSome() {
    const uint64_t id = 1 + random_.Below(kGroups);
    if (!twin_.now().contains(id)) return;
    const auto& entries = twin_.now().at(id)->entries;
    const uint64_t cut = twin_.cuts[id];
    if (entries.size() <= cut) return;
    const uint64_t first = random_.Between(cut + 1, entries.size());
    const uint64_t last = random_.Between(first, entries.size());
    auto read = wal_->Read(GroupId(id), LogIndex(first), LogIndex(last), random_.Below(3000));
    if (!process_->alive()) return;
    if (failing_syncs_ && read.status().code() == StatusCode::kInternal) return;  // the log failed
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_FALSE(read->empty());
    for (size_t i = 0; i < read->size(); ++i) ASSERT_EQ((*read)[i], entries[first - 1 + i]);
  }

  World world_;
  Host& host_;
  Random random_;
  bool failing_syncs_;
  bool last_life_ = false;
  Options options_;
  Process* process_ = nullptr;
  std::unique_ptr<Wal> wal_;
  Twin twin_;
  uint64_t given_ = 0, done_ = 0;  // in this life
  uint64_t acknowledged_ = 0, failed_opens_ = 0;
};

TEST(WalSimTest, WhatWasAcknowledgedSurvivesEveryCrash) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    LogSimulation(seed, /*failing_syncs=*/false).Run();
    if (HasFailure()) return;
  }
}

TEST(WalSimTest, WhatWasAcknowledgedSurvivesFailingSyncsToo) {
  uint64_t failed_opens = 0;
  for (uint64_t seed = 1000; seed <= 1030; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    LogSimulation simulation(seed, /*failing_syncs=*/true);
    simulation.Run();
    if (HasFailure()) return;
    failed_opens += simulation.failed_opens();
  }
  EXPECT_GT(failed_opens, 0u);
}

}  // namespace
}  // namespace cairn::wal
