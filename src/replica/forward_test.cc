#include "src/replica/forward.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "src/base/random.h"
#include "src/replica/command_tag.h"

namespace cairn::replica {
namespace {

SharedBytes Payload(const transport::Frame& frame) {
  std::string all = frame.head;
  for (const SharedBytes& piece : frame.body) all += piece.view();
  return SharedBytes::Copy(all);
}

Forward Example(BytesArena& arena) {
  Forward forward{GroupId(1), Term(7), 0x1234567890abcdef, 40, {}};
  for (uint64_t n = 41; n < 45; ++n) {
    forward.commands.push_back(TagCommand(arena, {forward.incarnation, n}, std::string(n, 'x')));
  }
  return forward;
}

TEST(ForwardTest, ComesBackAsItWent) {
  BytesArena arena;
  const Forward sent = Example(arena);
  const auto got = DecodeForward(Payload(EncodeForward(sent)));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->group, sent.group);
  EXPECT_EQ(got->term, sent.term);
  EXPECT_EQ(got->incarnation, sent.incarnation);
  EXPECT_EQ(got->settled_below, sent.settled_below);
  EXPECT_EQ(got->commands, sent.commands);

  const ForwardRefused refused{GroupId(1), Term(9), 77, {1, 2, 900}};
  const auto back = DecodeForwardRefused(Payload(EncodeForwardRefused(refused)));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->sequences, refused.sequences);
  EXPECT_EQ(back->term, refused.term);
}

TEST(ForwardTest, EveryShorterOrLongerFrameIsRefused) {
  BytesArena arena;
  const SharedBytes whole = Payload(EncodeForward(Example(arena)));
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_FALSE(DecodeForward(whole.Slice(0, n)).ok()) << n;
  EXPECT_FALSE(DecodeForward(SharedBytes::Copy(std::string(whole.view()) + "x")).ok());
}

TEST(ForwardTest, ArbitraryBytesNeverBreakTheDecoder) {
  Random random(1);
  BytesArena arena;
  const std::string good(Payload(EncodeForward(Example(arena))).view());
  for (int i = 0; i < 20000; ++i) {
    std::string bad = good;
    for (uint64_t n = random.Between(1, 4); n > 0; --n) {
      bad[random.Below(24)] = static_cast<char>(random.Next());
    }
    const auto forward = DecodeForward(SharedBytes::Copy(bad));
    if (!forward.ok()) continue;
    for (const SharedBytes& command : forward->commands) EXPECT_TRUE(ReadTag(command.view()));
  }
}

TEST(ReceivedForwardsTest, ACopyIsSeenOnceHoweverLateItComes) {
  ReceivedForwards received;
  EXPECT_TRUE(received.FirstSight(1, 10, 10));
  EXPECT_FALSE(received.FirstSight(1, 10, 10));
  EXPECT_TRUE(received.FirstSight(1, 12, 10));
  EXPECT_TRUE(received.FirstSight(1, 11, 10)) << "out of order is new all the same";
  EXPECT_TRUE(received.FirstSight(2, 10, 10)) << "another incarnation counts for itself";
  EXPECT_TRUE(received.FirstSight(1, 13, 13));
  EXPECT_FALSE(received.FirstSight(1, 12, 10))
      << "settled by its sender: a late copy, known or not";
  EXPECT_FALSE(received.FirstSight(1, 9, 10));
}

// Against a twin that remembers everything for ever.
TEST(ReceivedForwardsTest, AgreesWithATwinThatForgetsNothing) {
  Random random(3);
  ReceivedForwards received;
  std::set<uint64_t> seen;
  uint64_t settled = 1;
  for (int i = 0; i < 50000; ++i) {
    if (random.Chance(0.05)) settled += random.Below(20);
    const uint64_t sequence = random.Between(settled > 30 ? settled - 30 : 1, settled + 200);
    const bool fresh = sequence >= settled && seen.insert(sequence).second;
    EXPECT_EQ(received.FirstSight(5, sequence, settled), fresh);
  }
}

}  // namespace
}  // namespace cairn::replica
