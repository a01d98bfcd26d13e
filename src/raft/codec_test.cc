#include "src/raft/codec.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "src/base/random.h"
#include "src/base/wire.h"
#include "src/raft/testing/describe.h"

namespace cairn::raft {
namespace {

constexpr GroupId kGroup{9};

std::string Flatten(const EncodedMessage& e) {
  std::string all = e.head;
  for (const SharedBytes& piece : e.body) all += piece.view();
  return all;
}

Message Decoded(const std::string& bytes) {
  Result<DecodedMessage> d = Decode(SharedBytes::Copy(bytes));
  EXPECT_TRUE(d.ok()) << d.status();
  if (!d.ok()) return {};
  EXPECT_EQ(d->group, kGroup);
  return std::move(d->message);
}

const AppendEntries& Appends(const Message& m) { return std::get<AppendEntries>(m.body); }

std::vector<MessageBody> OneOfEach() {
  AppendEntries a{
      .prev = {Term(4), LogIndex(10)}, .entries = {}, .commit = LogIndex(9), .round = 300};
  a.entries.push_back({Term(4), LogIndex(11), EntryType::kNormal, SharedBytes::Copy("first")});
  a.entries.push_back({Term(700), LogIndex(12), EntryType::kNoOp, {}});
  a.entries.push_back(
      {Term(700), LogIndex(13), EntryType::kConfChange, SharedBytes::Copy("third")});
  return {RequestPreVote{.last = {Term(3), LogIndex(1u << 31)}},
          RequestPreVoteReply{.granted = true},
          RequestVote{.last = {Term(0), LogIndex(0)}},
          RequestVoteReply{.granted = false},
          a,
          AppendEntries{.prev = {}, .entries = {}, .commit = {}, .round = 0},
          AppendEntriesReply{
              .accepted = true, .match = LogIndex(77), .rejected = {}, .hint = {}, .round = 2},
          AppendEntriesReply{.accepted = false,
                             .match = {},
                             .rejected = LogIndex(8),
                             .hint = {Term(2), LogIndex(5)},
                             .round = 1},
          Heartbeat{.commit = LogIndex(5), .everywhere = LogIndex(4), .round = 1000},
          HeartbeatReply{.round = UINT64_MAX},
          ReadIndex{.id = ReadId(UINT64_MAX)},
          ReadIndexReply{.id = ReadId(1), .index = LogIndex(2)}};
}

TEST(CodecTest, RoundTripsEveryKind) {
  for (MessageBody& body : OneOfEach()) {
    const Message m{NodeId(0x8e9e05c52164694d), NodeId(2), Term(800), std::move(body)};
    const Message back = Decoded(Flatten(Encode(kGroup, m)));
    EXPECT_EQ(testing::Describe(back), testing::Describe(m));
    EXPECT_EQ(back.term, m.term);
    if (std::holds_alternative<AppendEntries>(m.body)) {
      EXPECT_EQ(Appends(back).entries, Appends(m).entries);
    }
  }
}

// The example of docs/formats/raft-messages.md.
TEST(CodecTest, WritesTheDocumentedBytes) {
  AppendEntries a{.prev = {Term(2), LogIndex(5)}, .entries = {}, .commit = LogIndex(4), .round = 2};
  a.entries.push_back({Term(3), LogIndex(6), EntryType::kNormal, SharedBytes::Copy("ab")});
  const std::string bytes = Flatten(Encode(GroupId(1), {NodeId(1), NodeId(2), Term(3), a}));
  const std::string expected(
      "\x05\x01"
      "\x01\0\0\0\0\0\0\0"
      "\x02\0\0\0\0\0\0\0"
      "\x03\x02\x05\x04\x02\x01\x08\x02"
      "ab",
      28);
  EXPECT_EQ(bytes, expected);
}

// Entries whose data lie side by side in memory go out as one slice, uncopied.
TEST(CodecTest, JoinsNeighbours) {
  BytesArena arena;
  AppendEntries a;
  for (uint64_t i = 1; i <= 100; ++i) {
    a.entries.push_back(
        {Term(1), LogIndex(i), EntryType::kNormal, arena.Copy(std::string(150, 'x'))});
  }
  const EncodedMessage e = Encode(kGroup, {NodeId(1), NodeId(2), Term(1), a});
  ASSERT_EQ(e.body.size(), 1u);
  EXPECT_EQ(e.body[0].data(), a.entries[0].data.data());
  EXPECT_EQ(Appends(Decoded(Flatten(e))).entries, a.entries);
}

// Small pieces in different places are copied together, large ones are not copied, and the order
// stays.
TEST(CodecTest, CopiesSmallPiecesOnly) {
  AppendEntries a;
  const auto add = [&](size_t size, char c) {
    a.entries.push_back({Term(1), LogIndex(a.entries.size() + 1), EntryType::kNormal,
                         SharedBytes::Copy(std::string(size, c))});
  };
  add(10, 'a');
  add(20, 'b');
  add(5000, 'c');
  add(30, 'd');
  add(0, 'e');
  add(40, 'f');
  add(6000, 'g');
  add(1, 'h');
  const EncodedMessage e = Encode(kGroup, {NodeId(1), NodeId(2), Term(1), a});
  ASSERT_EQ(e.body.size(), 4u);  // c, d f, g, h
  EXPECT_EQ(e.body[0].data(), a.entries[2].data.data());
  EXPECT_EQ(e.body[1].size(), 70u);
  EXPECT_EQ(e.body[2].data(), a.entries[6].data.data());
  EXPECT_EQ(Appends(Decoded(Flatten(e))).entries, a.entries);
}

TEST(CodecTest, DecodedDataSharesThePayload) {
  AppendEntries a;
  a.entries.push_back({Term(1), LogIndex(1), EntryType::kNormal, SharedBytes::Copy("data")});
  const SharedBytes payload =
      SharedBytes::Copy(Flatten(Encode(kGroup, {NodeId(1), NodeId(2), Term(1), a})));
  Result<DecodedMessage> d = Decode(payload);
  ASSERT_TRUE(d.ok());
  const char* at = Appends(d->message).entries[0].data.data();
  EXPECT_GE(at, payload.data());
  EXPECT_LT(at, payload.data() + payload.size());
}

TEST(CodecTest, RefusesEveryPrefixAndSuffix) {
  for (MessageBody& body : OneOfEach()) {
    const std::string whole =
        Flatten(Encode(kGroup, {NodeId(1), NodeId(2), Term(800), std::move(body)}));
    for (size_t n = 0; n < whole.size(); ++n) {
      EXPECT_FALSE(Decode(SharedBytes::Copy(whole.substr(0, n))).ok()) << n;
    }
    EXPECT_FALSE(Decode(SharedBytes::Copy(whole + '\0')).ok());
  }
}

std::string AppendHeader(uint64_t prev_index) {
  std::string s;
  WireWriter w(&s);
  w.U8(5);
  w.Varint(1);
  w.U64(1);
  w.U64(2);
  w.Varint(1);  // term
  w.Varint(1);  // prev
  w.Varint(prev_index);
  w.Varint(0);  // commit
  w.Varint(0);  // round
  return s;
}

TEST(CodecTest, RefusesHostileNumbers) {
  const auto refused = [](const std::string& s, const char* why) {
    const Result<DecodedMessage> d = Decode(SharedBytes::Copy(s));
    ASSERT_FALSE(d.ok()) << why;
    EXPECT_EQ(d.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(d.status().message().find(why), std::string::npos) << d.status();
  };
  std::string s = AppendHeader(0);
  WireWriter(&s).Varint(UINT64_MAX);  // count
  refused(s, "more entries than bytes");

  s = AppendHeader(UINT64_MAX);
  WireWriter(&s).Varint(1);
  s += std::string("\0\0", 2);
  refused(s, "index overflows");

  s = AppendHeader(0);
  WireWriter w(&s);
  w.Varint(2);
  w.Varint(0);
  w.Varint(UINT64_MAX);  // a size
  w.Varint(0);
  w.Varint(2);
  refused(s, "entry longer than the message");

  s = AppendHeader(0);
  WireWriter w2(&s);
  w2.Varint(1);
  w2.Varint(7);  // a type
  w2.Varint(0);
  refused(s, "unknown entry type");

  std::string flag = Flatten(Encode(kGroup, {NodeId(1), NodeId(2), Term(1), RequestVoteReply{}}));
  flag.back() = 2;
  refused(flag, "flag");
  refused("\x63" + flag.substr(1), "unknown kind");
}

// Whatever the bytes are, Decode answers; and what it takes for a message is one.
TEST(CodecTest, SurvivesGarbage) {
  Random random(1);
  std::vector<std::string> seeds;
  for (MessageBody& body : OneOfEach()) {
    seeds.push_back(Flatten(Encode(kGroup, {NodeId(1), NodeId(2), Term(800), std::move(body)})));
  }
  size_t accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string s = seeds[random.Below(seeds.size())];
    for (uint64_t flips = random.Between(1, 4); flips > 0; --flips) {
      s[random.Below(s.size())] = static_cast<char>(random.Next());
    }
    if (random.Chance(0.2)) s.resize(random.Below(s.size() + 1));
    Result<DecodedMessage> d = Decode(SharedBytes::Copy(s));
    if (!d.ok()) continue;
    ++accepted;
    EXPECT_TRUE(Decode(SharedBytes::Copy(Flatten(Encode(d->group, d->message)))).ok());
  }
  EXPECT_GT(accepted, 1000u);
}

}  // namespace
}  // namespace cairn::raft
