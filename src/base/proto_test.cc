#include "src/base/proto.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(ProtoWriter, SubMessagesOfEverySizeGetTheShortestLength) {
  for (const size_t size : {0, 1, 127, 128, 16383, 16384, 2097151, 2097152}) {
    std::string out = "before";
    ProtoWriter writer(&out);
    const size_t begin = writer.Begin(3);
    const std::string body(size, 'x');
    out += body;
    writer.End(begin);
    std::string expected = "before";
    ProtoWriter(&expected).BytesAlways(3, body);
    EXPECT_EQ(out, expected) << size;
  }
}

TEST(ProtoWriter, SizesAreWhatIsWritten) {
  for (int bits = 0; bits <= 64; ++bits) {
    const uint64_t v = bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
    std::string out;
    ProtoWriter writer(&out);
    writer.RawVarint(v);
    EXPECT_EQ(out.size(), ProtoWriter::VarintSize(v)) << v;
    out.clear();
    writer.Varint(5, v);
    EXPECT_EQ(out.size(), ProtoWriter::VarintFieldSize(v)) << v;
  }
  for (const size_t n : {0, 1, 127, 128, 20000}) {
    std::string out;
    ProtoWriter(&out).Bytes(5, std::string(n, 'x'));
    EXPECT_EQ(out.size(), ProtoWriter::BytesFieldSize(n));
  }
}

TEST(ProtoReader, ReadsWhatIsWrittenAndPassesOverTheRest) {
  std::string message;
  ProtoWriter writer(&message);
  writer.Int64(1, -5);
  writer.Bytes(2, "two");
  writer.RawVarint(ProtoKey(9, ProtoType::kStartGroup));
  writer.Varint(1, 7);
  writer.RawVarint(ProtoKey(9, ProtoType::kEndGroup));
  writer.RawVarint(ProtoKey(10, ProtoType::kFixed32));
  message += "1234";
  writer.RawVarint(ProtoKey(11, ProtoType::kFixed64));
  message += "12345678";
  writer.Bool(200, true);
  std::vector<uint32_t> keys;
  ProtoReader reader(message);
  while (reader.Next()) {
    keys.push_back(reader.key());
    if (reader.key() == ProtoKey(1, ProtoType::kVarint)) {
      EXPECT_EQ(reader.int64(), -5);
    } else if (reader.key() == ProtoKey(2, ProtoType::kBytes)) {
      EXPECT_EQ(reader.bytes(), "two");
    }
  }
  EXPECT_TRUE(reader.ok());
  EXPECT_TRUE(reader.boolean());
  EXPECT_EQ(keys, (std::vector<uint32_t>{
                      ProtoKey(1, ProtoType::kVarint), ProtoKey(2, ProtoType::kBytes),
                      ProtoKey(9, ProtoType::kStartGroup), ProtoKey(10, ProtoType::kFixed32),
                      ProtoKey(11, ProtoType::kFixed64), ProtoKey(200, ProtoType::kVarint)}));
}

TEST(ProtoReader, MalformedBytesEndItForGood) {
  const std::string bad[] = {
      std::string("\x00", 1),                              // field 0
      "\x08",                                              // a key without its value
      "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  // a varint of eleven bytes
      "\x12\x05"
      "abc",                       // longer than the message
      "\x12\xff\xff\xff\xff\x0f",  // four gigabytes
      "\x0c",                      // the end of no group
      "\x0b\x08\x01",              // a group without its end
      "\x0b\x14",                  // another group's end
      "\x0e",                      // there is no type 6
      "\x0d"
      "123",  // a short fixed32
      "\x09"
      "1234567",                  // a short fixed64
      std::string(1000, '\x0b'),  // groups in groups in groups
  };
  for (const std::string& message : bad) {
    ProtoReader reader(message);
    while (reader.Next()) {
    }
    EXPECT_FALSE(reader.ok()) << ::testing::PrintToString(message);
    EXPECT_FALSE(reader.Next());
  }
}

}  // namespace
}  // namespace cairn
