// For tests on a real loop: turns until something is true, instead of sleeping.
#pragma once

#include "src/env/posix/loop.h"

namespace cairn::env::posix {

// Runs turns until `condition` holds; false if it does not within a time that no healthy run needs.
template <class Condition>
bool TurnUntil(Loop& loop, Condition condition, Duration at_most = seconds(20)) {
  const Time end = loop.NowExact() + at_most;
  while (!condition()) {
    if (loop.NowExact() >= end) return false;
    loop.RunTurn(milliseconds(20));
  }
  return true;
}

}  // namespace cairn::env::posix
