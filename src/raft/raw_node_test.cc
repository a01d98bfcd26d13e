#include "src/raft/raw_node.h"

#include <gtest/gtest.h>

#include "src/raft/testing/cluster.h"
#include "src/raft/testing/oracle.h"

namespace cairn::raft {
namespace {

using testing::Cluster;
using testing::Disk;
using testing::Oracle;

ConfState Voters(uint64_t n) {
  ConfState conf;
  for (uint64_t i = 1; i <= n; ++i) conf.voters.emplace_back(i);
  return conf;
}

Config TestConfig() {
  Config config;
  config.election_ticks = 10;
  config.election_spread_ticks = 10;
  config.heartbeat_ticks = 1;
  config.check_invariants = true;
  return config;
}

class RawNodeTest : public ::testing::Test {
 protected:
  void Start(uint64_t n) {
    cluster_.emplace(TestConfig(), Voters(n));
    oracle_.emplace(*cluster_);
    cluster_->set_watcher(&*oracle_);
    for (uint64_t i = 1; i <= n; ++i) cluster_->Add(NodeId(i), Disk{}, LogIndex(0));
  }
  std::optional<Cluster> cluster_;
  std::optional<Oracle> oracle_;
};

TEST_F(RawNodeTest, ElectsReplicatesCommitsRestarts) {
  Start(3);
  cluster_->Step(NodeId(1), Campaign{});
  cluster_->Run();
  ASSERT_EQ(cluster_->leader(), NodeId(1));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(cluster_->Propose(NodeId(1), SharedBytes::Copy("v" + std::to_string(i))).ok());
  }
  cluster_->Run();
  for (const testing::Node& n : cluster_->nodes()) EXPECT_EQ(n.applied.size(), 101u);

  for (uint64_t i = 1; i <= 3; ++i) cluster_->Crash(NodeId(i), 0);
  for (uint64_t i = 1; i <= 3; ++i) cluster_->Restart(NodeId(i));
  cluster_->Step(NodeId(2), Campaign{});
  cluster_->Run();
  ASSERT_EQ(cluster_->leader(), NodeId(2));
  for (const testing::Node& n : cluster_->nodes()) EXPECT_EQ(n.applied.size(), 102u);
}

TEST_F(RawNodeTest, OneVoterCommitsAndReadsAlone) {
  Start(1);
  cluster_->Step(NodeId(1), Campaign{});
  cluster_->Run();
  ASSERT_TRUE(cluster_->Propose(NodeId(1), SharedBytes::Copy("x")).ok());
  cluster_->Run();
  EXPECT_EQ(cluster_->node(NodeId(1)).applied.size(), 2u);
  cluster_->Read(NodeId(1), ReadId(7));
  EXPECT_TRUE(cluster_->TakeReady(NodeId(1)));
  ASSERT_EQ(cluster_->node(NodeId(1)).reads.size(), 1u);
  EXPECT_EQ(cluster_->node(NodeId(1)).reads[0].index, LogIndex(2));
}

}  // namespace
}  // namespace cairn::raft
