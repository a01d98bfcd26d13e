// Reading and writing of protobuf's wire format by hand, for the messages of the hot path. The
// reader takes and refuses exactly the bytes that the generated parsers do (the tests compare the
// two), but gives views into the message instead of copies. Source: the protobuf encoding
// specification.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace cairn {

// Walks over the fields of one message:
//   ProtoReader reader(bytes);
//   while (reader.Next()) switch (reader.key()) { case ProtoKey(1, ProtoType::kBytes):
//   use(reader.bytes()); ... } if (!reader.ok()) malformed
// A field with an unexpected number or type is passed over, as protobuf asks.
enum class ProtoType : uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kStartGroup = 3,
  kEndGroup = 4,
  kFixed32 = 5,
};

constexpr uint32_t ProtoKey(uint32_t field, ProtoType type) {
  return field << 3 | static_cast<uint32_t>(type);
}

class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message)
      : at_(message.data()), end_(at_ + message.size()) {}

  // Moves to the next field. False at the end of the message or at the first malformed byte.
  bool Next() {
    if (at_ == end_) return false;
    key_ = ReadKey();
    return ok_ && ReadValue(kMaxGroupDepth);
  }
  bool ok() const { return ok_; }

  // Of the current field: number and type as ProtoKey() joins them, and its value.
  uint32_t key() const { return key_; }
  std::string_view bytes() const { return bytes_; }
  uint64_t varint() const { return varint_; }
  int64_t int64() const { return static_cast<int64_t>(varint_); }
  int32_t int32() const { return static_cast<int32_t>(varint_); }
  bool boolean() const { return varint_ != 0; }

 private:
  static constexpr int kMaxGroupDepth = 100;

  bool Fail() {
    ok_ = false;
    at_ = end_;
    return false;
  }
  // Up to `max_bytes` bytes; bits beyond the 64th are dropped.
  uint64_t ReadVarint(int max_bytes) {
    uint64_t v = 0;
    for (int i = 0; i < max_bytes && at_ != end_; ++i) {
      const auto b = static_cast<uint8_t>(*at_++);
      v |= static_cast<uint64_t>(b & 0x7f) << (7 * i);
      if (b < 0x80) return v;
    }
    Fail();
    return 0;
  }
  uint32_t ReadKey() {
    const auto key = static_cast<uint32_t>(ReadVarint(5));
    if (key >> 3 == 0) Fail();
    return key;
  }
  bool Skip(size_t n) {
    if (static_cast<size_t>(end_ - at_) < n) return Fail();
    at_ += n;
    return true;
  }
  bool ReadValue(int depth) {
    switch (static_cast<ProtoType>(key_ & 7)) {
      case ProtoType::kVarint:
        varint_ = ReadVarint(10);
        return ok_;
      case ProtoType::kFixed64:
        return Skip(8);
      case ProtoType::kBytes: {
        const uint64_t n = ReadVarint(5);
        if (!ok_ || static_cast<uint64_t>(end_ - at_) < n) return Fail();
        bytes_ = {at_, static_cast<size_t>(n)};
        at_ += n;
        return true;
      }
      case ProtoType::kStartGroup:
        return SkipGroup(depth - 1);
      case ProtoType::kFixed32:
        return Skip(4);
      default:  // an end without its start, or a type that does not exist
        return Fail();
    }
  }
  // Groups are long gone from protobuf, but parsers must still pass over them.
  bool SkipGroup(int depth) {
    if (depth < 0) return Fail();
    const uint32_t group = key_;
    const uint32_t end = ProtoKey(group >> 3, ProtoType::kEndGroup);
    for (;;) {
      if (at_ == end_) return Fail();
      key_ = ReadKey();
      if (!ok_) return false;
      if (key_ == end) break;
      if (!ReadValue(depth)) return false;
    }
    key_ = group;
    return true;
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
  uint32_t key_ = 0;
  uint64_t varint_ = 0;
  std::string_view bytes_;
};

// Appends fields to a string. As proto3 does, zero and empty values are left out, except by the
// functions whose name says Always.
class ProtoWriter {
 public:
  explicit ProtoWriter(std::string* to) : to_(to) {}

  static constexpr size_t VarintSize(uint64_t v) {
    return (static_cast<size_t>(63 - __builtin_clzll(v | 1)) * 9 + 73) / 64;
  }
  // What a field with a number below 16 takes.
  static constexpr size_t VarintFieldSize(uint64_t v) { return v == 0 ? 0 : 1 + VarintSize(v); }
  static constexpr size_t BytesFieldSize(size_t n) { return n == 0 ? 0 : 1 + VarintSize(n) + n; }

  // Writes at `at`, where there are 10 bytes of room, and returns the end.
  static char* PutVarint(char* at, uint64_t v) {
    for (; v >= 0x80; v >>= 7) *at++ = static_cast<char>(v | 0x80);
    *at++ = static_cast<char>(v);
    return at;
  }
  // A field with a number below 16, likewise; 11 bytes of room. Nothing for zero.
  static char* PutVarintField(char* at, uint32_t field, uint64_t v) {
    if (v == 0) return at;
    *at++ = static_cast<char>(ProtoKey(field, ProtoType::kVarint));
    return PutVarint(at, v);
  }

  void RawVarint(uint64_t v) {
    char buffer[10];
    to_->append(buffer, static_cast<size_t>(PutVarint(buffer, v) - buffer));
  }
  void Varint(uint32_t field, uint64_t v) {
    if (v == 0) return;
    char buffer[20];
    char* const value = PutVarint(buffer, ProtoKey(field, ProtoType::kVarint));
    to_->append(buffer, static_cast<size_t>(PutVarint(value, v) - buffer));
  }
  void Int64(uint32_t field, int64_t v) { Varint(field, static_cast<uint64_t>(v)); }
  void Bool(uint32_t field, bool v) { Varint(field, v ? 1 : 0); }
  void Bytes(uint32_t field, std::string_view v) {
    if (!v.empty()) BytesAlways(field, v);
  }
  // A string element of a repeated field, or a whole sub-message: there even when empty.
  void BytesAlways(uint32_t field, std::string_view v) {
    Prefix(field, v.size());
    to_->append(v);
  }
  // Key and length of a field whose `size` bytes the caller appends itself.
  void Prefix(uint32_t field, size_t size) {
    char buffer[20];
    char* const length = PutVarint(buffer, ProtoKey(field, ProtoType::kBytes));
    to_->append(buffer, static_cast<size_t>(PutVarint(length, size) - buffer));
  }

  // A sub-message whose size is known only once it is written: what is appended between Begin and
  // End is its body. The body is moved by a few bytes at End, to make room for its length.
  size_t Begin(uint32_t field) {
    RawVarint(ProtoKey(field, ProtoType::kBytes));
    to_->push_back('\0');
    return to_->size();
  }
  void End(size_t begin) {
    const size_t size = to_->size() - begin;
    const size_t extra = VarintSize(size) - 1;
    if (extra > 0) to_->insert(begin, extra, '\0');
    PutVarint(to_->data() + begin - 1, size);
  }

 private:
  std::string* to_;
};

}  // namespace cairn
