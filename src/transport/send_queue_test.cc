#include "src/transport/send_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "src/base/random.h"

namespace cairn::transport {
namespace {

// Takes as many bytes as it is allowed to.
class Sink final : public env::Stream {
 public:
  size_t room = SIZE_MAX;
  std::string got;
  int writes = 0;
  size_t most_pieces = 0;

  void Start(env::StreamHandler*) override {}
  size_t Write(std::span<const std::string_view> pieces) override {
    ++writes;
    most_pieces = std::max(most_pieces, pieces.size());
    size_t taken = 0;
    for (const std::string_view piece : pieces) {
      EXPECT_FALSE(piece.empty());
      const size_t n = std::min(piece.size(), room);
      got += piece.substr(0, n);
      room -= n;
      taken += n;
    }
    return taken;
  }
  void SetReading(bool) override {}
  std::string PeerName() const override { return "sink"; }
};

std::string Push(SendQueue& queue, Random& random, uint64_t number) {
  Frame frame;
  frame.kind = 1;
  frame.head = std::string(random.Below(50), 'h');
  std::string bytes;
  for (uint64_t i = random.Below(6); i > 0; --i) {
    const std::string slice(random.Below(400), static_cast<char>('a' + number % 26));
    frame.body.push_back(SharedBytes::Copy(slice));
    bytes += slice;
  }
  const size_t size = PayloadBytes(frame);
  const FrameHeader header = EncodeFrameHeader(FrameClass::kMessage, frame, size, number);
  bytes = std::string(header.data(), header.size()) + frame.head + bytes;
  queue.PushFrame(header, std::move(frame), size);
  return bytes;
}

TEST(SendQueueTest, AllThatIsQueuedGoesInOneWrite) {
  SendQueue queue;
  Random random(1);
  std::string expected = "raw";
  queue.PushRaw("raw");
  for (uint64_t i = 0; i < 20; ++i) expected += Push(queue, random, i);
  EXPECT_EQ(queue.bytes(), expected.size());
  Sink sink;
  EXPECT_TRUE(queue.WriteTo(sink));
  EXPECT_EQ(sink.writes, 1);
  EXPECT_EQ(sink.got, expected);
  EXPECT_EQ(queue.bytes(), 0u);
  EXPECT_EQ(queue.frames(), 0u);
}

TEST(SendQueueTest, PartialWritesGoOnWhereTheyStopped) {
  SendQueue queue;
  Random random(2);
  std::string expected;
  Sink sink;
  for (uint64_t i = 0; i < 3'000; ++i) {
    if (random.Chance(0.6)) expected += Push(queue, random, i);
    sink.room = random.Below(900);
    const size_t before = sink.got.size();
    const bool done = queue.WriteTo(sink);
    EXPECT_EQ(done, queue.bytes() == 0);
    EXPECT_EQ(queue.bytes(), expected.size() - sink.got.size());
    EXPECT_GE(sink.got.size(), before);
  }
  sink.room = SIZE_MAX;
  EXPECT_TRUE(queue.WriteTo(sink));
  EXPECT_TRUE(sink.got == expected);
}

TEST(SendQueueTest, FrameOfManySlicesIsWrittenInBoundedGathers) {
  SendQueue queue;
  Frame frame;
  for (int i = 0; i < 10'000; ++i) frame.body.push_back(SharedBytes::Static("ab"));
  queue.PushFrame(FrameHeader{}, std::move(frame), 20'000);
  Sink sink;
  EXPECT_TRUE(queue.WriteTo(sink));
  EXPECT_EQ(sink.got.size(), 20'000 + kFrameHeaderBytes);
  EXPECT_LE(sink.most_pieces, 1024u);
}

TEST(SendQueueTest, SlicesAreWrittenFromWhereTheyAre) {
  class Where final : public env::Stream {
   public:
    const char* seen = nullptr;
    void Start(env::StreamHandler*) override {}
    size_t Write(std::span<const std::string_view> pieces) override {
      size_t all = 0;
      for (const std::string_view piece : pieces) all += piece.size();
      seen = pieces.back().data();
      return all;
    }
    void SetReading(bool) override {}
    std::string PeerName() const override { return ""; }
  };
  const SharedBytes slice = SharedBytes::Copy("the bytes");
  SendQueue queue;
  Frame frame;
  frame.body.push_back(slice);
  queue.PushFrame(FrameHeader{}, std::move(frame), slice.size());
  Where where;
  EXPECT_TRUE(queue.WriteTo(where));
  EXPECT_EQ(where.seen, slice.data());
}

TEST(SendQueueTest, ClearForgetsAHalfWrittenFrame) {
  SendQueue queue;
  Random random(3);
  Push(queue, random, 0);
  Sink sink;
  sink.room = 10;
  EXPECT_FALSE(queue.WriteTo(sink));
  queue.Clear();
  EXPECT_EQ(queue.bytes(), 0u);
  sink = Sink();
  const std::string expected = Push(queue, random, 1);
  EXPECT_TRUE(queue.WriteTo(sink));
  EXPECT_EQ(sink.got, expected);
}

}  // namespace
}  // namespace cairn::transport
