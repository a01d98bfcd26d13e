#include "src/env/sim/network.h"

#include <gtest/gtest.h>

#include "src/env/sim/process.h"

namespace cairn::env::sim {
namespace {

// One side of a connection: sends what it is given, keeps what it gets.
struct Peer final : StreamHandler {
  void Take(std::unique_ptr<Stream> s) {
    stream = std::move(s);
    stream->Start(this);
  }
  void Send(std::string_view bytes) {
    waiting += bytes;
    OnWritable();
  }
  void OnConnected() override { connected = true; }
  void OnData(std::string_view bytes) override {
    ++chunks;
    received += bytes;
  }
  void OnWritable() override {
    const std::string_view piece = waiting;
    waiting.erase(0, stream->Write(std::span(&piece, 1)));
  }
  void OnClosed(const Status& why) override {
    closed = why;
    stream.reset();
  }
  std::unique_ptr<Stream> stream;
  std::string waiting, received;
  int chunks = 0;
  bool connected = false;
  std::optional<Status> closed;
};

// A client on host `a` and a server on host `b` that keeps its last connection.
struct Pair {
  explicit Pair(uint64_t seed, WorldOptions options = {}) : world(seed, options) {
    StartServer();
    world.RunFor(milliseconds(1));
    a.Start([this](Process& p) {
      p.OnDeath([this] { client.stream.reset(); });
      client.Take(p.env().network.Connect({"b:1"}));
    });
  }
  void StartServer() {
    b.Start([this](Process& p) {
      p.OnDeath([this] {
        listener.reset();
        server.stream.reset();
      });
      auto made = p.env().network.Listen(
          {"b:1"}, [this](std::unique_ptr<Stream> s) { server.Take(std::move(s)); });
      ASSERT_TRUE(made.ok());
      listener = std::move(*made);
    });
  }
  void Do(Host& host, Task task) { host.process()->Post(std::move(task)); }

  std::unique_ptr<Listener>
      listener;  // before the world: its processes let go of them when it ends
  Peer client, server;
  World world;
  Host& a = world.AddHost("a");
  Host& b = world.AddHost("b");
};

std::string Pattern(size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return text;
}

TEST(SimNetworkTest, BytesArriveInOrderInChunksBothWaysUnderBackpressure) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    WorldOptions options;
    options.network.buffer_bytes = 1000;
    options.network.spike_chance = 0.1;
    options.network.bytes_per_second = 10 << 20;
    Pair t(seed, options);
    t.world.RunFor(seconds(1));
    ASSERT_TRUE(t.client.connected);
    const std::string up = Pattern(20'000), down = Pattern(30'000);
    t.Do(t.a, [&] { t.client.Send(up); });
    t.Do(t.b, [&] { t.server.Send(down); });
    t.world.RunFor(seconds(60));
    EXPECT_EQ(t.server.received, up);
    EXPECT_EQ(t.client.received, down);
    EXPECT_GE(t.server.chunks, 20);
  }
}

TEST(SimNetworkTest, PausedReaderFillsTheSendersBuffer) {
  WorldOptions options;
  options.network.buffer_bytes = 1000;
  Pair t(1, options);
  t.world.RunFor(seconds(1));
  t.Do(t.b, [&] { t.server.stream->SetReading(false); });
  t.world.RunFor(seconds(1));
  t.Do(t.a, [&] { t.client.Send(Pattern(5000)); });
  t.world.RunFor(seconds(5));
  EXPECT_EQ(t.server.received, "");
  EXPECT_GE(t.client.waiting.size(), 4000u);
  t.Do(t.b, [&] { t.server.stream->SetReading(true); });
  t.world.RunFor(seconds(5));
  EXPECT_EQ(t.server.received, Pattern(5000));
}

TEST(SimNetworkTest, OrderlyCloseComesAfterTheData) {
  Pair t(1);
  t.world.RunFor(seconds(1));
  t.Do(t.a, [&] {
    t.client.Send("last words");
    if (t.client.waiting.empty()) t.client.stream.reset();
  });
  t.world.RunFor(seconds(1));
  EXPECT_EQ(t.server.received, "last words");
  ASSERT_TRUE(t.server.closed.has_value());
  EXPECT_TRUE(t.server.closed->ok());
}

