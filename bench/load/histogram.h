// Latencies as a log-linear histogram, in the manner of HdrHistogram (Tene): constant memory, one
// increment a value, relative error below 1%.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace cairn::load {

class Histogram {
 public:
  // `value` in any unit; negative counts as 0.
  void Record(int64_t value) {
    const auto v = static_cast<uint64_t>(std::max<int64_t>(value, 0));
    ++counts_[BucketOf(v)];
    ++count_;
    sum_ += v;
    max_ = std::max(max_, v);
  }

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  double mean() const {
    return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
  }

  // The value that the given share (0 to 1) of all values does not exceed; 0 without values.
  uint64_t Quantile(double share) const {
    if (count_ == 0) return 0;
    const double exact = share * static_cast<double>(count_);
    auto rank = static_cast<uint64_t>(exact);
    if (static_cast<double>(rank) < exact) ++rank;
    rank = std::clamp<uint64_t>(rank, 1, count_);
    uint64_t seen = 0;
    for (uint32_t b = 0; b < kBuckets; ++b) {
      seen += counts_[b];
      if (seen >= rank) return std::min(UpperBound(b), max_);
    }
    return max_;
  }

  void Clear() { *this = Histogram(); }

 private:
  // Values below kLinear have a bucket each; above, each doubling has kLinear / 2.
  static constexpr uint32_t kBits = 8;
  static constexpr uint32_t kLinear = 1u << kBits;
  static constexpr uint32_t kHalf = kLinear / 2;
  static constexpr uint32_t kBuckets = kLinear + (64 - kBits) * kHalf;

  static uint32_t BucketOf(uint64_t v) {
    if (v < kLinear) return static_cast<uint32_t>(v);
    const auto shift = static_cast<uint32_t>(std::bit_width(v)) - kBits;
    return shift * kHalf + static_cast<uint32_t>(v >> shift);
  }
  // The largest value of a bucket.
  static uint64_t UpperBound(uint32_t bucket) {
    if (bucket < kLinear) return bucket;
    const uint32_t shift = (bucket - kHalf) / kHalf;
    const uint64_t top = bucket - shift * kHalf;
    return ((top + 1) << shift) - 1;
  }

  std::vector<uint64_t> counts_ = std::vector<uint64_t>(kBuckets);
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t max_ = 0;
};

}  // namespace cairn::load
