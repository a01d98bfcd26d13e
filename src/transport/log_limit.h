// LogLimit: one line of a kind in a while, with the number of those left out.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "src/env/time.h"

namespace cairn::transport {

class LogLimit {
 public:
  static constexpr env::Duration kInterval = env::seconds(10);

  // How many were left out since the last line, if one may be written now.
  std::optional<uint64_t> Allow(env::Time now) {
    if (now < next_) {
      ++left_out_;
      return std::nullopt;
    }
    next_ = now + kInterval;
    return std::exchange(left_out_, 0);
  }

 private:
  env::Time next_{env::Duration::min()};
  uint64_t left_out_ = 0;
};

}  // namespace cairn::transport
