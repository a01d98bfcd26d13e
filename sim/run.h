// One simulated run: safety phase with a nemesis, heal, liveness phase, final checks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/checkers/violations.h"
#include "sim/options.h"

namespace cairn::sim {

struct RunResult {
  std::vector<Violation> violations;
  uint64_t hash = 0;
  uint64_t events = 0;
  env::Duration virtual_time{0};
  size_t requests = 0, succeeded = 0, unknown = 0, faults = 0, entries = 0, terms = 0;
  std::string summary;  // one line: what happened
  std::string members;  // their state at the end, when something is wrong
};

// `log` prints the members' own log lines to stderr, with virtual time and member.
RunResult Run(const RunOptions& options, bool log);

}  // namespace cairn::sim