TEST(SimNetworkTest, OneWayPartitionHoldsOneDirectionUntilHeal) {
  Pair t(1);
  t.world.RunFor(seconds(1));
  t.world.network().Block(t.a, t.b);
  t.Do(t.a, [&] { t.client.Send("up"); });
  t.Do(t.b, [&] { t.server.Send("down"); });
  t.world.RunFor(seconds(10));
  EXPECT_EQ(t.server.received, "");
  EXPECT_EQ(t.client.received, "down");
  EXPECT_FALSE(t.client.closed.has_value());
  t.world.network().HealAll();
  t.world.RunFor(seconds(10));
  EXPECT_EQ(t.server.received, "up");
}

TEST(SimNetworkTest, AcknowledgementsAreHeldByTheOtherDirection) {
  WorldOptions options;
  options.network.buffer_bytes = 1000;
  Pair t(1, options);
  t.world.RunFor(seconds(1));
  t.world.network().Block(t.b, t.a);
  t.Do(t.a, [&] { t.client.Send(Pattern(5000)); });
  t.world.RunFor(seconds(10));
  EXPECT_LE(t.server.received.size(), 1000u);
  EXPECT_GT(t.server.received.size(), 0u);
  t.world.network().Unblock(t.b, t.a);
  t.world.RunFor(seconds(10));
  EXPECT_EQ(t.server.received, Pattern(5000));
}

TEST(SimNetworkTest, ResetBreaksBothSides) {
  Pair t(1);
  t.world.RunFor(seconds(1));
  t.world.network().ResetBetween(t.a, t.b);
  t.world.RunFor(seconds(1));
  ASSERT_TRUE(t.client.closed && t.server.closed);
  EXPECT_EQ(t.client.closed->code(), StatusCode::kUnavailable);
  EXPECT_EQ(t.server.closed->code(), StatusCode::kUnavailable);
}

TEST(SimNetworkTest, KilledProcessClosesItsConnections) {
  Pair t(1);
  t.world.RunFor(seconds(1));
  t.b.Kill(CrashKind::kProcess);
  t.world.RunFor(seconds(1));
  EXPECT_TRUE(t.client.closed.has_value());
}

TEST(SimNetworkTest, PowerLossIsSilentUntilTheNextLifeAnswersWithAReset) {
  Pair t(1);
  t.world.RunFor(seconds(1));
  t.b.Kill(CrashKind::kPower);
  t.Do(t.a, [&] { t.client.Send("anyone?"); });
  t.world.RunFor(seconds(10));
  EXPECT_FALSE(t.client.closed.has_value());
  t.StartServer();
  t.world.RunFor(seconds(10));
  EXPECT_TRUE(t.client.closed.has_value());
}

TEST(SimNetworkTest, ConnectIsRefusedOrTimesOut) {
  World world(1);
  Host& a = world.AddHost("a");
  Host& b = world.AddHost("b");
  Peer refused, silent, other;
  std::unique_ptr<Listener> listener;
  b.Start([&](Process& p) {
    p.OnDeath([&] { listener.reset(); });
    listener = std::move(p.env().network.Listen({"b:1"}, [](std::unique_ptr<Stream>) {}).value());
    EXPECT_FALSE(p.env().network.Listen({"b:1"}, [](std::unique_ptr<Stream>) {}).ok());
  });
  world.RunFor(milliseconds(10));
  b.Kill(CrashKind::kPower);
  world.RunFor(milliseconds(10));
  a.Start([&](Process& p) {
    p.OnDeath([&] {
      refused.stream.reset();
      silent.stream.reset();
    });
    refused.Take(p.env().network.Connect({"nowhere:1"}));
    silent.Take(p.env().network.Connect({"b:1"}));
  });
  world.RunFor(seconds(1));
  ASSERT_TRUE(refused.closed.has_value());
  EXPECT_NE(refused.closed->message().find("nowhere:1"), std::string::npos);
  EXPECT_FALSE(silent.closed.has_value());
  world.RunFor(seconds(5));
  ASSERT_TRUE(silent.closed.has_value());
  EXPECT_NE(silent.closed->message().find("timed out"), std::string::npos);
}

TEST(SimNetworkTest, WhatADyingTurnWouldHaveSentLaterIsNotSent) {
  Pair t(1);
  t.world.RunFor(seconds(1));
  t.Do(t.a, [&] {
    t.a.process()->Spend(milliseconds(50));  // a slow sync, say
    t.client.Send("after the sync");
  });
  t.world.RunFor(milliseconds(10));
  t.a.Kill(CrashKind::kProcess);
  t.world.RunFor(seconds(5));
  EXPECT_EQ(t.server.received, "");
}

}  // namespace
}  // namespace cairn::env::sim
