// The transport in the simulated world: torn and short writes, resets, deaths, partitions, by seed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "src/base/log.h"
#include "src/base/wire.h"
#include "src/env/sim/process.h"
#include "src/env/sim/world.h"
#include "src/transport/transport.h"

namespace cairn::transport {
namespace {

using env::Duration;
using env::milliseconds;
using env::seconds;
using env::sim::CrashKind;
using env::sim::Host;
using env::sim::Process;
using env::sim::World;
using env::sim::WorldOptions;

constexpr size_t kMembers = 3;

// One member: sends numbered frames to the others and checks the numbers that it gets from them.
struct Member final : Receiver {
  Host* host = nullptr;
  NodeId id;
  std::unique_ptr<Transport> transport;
  uint64_t life = 0;
  uint64_t next_number = 1;
  // By sender and kind (the kind is the channel): its life and the last number of it.
  std::map<std::pair<NodeId, uint8_t>, std::pair<uint64_t, uint64_t>> last;
  uint64_t received = 0;

  void OnFrame(NodeId from, uint8_t kind, SharedBytes payload) override {
    WireReader r(payload.view());
    const std::pair<uint64_t, uint64_t> now{r.U64(), r.U64()};
    auto& before = last[{from, kind}];
    EXPECT_LT(before, now) << "from " << from << " on channel " << int{kind};
    const uint64_t size = r.U64();
    EXPECT_EQ(r.rest(), std::string(size, static_cast<char>(now.second)));
    before = now;
    ++received;
  }
  void OnPeerConnected(NodeId) override {}
  void OnPeerDisconnected(NodeId, const Status&) override {}

  void SendTo(NodeId to, Channel channel, size_t size) {
    Frame frame;
    frame.kind = static_cast<uint8_t>(channel);
    WireWriter w(&frame.head);
    w.U64(life);
    w.U64(next_number);
    w.U64(size);
    frame.body.push_back(SharedBytes::Copy(std::string(size, static_cast<char>(next_number))));
    ++next_number;
    (void)transport->Send(to, channel, std::move(frame));
  }
  bool AllConnected() const {
    if (transport == nullptr) return false;
    for (const PeerStats& peer : transport->stats()) {
      if (!peer.connected) return false;
    }
    return true;
  }
};

class Cluster {
 public:
  explicit Cluster(uint64_t seed, const WorldOptions& options = {}) : world_(seed, options) {
    for (size_t i = 0; i < kMembers; ++i) {
      members_[i].host = &world_.AddHost("m" + std::to_string(i + 1));
      members_[i].id = NodeId(i + 1);
    }
    for (Member& member : members_) Start(member);
  }

  void Start(Member& member) {
    member.host->Start([this, &member](Process& process) {
      process.OnDeath([&member] { member.transport.reset(); });
      ++member.life;
      member.last.clear();
      Options options;
      options.cluster = ClusterId(1);
      options.self = member.id;
      options.listen = {AddressOf(member)};
      auto made = Transport::Create(process.env(), options, &member);
      ASSERT_TRUE(made.ok()) << made.status();
      member.transport = *std::move(made);
      for (Member& other : members_) {
        if (&other != &member) member.transport->AddPeer(other.id, {AddressOf(other)});
      }
    });
  }
  static env::Address AddressOf(const Member& member) { return {member.host->name() + ":2380"}; }

