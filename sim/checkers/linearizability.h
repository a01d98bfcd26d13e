// Linearizability of one register (a key): is there an order of the operations that keeps real time
// and in which every answer is right? The search of Wing and Gong ("Testing and Verifying
// Concurrent Objects", 1993) with Lowe's memory of what was tried ("Testing for linearizability",
// 2017): a set of operations done and the value they leave is never tried twice. Keys are checked
// one by one, which is enough (Herlihy and Wing 1990, locality).
//
// An operation with unknown outcome may take effect at any moment after its call, or never. One
// that failed for certain must not be in the input.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/checkers/history.h"
#include "sim/checkers/violations.h"

namespace cairn::sim {

struct RegisterOp {
  enum class Kind : uint8_t { kWrite, kRead, kDelete, kSwap };
  Kind kind = Kind::kRead;
  Value argument = 0;      // kWrite, kSwap: the new value
  Value expected = 0;      // kSwap
  bool known = false;      // the outcome is known, and the following are what the client was told
  bool succeeded = false;  // kSwap: it wrote; kDelete: there was something
  Value read = 0;          // kRead, kSwap that did not write
  uint64_t invoked = 0;
  uint64_t returned = kNever;
  size_t number = 0;  // of the operation, for messages
};

enum class Verdict : uint8_t { kLinearizable, kNotLinearizable, kGaveUp };

inline constexpr uint64_t kMaxSearchSteps = 100'000'000;  // about a second

// `max_steps` bounds the search. *stuck_at, when not null: the operation before whose return no
// order could be found, in the longest attempt.
Verdict CheckRegister(const std::vector<RegisterOp>& ops, uint64_t max_steps = kMaxSearchSteps,
                      size_t* stuck_at = nullptr);

// What a history says of `key`.
std::vector<RegisterOp> OperationsOn(const History& history, const std::string& key);

// Every key of `keys`.
void CheckLinearizability(const History& history, const std::vector<std::string>& keys,
                          Violations& violations);

}  // namespace cairn::sim
