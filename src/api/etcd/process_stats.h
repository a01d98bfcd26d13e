// What the system says about this process, for metrics.
#pragma once

#include <cstdint>

namespace cairn::api::etcd {

// Zero where the system does not tell.
struct ProcessStats {
  double cpu_seconds = 0;
  double start_time_seconds = 0;  // since 1970
  uint64_t open_fds = 0;
  uint64_t max_fds = 0;
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t virtual_max_bytes = 0;  // UINT64_MAX: no limit
};

// Reads /proc and the limits: some microseconds, no waiting.
ProcessStats ReadProcessStats();

}  // namespace cairn::api::etcd
