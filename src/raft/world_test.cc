// Small random worlds: a few nodes, and every step (ready, write, message, tick, crash, cut) in an
// order drawn from a seed, with messages lost, doubled and reordered and crashes that lose what was
// not durable. The Oracle and every node's Invariants watch each step. Then the faults stop, and
// the cluster must make progress within a bound.
//
// A failure prints its seed; CAIRN_RAFT_SEED=<seed> replays that one alone, CAIRN_RAFT_SEEDS=<n>
// runs n seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "src/base/random.h"
#include "src/raft/testing/cluster.h"
#include "src/raft/testing/describe.h"
#include "src/raft/testing/oracle.h"

namespace cairn::raft {
namespace {

using testing::Cluster;
using testing::Disk;
using testing::Node;
using testing::Oracle;

uint64_t g_seed = 0;

// A violation is a CHECK, which aborts: the seed must be said on the way out.
void PrintSeed(int) {
  char line[128];
  const int n = std::snprintf(line, sizeof line, "replay: CAIRN_RAFT_SEED=%llu raft_world_test\n",
                              static_cast<unsigned long long>(g_seed));
  std::fwrite(line, 1, static_cast<size_t>(n), stderr);
}

// What happened over all seeds: a run in which nothing went wrong proves nothing.
struct Totals {
  size_t committed = 0, leaders = 0, reads = 0, crashes = 0, lost = 0, doubled = 0, log_reads = 0,
         compactions = 0, proposals_refused = 0;
};

class World {
 public:
  World(uint64_t seed, Totals& totals)
      : random_(seed), totals_(totals), cluster_(DrawConfig(seed), DrawConf()), oracle_(cluster_) {
    cluster_.set_watcher(&oracle_);
    loss_ = random_.Chance(0.5) ? 0.0 : random_.Double() * 0.2;
    doubling_ = random_.Chance(0.5) ? 0.0 : random_.Double() * 0.2;
    reordering_ = random_.Chance(0.5) ? 0.0 : random_.Double();
    crash_ = random_.Chance(0.3) ? 0 : random_.Between(1, 6);
    cut_ = random_.Chance(0.3) ? 0 : random_.Between(1, 14);
    slow_disk_ = random_.Chance(0.3);
    for (const NodeId id : ids_) cluster_.Add(id, Disk{}, LogIndex(0));
  }

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) Act();
    Recover();
    totals_.committed += oracle_.committed();
    totals_.leaders += oracle_.leaders();
    totals_.reads += oracle_.reads_answered();
  }

 private:
  Config DrawConfig(uint64_t seed) {
    Config config;
    config.seed = seed;
    config.heartbeat_ticks = static_cast<uint32_t>(random_.Between(1, 3));
    config.election_ticks = config.heartbeat_ticks + static_cast<uint32_t>(random_.Between(4, 12));
    config.election_spread_ticks = config.election_ticks;
    config.pre_vote = random_.Chance(0.6);
    config.check_quorum = random_.Chance(0.6);
    config.check_invariants = true;
    // Small limits, so that they are met.
    config.max_append_bytes = random_.Chance(0.5) ? 80 : 4000;
    config.max_inflight_messages = static_cast<uint32_t>(random_.Between(1, 8));
    config.max_inflight_bytes = random_.Between(100, 2000);
    config.max_uncommitted_bytes = random_.Between(100, 2000);
    config.max_committed_bytes = random_.Between(50, 1000);
    config.max_cache_bytes = random_.Chance(0.5) ? 0 : random_.Between(0, 500);
    config.max_pending_reads = 20;
    return config;
  }

  ConfState DrawConf() {
    const uint64_t kinds[] = {1, 2, 3, 3, 3, 3, 4, 5, 5};
    const uint64_t voters = kinds[random_.Below(std::size(kinds))];
    const uint64_t learners = random_.Chance(0.2) ? 1 : 0;
    ConfState conf;
    for (uint64_t i = 1; i <= voters + learners; ++i) {
      ids_.emplace_back(i);
      (i <= voters ? conf.voters : conf.learners).emplace_back(i);
    }
    if (voters >= 3 && random_.Chance(0.1)) conf.voters_outgoing = {NodeId(1), NodeId(2)};
    return conf;
  }