  // Every member sends a few frames of random sizes to the others.
  void SendSome() {
    for (Member& member : members_) {
      if (member.host->process() == nullptr || member.transport == nullptr) continue;
      member.host->process()->Post([this, &member] {
        for (Member& other : members_) {
          if (&other == &member) continue;
          member.SendTo(other.id, Channel::kControl, world_.random().Below(100));
          member.SendTo(other.id, Channel::kBulk, world_.random().Below(100'000));
        }
      });
    }
  }
  bool WaitConnected(Duration at_most = seconds(10)) {
    return world_.RunUntil(world_.now() + at_most, [this] {
      for (const Member& member : members_) {
        if (!member.AllConnected()) return false;
      }
      return true;
    });
  }
  uint64_t received() const {
    uint64_t all = 0;
    for (const Member& member : members_) all += member.received;
    return all;
  }

  Member members_[kMembers];
  World world_;
};

class TransportSimTest : public testing::Test {
 protected:
  TransportSimTest() {
    log::SetSink([](log::Level, std::string_view, std::span<const log::Field>) {},
                 log::Level::kError);
  }
  ~TransportSimTest() override { log::SetSink(nullptr, log::Level::kWarn); }
};

TEST_F(TransportSimTest, AllConnectAndEachFrameArrivesOnceInOrder) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    WorldOptions options;
    options.network.split_chance = 0.5;
    options.network.short_write_chance = 0.5;
    options.network.buffer_bytes = 10'000;
    Cluster cluster(seed, options);
    ASSERT_TRUE(cluster.WaitConnected()) << seed;
    for (int i = 0; i < 20; ++i) {
      cluster.SendSome();
      cluster.world_.RunFor(milliseconds(10));
    }
    // Nothing broke and no queue was full: everything arrives.
    EXPECT_TRUE(cluster.world_.RunUntil(cluster.world_.now() + seconds(60),
                                        [&] { return cluster.received() == 20u * 12u; }))
        << seed << " " << cluster.received();
  }
}

// What happens in one run of a storm; the hash of it.
uint64_t Storm(uint64_t seed, uint64_t* received) {
  Cluster cluster(seed);
  World& world = cluster.world_;
  for (int step = 0; step < 300; ++step) {
    cluster.SendSome();
    Member& victim = cluster.members_[world.random().Below(kMembers)];
    if (world.random().Chance(0.1)) world.network().ResetOne(world.random());
    if (world.random().Chance(0.03)) {
      victim.host->Kill(world.random().Chance(0.5) ? CrashKind::kPower : CrashKind::kProcess);
    }
    if (victim.host->process() == nullptr && world.random().Chance(0.5)) cluster.Start(victim);
    world.RunFor(milliseconds(static_cast<int64_t>(world.random().Below(20))));
  }
  for (Member& member : cluster.members_) {
    if (member.host->process() == nullptr) cluster.Start(member);
  }
  EXPECT_TRUE(cluster.WaitConnected(seconds(30))) << "seed " << seed;
  // A connection to a member that died without a word is found dead only when it is used: the first
  // frames may be lost. After that every frame arrives.
  bool all_arrive = false;
  for (int round = 0; round < 20 && !all_arrive; ++round) {
    const uint64_t before = cluster.received();
    cluster.SendSome();
    world.RunFor(seconds(1));
    all_arrive = cluster.received() == before + 12;
  }
  EXPECT_TRUE(all_arrive) << "seed " << seed;
  *received = cluster.received();
  return world.hash();
}

TEST_F(TransportSimTest, ResetsAndDeathsLoseFramesButNeverDoubleReorderOrMixThem) {
  for (uint64_t seed = 100; seed < 120; ++seed) {
    uint64_t received = 0;
    Storm(seed, &received);
    EXPECT_GT(received, 500u) << seed;
  }
}

TEST_F(TransportSimTest, SameSeedSameRun) {
  uint64_t first = 0;
  uint64_t second = 0;
  EXPECT_EQ(Storm(7, &first), Storm(7, &second));
  EXPECT_EQ(first, second);
  EXPECT_NE(Storm(8, &second), Storm(7, &first));
}

TEST_F(TransportSimTest, ComesBackMemberIsReachedSoonerThanTheBackoff) {
  Cluster cluster(3);
  ASSERT_TRUE(cluster.WaitConnected());
  Member& member = cluster.members_[0];
  member.host->Kill(CrashKind::kProcess);
  cluster.world_.RunFor(seconds(30));  // the others wait up to a second between two dials by now
  cluster.Start(member);
  EXPECT_TRUE(cluster.WaitConnected(milliseconds(50)));
}

TEST_F(TransportSimTest, PartitionIsNoticedAndHeals) {
  Cluster cluster(4);
  ASSERT_TRUE(cluster.WaitConnected());
  World& world = cluster.world_;
  Member& a = cluster.members_[0];
  Member& b = cluster.members_[1];
  world.network().Block(*a.host, *b.host);
  world.network().Block(*b.host, *a.host);
  auto connected = [](const Member& from, size_t peer) {
    return from.transport->stats().at(peer).connected;
  };
  EXPECT_TRUE(world.RunUntil(world.now() + seconds(10),
                             [&] { return !connected(a, 0) && !connected(b, 0); }));
  EXPECT_TRUE(connected(a, 1));  // the third member is not concerned
  EXPECT_TRUE(connected(b, 1));
  world.network().HealAll();
  EXPECT_TRUE(cluster.WaitConnected());
}

TEST_F(TransportSimTest, PausedMemberDoesNotBlameItsPeers) {
  Cluster cluster(5);
  ASSERT_TRUE(cluster.WaitConnected());
  Member& a = cluster.members_[0];
  a.host->process()->Pause();
  cluster.world_.RunFor(seconds(3));
  a.host->process()->Resume();
  cluster.world_.RunFor(milliseconds(500));
  EXPECT_TRUE(a.AllConnected());
  EXPECT_TRUE(cluster.members_[1].AllConnected());
}

}  // namespace
}  // namespace cairn::transport
