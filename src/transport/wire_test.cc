#include "src/transport/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "src/base/random.h"

namespace cairn::transport {
namespace {

using testing::HasSubstr;

constexpr size_t kLimit = 1 << 20;

std::string Encode(const Frame& frame, uint64_t number,
                   FrameClass frame_class = FrameClass::kMessage) {
  const FrameHeader header = EncodeFrameHeader(frame_class, frame, PayloadBytes(frame), number);
  std::string out(header.data(), header.size());
  out += frame.head;
  for (const SharedBytes& slice : frame.body) out += slice.view();
  return out;
}

Frame MakeFrame(uint8_t kind, std::string head, std::vector<std::string> body = {}) {
  Frame frame;
  frame.kind = kind;
  frame.head = std::move(head);
  for (const std::string& slice : body) frame.body.push_back(SharedBytes::Copy(slice));
  return frame;
}

// Everything that a reader gives for `bytes`, fed in pieces of `step`; the error in `error`.
std::vector<ReceivedFrame> ReadAll(std::string_view bytes, size_t step, Status* error,
                                   size_t limit = kLimit) {
  FrameReader reader(limit);
  std::vector<ReceivedFrame> frames;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    while (!piece.empty()) {
      ReceivedFrame frame;
      const auto whole = reader.Take(&piece, &frame);
      if (!whole.ok()) {
        *error = whole.status();
        return frames;
      }
      if (*whole) frames.push_back(std::move(frame));
    }
  }
  return frames;
}

TEST(FrameTest, ComesBackHoweverTheStreamIsTorn) {
  const std::string large(100'000, 'L');
  const std::string bytes = Encode(MakeFrame(7, "head", {"body", "", "more"}), 0) +
                            Encode(MakeFrame(0, ""), 1) + Encode(MakeFrame(255, "", {large}), 2) +
                            Encode(EncodePing({3, 4}), 3, FrameClass::kPing);
  for (const size_t step :
       {size_t{1}, size_t{5}, size_t{24}, size_t{25}, size_t{4096}, bytes.size()}) {
    Status error;
    const auto frames = ReadAll(bytes, step, &error);
    ASSERT_TRUE(error.ok()) << error;
    ASSERT_EQ(frames.size(), 4u) << step;
    EXPECT_EQ(frames[0].kind, 7);
    EXPECT_EQ(frames[0].payload.view(), "headbodymore");
    EXPECT_EQ(frames[1].payload.size(), 0u);
    EXPECT_EQ(frames[2].kind, 255);
    EXPECT_EQ(frames[2].payload.view(), large);
    EXPECT_EQ(frames[3].frame_class, FrameClass::kPing);
    Ping ping;
    ASSERT_TRUE(DecodePing(frames[3].payload.view(), &ping));
    EXPECT_EQ(ping.number, 3u);
    EXPECT_EQ(ping.sent_nanos, 4u);
  }
}

TEST(FrameTest, LayoutIsAsTheFormatSays) {
  const std::string bytes = Encode(MakeFrame(9, "abc"), 0);
  ASSERT_EQ(bytes.size(), 27u);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x03\0\0\0\0\x09\0\0", 8));
  EXPECT_EQ(bytes.substr(24), "abc");
}

TEST(FrameTest, EachFlippedBitIsNoticedAndNothingAlteredIsDelivered) {
  const std::string good = Encode(MakeFrame(1, "first"), 0) + Encode(MakeFrame(2, "second"), 1);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    Status error;
    const auto frames = ReadAll(bad, 10, &error);
    ASSERT_FALSE(error.ok()) << "bit " << bit;
    EXPECT_EQ(error.code(), StatusCode::kDataLoss);
    for (const ReceivedFrame& frame : frames) EXPECT_EQ(frame.payload.view(), "first");
    EXPECT_EQ(frames.size(), bit < 29 * 8 ? 0u : 1u);
  }
}

TEST(FrameTest, MissingDoubledAndSwappedFramesAreNoticed) {
  const std::string a = Encode(MakeFrame(1, "a"), 0);
  const std::string b = Encode(MakeFrame(1, "b"), 1);
  for (const std::string& stream : {b, a + a, b + a}) {
    Status error;
    ReadAll(stream, 100, &error);
    EXPECT_THAT(error.message(), HasSubstr("checksum of frame header"));
  }
}

TEST(FrameTest, OversizeIsRefusedByItsHeaderAlone) {
  Status error;
  const std::string bytes = Encode(MakeFrame(1, std::string(1001, 'x')), 0);
  ReadAll(std::string_view(bytes).substr(0, kFrameHeaderBytes), 100, &error, 1000);
  EXPECT_THAT(error.message(), HasSubstr("1001 bytes is larger than the limit of 1000"));
  Status fits;
  const std::string good = Encode(MakeFrame(1, std::string(1000, 'x')), 0);
  EXPECT_EQ(ReadAll(good, 100, &fits, 1000).size(), 1u);
  EXPECT_TRUE(fits.ok());
}

TEST(FrameTest, UnknownClassIsRefused) {
  Status error;
  ReadAll(Encode(MakeFrame(1, "x"), 0, static_cast<FrameClass>(3)), 100, &error);
  EXPECT_THAT(error.message(), HasSubstr("class"));
}

TEST(FrameTest, SmallFramesShareABlockAndLargeOnesHaveTheirOwn) {
  std::string bytes;
  for (uint64_t i = 0; i < 3; ++i) bytes += Encode(MakeFrame(1, std::string(100, 's')), i);
  Status error;
  const auto frames = ReadAll(bytes, bytes.size(), &error);
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[1].payload.data(), frames[0].payload.data() + 100);
  EXPECT_EQ(frames[2].payload.data(), frames[1].payload.data() + 100);
}