  NodeId AnyNode() { return ids_[random_.Below(ids_.size())]; }

  void Act() {
    const NodeId id = AnyNode();
    const uint64_t roll = random_.Below(1000);
    if (roll < 300) {
      cluster_.TakeReady(id);
    } else if (roll < (slow_disk_ ? 350u : 500u)) {
      cluster_.CompleteWrite(id);
    } else if (roll < 750) {
      ActOnNetwork();
    } else if (roll < 850) {
      cluster_.Step(id, Tick{});
    } else if (roll < 930) {
      Propose(id);
    } else if (roll < 950) {
      cluster_.Read(random_.Chance(0.5) ? AnyLeader().value_or(id) : id, ReadId(++last_read_));
    } else if (roll < 970) {
      if (cluster_.AnswerLogRead(id)) ++totals_.log_reads;
    } else if (roll < 970 + crash_) {
      CrashOrRestart(id);
    } else if (roll < 976 + cut_) {
      CutOrHeal(id);
    } else if (roll < 990) {
      FlushAndCompact(id);
    } else if (roll < 992) {
      cluster_.Step(id, Campaign{});
    }
  }

  void Propose(NodeId id) {
    const std::string data = "value " + std::to_string(++last_value_);
    const Result<EntryId> r = cluster_.Propose(id, SharedBytes::Copy(data));
    if (!r.ok() && r.status().code() == StatusCode::kResourceExhausted) ++totals_.proposals_refused;
  }

  void ActOnNetwork() {
    auto& network = cluster_.network();
    if (network.empty()) return;
    const size_t i = random_.Chance(reordering_) ? random_.Below(network.size()) : 0;
    if (random_.Chance(loss_)) {
      network.erase(network.begin() + static_cast<std::ptrdiff_t>(i));
      ++totals_.lost;
      return;
    }
    if (random_.Chance(doubling_)) {
      const Message copy = network[i];
      network.insert(
          network.begin() + static_cast<std::ptrdiff_t>(random_.Below(network.size() + 1)), copy);
      ++totals_.doubled;
      cluster_.Deliver(std::min(i, network.size() - 1));
      return;
    }
    cluster_.Deliver(i);
  }

  void CrashOrRestart(NodeId id) {
    if (!cluster_.up(id)) return cluster_.Restart(id);
    if (random_.Chance(0.3)) return;  // more nodes up than down
    cluster_.Crash(id, random_.Below(cluster_.node(id).pending.size() + 1));
    ++totals_.crashes;
  }

  void CutOrHeal(NodeId id) {
    if (random_.Chance(0.5)) return cluster_.Heal();
    if (random_.Chance(0.5)) return Isolate(AnyLeader().value_or(id));
    const NodeId other = AnyNode();
    cluster_.Cut(id, other);
    if (random_.Chance(0.5)) cluster_.Cut(other, id);
  }

  void Isolate(NodeId id) {
    for (const NodeId other : ids_) {
      cluster_.Cut(id, other);
      cluster_.Cut(other, id);
    }
  }

  // One of those that take themselves for leaders, deposed ones too.
  std::optional<NodeId> AnyLeader() {
    std::vector<NodeId> leaders;
    for (const Node& n : cluster_.nodes()) {
      if (n.raw != nullptr && n.raw->role() == Role::kLeader) leaders.push_back(n.id);
    }
    if (leaders.empty()) return std::nullopt;
    return leaders[random_.Below(leaders.size())];
  }

  // As the replica does: no entry is cut before the state machine has it durably and every member
  // holds it.
  void FlushAndCompact(NodeId id) {
    if (!cluster_.up(id)) return;
    if (random_.Chance(0.7)) cluster_.Flush(id);
    const Node& n = cluster_.node(id);
    const NodeStatus s = n.raw->status();
    const LogIndex upto = std::min(n.applied_durable, s.everywhere);
    if (upto < s.first_index) return;
    cluster_.Compact(id, LogIndex(random_.Between(s.first_index.value, upto.value)));
    ++totals_.compactions;
  }

