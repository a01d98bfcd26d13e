#include "src/base/random.h"

#include <gtest/gtest.h>

#include <array>

namespace cairn {
namespace {

TEST(RandomTest, SameSeedSameNumbersOnEveryMachine) {
  // xoshiro256** seeded with 0 through SplitMix64: the first number is known from the authors'
  // code.
  Random zero(0);
  EXPECT_EQ(zero.Next(), 0x99ec5f36cb75f2b4u);
  Random a(42);
  Random b(42);
  Random c(43);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t n = a.Next();
    EXPECT_EQ(n, b.Next());
    differs = differs || n != c.Next();
  }
  EXPECT_TRUE(differs);
}

TEST(RandomTest, NumbersStayInTheirBoundsAndReachThem) {
  Random random(1);
  std::array<int, 6> seen{};
  for (int i = 0; i < 6'000; ++i) ++seen.at(random.Between(0, 5));
  for (const int n : seen) {
    EXPECT_GT(n, 800);
    EXPECT_LT(n, 1'200);
  }
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_LT(random.Below(7), 7u);
    EXPECT_EQ(random.Below(1), 0u);
    EXPECT_EQ(random.Between(9, 9), 9u);
    const double d = random.Double();
    EXPECT_GE(d, 0.0);
    EXPECT_LT(d, 1.0);
    EXPECT_FALSE(random.Chance(0));
    EXPECT_TRUE(random.Chance(1));
  }
}

TEST(RandomTest, ForkDoesNotDependOnLaterUse) {
  Random a(5);
  Random b(5);
  Random fork_a = a.Fork();
  Random fork_b = b.Fork();
  for (int i = 0; i < 10; ++i) a.Next();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(fork_a.Next(), fork_b.Next());
}

}  // namespace
}  // namespace cairn