Hello SomeHello() {
  Hello hello;
  hello.cluster = ClusterId(0x1111);
  hello.from = NodeId(2);
  hello.to = NodeId(3);
  hello.channel = 1;
  hello.name = "m2";
  return hello;
}

TEST(HandshakeTest, HelloAndAnswerComeBackByteByByte) {
  const std::string bytes = EncodeHello(SomeHello()) + "rest";
  HandshakeReader reader(HandshakeReader::Kind::kHello);
  size_t used = 0;
  bool whole = false;
  while (!whole) {
    std::string_view one = std::string_view(bytes).substr(used, 1);
    auto taken = reader.Take(&one);
    ASSERT_TRUE(taken.ok());
    ASSERT_TRUE(one.empty());
    whole = *taken;
    ++used;
  }
  EXPECT_EQ(bytes.substr(used), "rest");
  Hello hello;
  ASSERT_TRUE(reader.DecodeHello(&hello));
  EXPECT_EQ(hello.versions.lowest, kMinVersion);
  EXPECT_EQ(hello.versions.highest, kMaxVersion);
  EXPECT_EQ(hello.cluster, ClusterId(0x1111));
  EXPECT_EQ(hello.from, NodeId(2));
  EXPECT_EQ(hello.to, NodeId(3));
  EXPECT_EQ(hello.channel, 1);
  EXPECT_EQ(hello.name, "m2");

  Answer answer;
  answer.verdict = Verdict::kWrongNode;
  answer.version = 0x102;
  answer.cluster = ClusterId(5);
  answer.node = NodeId(6);
  answer.reason = "no";
  const std::string encoded = EncodeAnswer(answer);
  std::string_view view = encoded;
  HandshakeReader answers(HandshakeReader::Kind::kAnswer);
  ASSERT_TRUE(*answers.Take(&view));
  Answer back;
  ASSERT_TRUE(answers.DecodeAnswer(&back));
  EXPECT_EQ(back.verdict, Verdict::kWrongNode);
  EXPECT_EQ(back.version, 0x102);
  EXPECT_EQ(back.cluster, ClusterId(5));
  EXPECT_EQ(back.node, NodeId(6));
  EXPECT_EQ(back.reason, "no");
}

TEST(HandshakeTest, EachFlippedBitIsNoticed) {
  const std::string good = EncodeHello(SomeHello());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    HandshakeReader reader(HandshakeReader::Kind::kHello);
    std::string_view view = bad;
    const auto taken = reader.Take(&view);
    // A length that grew waits for bytes that do not come; all else is an error at once.
    EXPECT_TRUE(!taken.ok() || !*taken) << "bit " << bit;
    if (bit < 96 || bit >= 128) {
      EXPECT_FALSE(taken.ok()) << "bit " << bit;
    }
  }
}

TEST(HandshakeTest, OtherProtocolsAreToldApartAtTheirFirstByte) {
  for (const char* other : {"G", "P", "\x16", "\x89P"}) {
    HandshakeReader reader(HandshakeReader::Kind::kHello);
    std::string_view view = other;
    EXPECT_FALSE(reader.Take(&view).ok()) << other;
  }
  const std::string answer = EncodeAnswer({});
  HandshakeReader reader(HandshakeReader::Kind::kHello);
  std::string_view view = answer;
  EXPECT_FALSE(reader.Take(&view).ok());
}

TEST(HandshakeTest, LongNamesAreCutAndLongBodiesRefused) {
  Hello hello = SomeHello();
  hello.name = std::string(5'000, 'n');
  const std::string bytes = EncodeHello(hello);
  std::string_view view = bytes;
  HandshakeReader reader(HandshakeReader::Kind::kHello);
  ASSERT_TRUE(*reader.Take(&view));
  Hello back;
  ASSERT_TRUE(reader.DecodeHello(&back));
  EXPECT_EQ(back.name, std::string(kMaxNameBytes, 'n'));

  std::string long_body = EncodeHello(SomeHello());
  const uint32_t length = kMaxHandshakeBody + 1;
  std::memcpy(&long_body[12], &length, sizeof length);
  HandshakeReader second(HandshakeReader::Kind::kHello);
  view = long_body;
  EXPECT_THAT(second.Take(&view).status().message(), HasSubstr("too long"));
}

}  // namespace
}  // namespace cairn::transport
