// /metrics: everything is gathered when someone asks, from the plain counters that the components
// keep. Names, labels and types are etcd's, so that its dashboards and alerts work; a name is there
// only if its value is true.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "src/api/etcd/services.h"
#include "src/env/time.h"

namespace cairn::api::etcd {

// Durations in buckets of 1 ms, 2 ms, 4 ms ... 8.192 s, as etcd's are.
class DurationHistogram {
 public:
  static constexpr size_t kBuckets = 14;
  static double UpperBoundSeconds(size_t bucket);

  void Observe(env::Duration duration);
  uint64_t count() const { return count_; }
  double sum_seconds() const { return std::chrono::duration<double>(sum_).count(); }
  // Observations up to and including that bucket's bound.
  uint64_t CumulativeCount(size_t bucket) const;

 private:
  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0;
  env::Duration sum_{0};
};

// Counters that the services themselves keep.
struct ApiStats {
  DurationHistogram wal_fsync;
  uint64_t ranges = 0;
  uint64_t health_success = 0;
  uint64_t health_failures = 0;
};

// The whole page in Prometheus' text format.
std::string MetricsPage(const Services& services, const ApiStats& stats);

}  // namespace cairn::api::etcd
