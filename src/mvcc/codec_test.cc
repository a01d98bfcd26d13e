#include "src/mvcc/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "src/base/random.h"

namespace cairn::mvcc {
namespace {

using namespace std::string_literals;

std::string VersionKeyOf(std::string_view key, Revision revision) {
  std::string to;
  EncodeVersionKey(key, revision, &to);
  return to;
}

// Few letters, those that the escaping could get wrong.
std::string RandomKey(Random& random) {
  static constexpr char kLetters[] = {'\0', '\1', '\xff', '\xfe', 'a'};
  std::string key;
  for (uint64_t n = random.Below(5); n > 0; --n) key.push_back(kLetters[random.Below(5)]);
  return key;
}

TEST(CodecTest, VersionKeysSortByKeyThenNewestFirst) {
  EXPECT_LT(VersionKeyOf("a", {1, 0}), VersionKeyOf("a\0"s, {9, 0}));
  EXPECT_LT(VersionKeyOf("a\0"s, {1, 0}), VersionKeyOf("ab", {9, 0}));
  EXPECT_LT(VersionKeyOf("a", {9, 0}), VersionKeyOf("a", {8, 7}));
  EXPECT_LT(VersionKeyOf("a", {9, 2}), VersionKeyOf("a", {9, 1}));
  Random random(1);
  for (int i = 0; i < 20000; ++i) {
    const std::string a = RandomKey(random), b = RandomKey(random);
    const Revision ra{static_cast<int64_t>(random.Below(1 << 20)),
                      static_cast<int64_t>(random.Below(3))};
    const Revision rb{static_cast<int64_t>(random.Below(1 << 20)),
                      static_cast<int64_t>(random.Below(3))};
    const bool less = a != b ? a < b : ra > rb;
    EXPECT_EQ(VersionKeyOf(a, ra) < VersionKeyOf(b, rb), less);
  }
}

TEST(CodecTest, StartAndEndEncloseAKeysVersions) {
  Random random(2);
  for (int i = 0; i < 5000; ++i) {
    const std::string a = RandomKey(random), b = RandomKey(random);
    std::string start, end;
    EncodeKeyStart(a, &start);
    EncodeKeyEnd(a, &end);
    const std::string version = VersionKeyOf(b, {static_cast<int64_t>(random.Below(9)), 0});
    EXPECT_EQ(start <= version && version < end, a == b);
    EXPECT_EQ(VersionKeyPrefix(VersionKeyOf(a, {3, 4})), start);
    EXPECT_EQ(VersionKeyPrefix(start), start);
  }
}

TEST(CodecTest, RoundTrips) {
  Random random(3);
  std::string scratch;
  for (int i = 0; i < 5000; ++i) {
    const std::string key = RandomKey(random);
    const Revision revision{static_cast<int64_t>(random.Next() >> (1 + random.Below(63))),
                            static_cast<int64_t>(random.Below(UINT32_MAX))};
    const std::string encoded = VersionKeyOf(key, revision);
    const auto decoded = DecodeVersionKey(encoded, &scratch);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->key, key);
    EXPECT_EQ(decoded->revision, revision);
    std::string bytes;
    EncodeRevision(revision, &bytes);
    EXPECT_EQ(DecodeRevision(bytes), revision);
  }
  const VersionMeta meta{.create_revision = 7, .version = 300, .lease = INT64_MAX};
  std::string bytes;
  std::string_view value;
  EncodeVersion(meta, "value", &bytes);
  EXPECT_EQ(DecodeVersion(bytes, &value), meta);
  EXPECT_EQ(value, "value");
  EncodeVersion({}, "", &bytes);
  EXPECT_EQ(DecodeVersion(bytes, &value), VersionMeta{});
  EncodeLatest({{9, 1}, meta}, &bytes);
  const auto latest = DecodeLatest(bytes);
  ASSERT_TRUE(latest.has_value());
  EXPECT_EQ(latest->mod, (Revision{9, 1}));
  EXPECT_EQ(latest->meta, meta);
  const DurablePoint point{{Term(3), LogIndex(99)}, 1000, 10, 42};
  EXPECT_EQ(DecodeDurablePoint(EncodeDurablePoint(point)), point);
}

TEST(CodecTest, RevisionChunks) {
  Random random(4);
  RevisionChunk chunk;
  std::vector<std::pair<Revision, std::string>> want, got;
  Revision at{1 << 20, 0};
  while (!chunk.full()) {
    at = random.Chance(0.3) ? Revision{at.main, at.sub + 1}
                            : Revision{at.main + 1 + static_cast<int64_t>(random.Below(500)), 0};
    want.emplace_back(at, RandomKey(random));
    chunk.Add(at, want.back().second);
  }
  EXPECT_EQ(chunk.last(), at);
  const auto visit = [&](Revision revision, std::string_view key) {
    got.emplace_back(revision, key);
  };
  EXPECT_TRUE(VisitRevisionChunk(chunk.bytes(), visit));
  EXPECT_EQ(got, want);
  got.clear();
  EXPECT_FALSE(VisitRevisionChunk("\x05\x00\x09xyz"s, visit));
  chunk.Clear();
  EXPECT_TRUE(chunk.empty());
  EXPECT_TRUE(VisitRevisionChunk(chunk.bytes(), visit));
  EXPECT_TRUE(got.empty());
}

TEST(CodecTest, DamageIsToldNotGuessed) {
  std::string scratch;
  std::string_view value;
  const std::string version = VersionKeyOf("key", {5, 0});
  for (size_t n = 0; n < version.size(); ++n) {
    EXPECT_FALSE(DecodeVersionKey(version.substr(0, n), &scratch).has_value()) << n;
  }
  EXPECT_FALSE(DecodeRevision("short").has_value());
  EXPECT_FALSE(DecodeVersion("", &value).has_value());
  EXPECT_FALSE(DecodeLatest("\x05").has_value());
  const std::string point = EncodeDurablePoint({{Term(3), LogIndex(99)}, 1000, 10, 42});
  for (size_t n = 0; n < point.size(); ++n) {
    EXPECT_FALSE(DecodeDurablePoint(point.substr(0, n)).has_value()) << n;
  }
  EXPECT_FALSE(DecodeDurablePoint(point + "x").has_value());
}

}  // namespace
}  // namespace cairn::mvcc
