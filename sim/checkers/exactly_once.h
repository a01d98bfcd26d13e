// At most once, and what was acknowledged exactly once: every write carries a value of its own, so
// the one log that all members have committed says how often each was applied. A write that was
// acknowledged stands in it once, one that failed for certain never, one with unknown outcome at
// most once.
#pragma once

#include <map>

#include "sim/checkers/history.h"
#include "sim/checkers/violations.h"

namespace cairn::sim {

// `committed`: how often each value stands in the committed log, once all members have caught up.
void CheckExactlyOnce(const History& history, const std::map<Value, int>& committed,
                      Violations& violations);

}  // namespace cairn::sim
