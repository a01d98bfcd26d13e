#include "src/raft/quorum/quorum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "src/base/random.h"

namespace cairn::raft::quorum {
namespace {

std::vector<NodeId> Ids(std::initializer_list<uint64_t> ids) {
  std::vector<NodeId> all;
  for (const uint64_t id : ids) all.emplace_back(id);
  return all;
}

using Acked = std::map<NodeId, uint64_t>;
using Votes = std::map<NodeId, bool>;

uint64_t ReachedBy(const auto& config, const Acked& acked) {
  return config.ReachedBy([&](NodeId id) { return acked.contains(id) ? acked.at(id) : 0; });
}

VoteResult ResultOf(const auto& config, const Votes& votes) {
  return config.Result([&](NodeId id) -> std::optional<bool> {
    return votes.contains(id) ? std::optional<bool>(votes.at(id)) : std::nullopt;
  });
}

// The twins do as the definitions say, by trying everything.
uint64_t DumbReachedBy(const std::vector<NodeId>& voters, const Acked& acked) {
  if (voters.empty()) return UINT64_MAX;
  uint64_t best = 0;
  for (uint64_t candidate = 0; candidate <= 20; ++candidate) {
    size_t holders = 0;
    for (const NodeId id : voters) holders += (acked.contains(id) ? acked.at(id) : 0) >= candidate;
    if (holders * 2 > voters.size()) best = candidate;
  }
  return best;
}

// Won: whatever the silent ones say, it passes. Lost: whatever they say, it fails.
VoteResult DumbResult(const std::vector<NodeId>& a, const std::vector<NodeId>& b,
                      const Votes& votes) {
  std::vector<NodeId> silent;
  for (uint64_t id = 1; id <= 7; ++id) {
    if (!votes.contains(NodeId(id))) silent.emplace_back(id);
  }
  bool can_win = false, can_lose = false;
  for (uint64_t mask = 0; mask < (1u << silent.size()); ++mask) {
    Votes all = votes;
    for (size_t i = 0; i < silent.size(); ++i) all[silent[i]] = (mask >> i & 1) != 0;
    const auto passes = [&](const std::vector<NodeId>& voters) {
      const auto yes =
          std::count_if(voters.begin(), voters.end(), [&](NodeId id) { return all[id]; });
      return voters.empty() || static_cast<size_t>(yes) * 2 > voters.size();
    };
    (passes(a) && passes(b) ? can_win : can_lose) = true;
  }
  if (can_win && can_lose) return VoteResult::kPending;
  return can_win ? VoteResult::kWon : VoteResult::kLost;
}

TEST(MajorityConfigTest, ByHand) {
  EXPECT_EQ(ReachedBy(MajorityConfig(), {}), UINT64_MAX);
  EXPECT_EQ(ReachedBy(MajorityConfig(Ids({1})), {{NodeId(1), 5}}), 5u);
  const MajorityConfig three(Ids({1, 2, 3}));
  EXPECT_EQ(ReachedBy(three, {{NodeId(1), 9}, {NodeId(3), 4}}), 4u);
  EXPECT_EQ(ReachedBy(three, {{NodeId(1), 9}}), 0u);
  EXPECT_EQ(ReachedBy(three, {{NodeId(1), 9}, {NodeId(4), 9}}), 0u);  // no voter
  const MajorityConfig four(Ids({1, 2, 3, 4}));
  EXPECT_EQ(ReachedBy(four, {{NodeId(1), 9}, {NodeId(2), 9}}), 0u);  // half is no majority
  EXPECT_EQ(ResultOf(four, {{NodeId(1), true}, {NodeId(2), true}}), VoteResult::kPending);
  EXPECT_EQ(ResultOf(four, {{NodeId(1), false}, {NodeId(2), false}}), VoteResult::kLost);
  EXPECT_EQ(ResultOf(three, {{NodeId(1), true}, {NodeId(2), true}}), VoteResult::kWon);
  EXPECT_EQ(ResultOf(MajorityConfig(), {}), VoteResult::kWon);
}

TEST(MajorityConfigTest, MoreVotersThanFitOnTheStack) {
  std::vector<NodeId> ids;
  Acked acked;
  for (uint64_t i = 1; i <= 101; ++i) {
    ids.emplace_back(i);
    acked[NodeId(i)] = i;
  }
  EXPECT_EQ(ReachedBy(MajorityConfig(ids), acked), 51u);
}

TEST(JointConfigTest, AgreesWithTheTwins) {
  Random random(7);
  const auto draw = [&](double chance) {
    std::vector<NodeId> ids;
    for (uint64_t id = 1; id <= 7; ++id) {
      if (random.Chance(chance)) ids.emplace_back(id);
    }
    return ids;
  };
  size_t results[3] = {};
  for (int i = 0; i < 20'000; ++i) {
    const std::vector<NodeId> a = draw(0.6);
    const std::vector<NodeId> b = random.Chance(0.5) ? draw(0.5) : std::vector<NodeId>();
    const JointConfig joint{MajorityConfig(a), MajorityConfig(b)};
    Acked acked;
    Votes votes;
    for (uint64_t id = 1; id <= 7; ++id) {
      if (random.Chance(0.8)) acked[NodeId(id)] = random.Below(20);
      if (random.Chance(0.6)) votes[NodeId(id)] = random.Chance(0.5);
    }
    ASSERT_EQ(ReachedBy(joint, acked), std::min(DumbReachedBy(a, acked), DumbReachedBy(b, acked)));
    const VoteResult result = ResultOf(joint, votes);
    ASSERT_EQ(result, DumbResult(a, b, votes));
    ++results[static_cast<size_t>(result)];
  }
  for (const size_t n : results) EXPECT_GT(n, 1000u);
}

}  // namespace
}  // namespace cairn::raft::quorum
