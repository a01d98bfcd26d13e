#include "src/base/wire.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "src/base/random.h"

namespace cairn {
namespace {

TEST(WireTest, LayoutIsLittleEndian) {
  std::string bytes;
  WireWriter w(&bytes);
  w.U8(1);
  w.U32(0x01020304);
  w.U64(0x05);
  w.Varint(300);
  w.String("ab");
  EXPECT_EQ(bytes, std::string("\x01\x04\x03\x02\x01\x05\0\0\0\0\0\0\0\xac\x02\x02"
                               "ab",
                               18));
}

TEST(WireTest, EverythingComesBack) {
  std::string bytes;
  WireWriter w(&bytes);
  w.U8(0xff);
  w.U32(UINT32_MAX);
  w.U64(UINT64_MAX);
  w.String(std::string(1'000, 's'));
  w.Bytes("raw");
  WireReader r(bytes);
  EXPECT_EQ(r.U8(), 0xff);
  EXPECT_EQ(r.U32(), UINT32_MAX);
  EXPECT_EQ(r.U64(), UINT64_MAX);
  EXPECT_EQ(r.String(), std::string(1'000, 's'));
  EXPECT_FALSE(r.done());
  EXPECT_EQ(r.rest(), "raw");
  EXPECT_EQ(r.Bytes(3), "raw");
  EXPECT_TRUE(r.done());
}

TEST(WireTest, VarintsOfAllLengths) {
  Random random(1);
  for (int bits = 0; bits < 64; ++bits) {
    for (int i = 0; i < 20; ++i) {
      const uint64_t value = (uint64_t{1} << bits) | (random.Next() >> (63 - bits) >> 1);
      std::string bytes;
      WireWriter(&bytes).Varint(value);
      WireReader r(bytes);
      EXPECT_EQ(r.Varint(), value);
      EXPECT_TRUE(r.done());
    }
  }
}

TEST(WireTest, VarintThatDoesNotFitOrDoesNotEndFails) {
  for (const std::string& bad : {std::string(9, '\xff') + "\x02", std::string(10, '\xff') + "\x01",
                                 std::string(3, '\x80'), std::string()}) {
    WireReader r(bad);
    EXPECT_EQ(r.Varint(), 0u);
    EXPECT_FALSE(r.ok());
  }
  const std::string largest = std::string(9, '\xff') + "\x01";
  WireReader r(largest);
  EXPECT_EQ(r.Varint(), UINT64_MAX);
  EXPECT_TRUE(r.done());
}

TEST(WireTest, FirstFailureSticks) {
  const std::string bytes(6, '\1');
  WireReader r(bytes);
  EXPECT_EQ(r.U64(), 0u);
  EXPECT_FALSE(r.ok());
  EXPECT_EQ(r.U8(), 0u);  // though six bytes were there
  EXPECT_EQ(r.String(), "");
  EXPECT_EQ(r.rest(), "");
  EXPECT_FALSE(r.done());
}

TEST(WireTest, AnAbsurdLengthReadsNothing) {
  std::string bytes;
  WireWriter w(&bytes);
  w.Varint(std::numeric_limits<uint64_t>::max());
  w.Bytes("short");
  WireReader r(bytes);
  EXPECT_EQ(r.String(), "");
  EXPECT_FALSE(r.ok());
}

TEST(WireTest, EveryCutOfAMessageFailsCleanly) {
  std::string bytes;
  WireWriter w(&bytes);
  w.U32(7);
  w.String("payload");
  w.Varint(1'000'000);
  for (size_t size = 0; size < bytes.size(); ++size) {
    WireReader r(std::string_view(bytes).substr(0, size));
    r.U32();
    r.String();
    r.Varint();
    EXPECT_FALSE(r.ok()) << size;
  }
}

}  // namespace
}  // namespace cairn
