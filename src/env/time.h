// Time as the whole project sees it. `Duration` is std::chrono::nanoseconds; `Time` is a point on a
// clock that never goes back and means nothing outside its process (deadlines, timers, latencies).
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace cairn::env {

using Duration = std::chrono::nanoseconds;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Time {
  Duration since_start{0};

  friend constexpr auto operator<=>(const Time&, const Time&) = default;
  friend constexpr Time operator+(Time t, Duration d) { return Time{t.since_start + d}; }
  friend constexpr Time operator-(Time t, Duration d) { return Time{t.since_start - d}; }
  friend constexpr Duration operator-(Time a, Time b) { return a.since_start - b.since_start; }

  // Later than every deadline: "no deadline".
  static constexpr Time Never() { return Time{Duration::max()}; }
};

}  // namespace cairn::env
