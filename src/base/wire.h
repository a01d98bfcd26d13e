// Reading and writing of our own binary formats: little-endian fixed-width integers, varints
// (LEB128) and length-prefixed strings. A WireReader never reads past its end: the first failure
// sticks, every later read gives zero, and the caller asks ok() once at the end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace cairn {

static_assert(std::endian::native == std::endian::little,
              "formats are written as the machine holds them");

class WireWriter {
 public:
  explicit WireWriter(std::string* to) : to_(to) {}
  void U8(uint8_t v) { to_->push_back(static_cast<char>(v)); }
  void U32(uint32_t v) { Raw(&v, sizeof v); }
  void U64(uint64_t v) { Raw(&v, sizeof v); }
  void Varint(uint64_t v) {
    while (v >= 0x80) {
      U8(static_cast<uint8_t>(v | 0x80));
      v >>= 7;
    }
    U8(static_cast<uint8_t>(v));
  }
  void Bytes(std::string_view v) { to_->append(v); }
  // Its length as a varint, then the bytes.
  void String(std::string_view v) {
    Varint(v.size());
    Bytes(v);
  }

 private:
  void Raw(const void* p, size_t n) { to_->append(static_cast<const char*>(p), n); }
  std::string* to_;
};

class WireReader {
 public:
  explicit WireReader(std::string_view from) : rest_(from) {}
  uint8_t U8() { return Fixed<uint8_t>(); }
  uint32_t U32() { return Fixed<uint32_t>(); }
  uint64_t U64() { return Fixed<uint64_t>(); }
  uint64_t Varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t b = U8();
      if (shift == 63 && b > 1) break;
      v |= static_cast<uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) return ok_ ? v : 0;
    }
    Fail();
    return 0;
  }
  std::string_view Bytes(uint64_t n) {
    if (n > rest_.size()) {
      Fail();
      return {};
    }
    const std::string_view v = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return v;
  }
  std::string_view String() { return Bytes(Varint()); }
  std::string_view rest() const { return rest_; }
  bool ok() const { return ok_; }
  // Nothing failed and nothing is left over.
  bool done() const { return ok_ && rest_.empty(); }

 private:
  template <class T>
  T Fixed() {
    T v{};
    if (rest_.size() < sizeof v) {
      Fail();
      return v;
    }
    std::memcpy(&v, rest_.data(), sizeof v);
    rest_.remove_prefix(sizeof v);
    return v;
  }
  void Fail() {
    ok_ = false;
    rest_ = {};
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace cairn