  // The faults end. Within a bounded time there is a leader, a new proposal is committed, and
  // everyone applies it.
  void Recover() {
    cluster_.Heal();
    for (const NodeId id : ids_) {
      if (!cluster_.up(id)) cluster_.Restart(id);
    }
    cluster_.Run();
    const int bound = static_cast<int>(cluster_.config().election_ticks) * 20 + 200;
    std::optional<EntryId> last;
    for (int tick = 0; tick < bound; ++tick) {
      for (const NodeId id : ids_) cluster_.Step(id, Tick{});
      cluster_.Run();
      const NodeId leader = cluster_.leader();
      if (leader == kNobody) continue;
      if (last.has_value() && AllApplied(*last)) return;
      if (last.has_value() && cluster_.node(leader).raw->TermAt(last->index) == last->term)
        continue;
      const Result<EntryId> r = cluster_.Propose(leader, SharedBytes::Copy("last"));
      if (r.ok()) last = *r;
      cluster_.Run();
    }
    for (const Node& n : cluster_.nodes()) PrintNode(n);
    CHECK(false, "no progress after the faults stopped");
  }

  static void PrintNode(const Node& n) {
    const NodeStatus s = n.raw->status();
    std::fprintf(
        stderr,
        "node %llu: %s term %llu leader %llu log %llu..%llu stable %llu commit %llu applied %llu\n",
        U(n.id), testing::Describe(s.role).c_str(), U(s.term), U(s.leader), U(s.first_index),
        U(s.last_index), U(s.stable_index), U(s.commit_index), U(s.applied_index));
    for (const PeerStatus& p : s.peers) {
      std::fprintf(stderr, "  peer %llu: %s match %llu next %llu\n", U(p.id),
                   testing::Describe(p.state).c_str(), U(p.match), U(p.next));
    }
  }
  template <class T>
  static unsigned long long U(T v) {
    return v.value;
  }

  bool AllApplied(EntryId id) {
    return std::all_of(cluster_.nodes().begin(), cluster_.nodes().end(), [&](const Node& n) {
      return n.applied.size() >= id.index.value && n.applied[id.index.value - 1].term == id.term;
    });
  }

  Random random_;
  Totals& totals_;
  std::vector<NodeId> ids_;
  Cluster cluster_;
  Oracle oracle_;
  double loss_ = 0, doubling_ = 0, reordering_ = 0;
  uint64_t crash_ = 0, cut_ = 0;
  bool slow_disk_ = false;
  uint64_t last_value_ = 0, last_read_ = 0;
};

TEST(WorldTest, RandomSeeds) {
  std::signal(SIGABRT, PrintSeed);
  uint64_t first = 1, count = 600;
  const char* one = std::getenv("CAIRN_RAFT_SEED");
  if (one != nullptr) {
    first = std::strtoull(one, nullptr, 10);
    count = 1;
  } else if (const char* n = std::getenv("CAIRN_RAFT_SEEDS")) {
    count = std::strtoull(n, nullptr, 10);
  }
  Totals totals;
  for (uint64_t i = 0; i < count; ++i) {
    g_seed = first + i;
    World(g_seed, totals).Run(6000);
  }
  std::signal(SIGABRT, SIG_DFL);
  std::printf(
      "committed %zu leaders %zu reads %zu crashes %zu lost %zu doubled %zu log reads %zu "
      "compactions %zu refused %zu\n",
      totals.committed, totals.leaders, totals.reads, totals.crashes, totals.lost, totals.doubled,
      totals.log_reads, totals.compactions, totals.proposals_refused);
  if (one != nullptr) return;
  EXPECT_GT(totals.committed, count * 10);
  EXPECT_GT(totals.leaders, count * 2);
  EXPECT_GT(totals.reads, count / 2);
  EXPECT_GT(totals.crashes, count / 2);
  EXPECT_GT(totals.lost, count);
  EXPECT_GT(totals.doubled, count);
  EXPECT_GT(totals.log_reads, count);
  EXPECT_GT(totals.compactions, count / 2);
  EXPECT_GT(totals.proposals_refused, 0u);
}

}  // namespace
}  // namespace cairn::raft
