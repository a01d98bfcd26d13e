#include "bench/load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "src/base/random.h"

namespace cairn::load {
namespace {

TEST(Histogram, NothingRecorded) {
  const Histogram h;
  EXPECT_EQ(h.count(), 0u);
  EXPECT_EQ(h.Quantile(0.5), 0u);
  EXPECT_EQ(h.max(), 0u);
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram h;
  for (int64_t v = 1; v <= 100; ++v) h.Record(v);
  EXPECT_EQ(h.Quantile(0.01), 1u);
  EXPECT_EQ(h.Quantile(0.5), 50u);
  EXPECT_EQ(h.Quantile(0.99), 99u);
  EXPECT_EQ(h.Quantile(1), 100u);
  EXPECT_DOUBLE_EQ(h.mean(), 50.5);
}

TEST(Histogram, QuantilesAreWithinOnePercentOfTheSortedValues) {
  Random random(7);
  Histogram h;
  std::vector<uint64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t v = random.Next() >> random.Below(60);
    const uint64_t positive = v & INT64_MAX;
    values.push_back(positive);
    h.Record(static_cast<int64_t>(positive));
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(share * static_cast<double>(values.size()) + 0.5);
    const auto exact = static_cast<double>(values[std::max<size_t>(rank, 1) - 1]);
    const auto told = static_cast<double>(h.Quantile(share));
    EXPECT_GE(told, exact) << share;
    EXPECT_LE(told, exact * 1.01 + 1) << share;
  }
  EXPECT_EQ(h.max(), values.back());
}

TEST(Histogram, NegativeCountsAsZero) {
  Histogram h;
  h.Record(-5);
  EXPECT_EQ(h.count(), 1u);
  EXPECT_EQ(h.Quantile(1), 0u);
}

}  // namespace
}  // namespace cairn::load
