// The requests as protobuf bytes, made by hand: a request is a template in which only the key's
// digits (and the value) are written anew.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "src/base/random.h"
#include "src/base/wire.h"

namespace cairn::load {

class RequestMaker {
 public:
  RequestMaker(uint32_t key_size, uint32_t value_size, bool serializable, uint64_t seed)
      : key_size_(key_size), value_size_(value_size), random_(seed) {
    const std::string key(key_size, 'k');
    WireWriter put(&put_);
    put.U8(0x0a);  // PutRequest.key
    put.String(key);
    put_key_ = put_.size() - key_size;
    put.U8(0x12);  // PutRequest.value
    put.String(std::string(value_size, 'v'));
    WireWriter range(&range_);
    range.U8(0x0a);  // RangeRequest.key
    range.String(key);
    range_key_ = range_.size() - key_size;
    if (serializable) {
      range.U8(0x38);  // RangeRequest.serializable
      range.U8(1);
    }
    // Values are pieces of this, so that no two are alike.
    pool_.resize(kPoolBytes + value_size);
    for (char& c : pool_) c = static_cast<char>('!' + random_.Below(90));
  }

  // Valid until the next call.
  std::string_view Put(uint64_t key) {
    WriteKey(key, put_.data() + put_key_);
    std::memcpy(put_.data() + put_.size() - value_size_, pool_.data() + random_.Below(kPoolBytes),
                value_size_);
    return put_;
  }
  std::string_view Range(uint64_t key) {
    WriteKey(key, range_.data() + range_key_);
    return range_;
  }

 private:
  static constexpr size_t kPoolBytes = 1 << 20;

  // "k000000000000042": fixed width, so that keys sort as their numbers do.
  void WriteKey(uint64_t number, char* to) const {
    for (char* p = to + key_size_; p > to + 1;) {
      *--p = static_cast<char>('0' + number % 10);
      number /= 10;
    }
  }

  uint32_t key_size_, value_size_;
  Random random_;
  std::string put_, range_, pool_;
  size_t put_key_ = 0, range_key_ = 0;
};

}  // namespace cairn::load
