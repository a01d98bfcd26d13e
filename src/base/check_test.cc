#include "src/base/check.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(CheckTest, TrueConditionsEvaluateOnceAndGoOn) {
  int evaluated = 0;
  CHECK(++evaluated == 1);
  CHECK_EQ(++evaluated, 2);
  CHECK_NE(1, 2);
  CHECK_LT(1, 2);
  CHECK_LE(2, 2);
  CHECK_GT(2, 1);
  CHECK_GE(2, 2);
  EXPECT_EQ(evaluated, 2);
}

TEST(CheckDeathTest, FalseConditionsStopWithExpressionPlaceAndValues) {
  EXPECT_DEATH(CHECK(1 == 2), "check_test.cc:[0-9]+: CHECK failed: 1 == 2");
  EXPECT_DEATH(CHECK(1 == 2, "because " + std::string("so")), "because so");
  const int three = 3;
  EXPECT_DEATH(CHECK_EQ(three, 4), "three == 4.*3 against 4");
  EXPECT_DEATH(CHECK_LT(three, 3), "three < 3.*3 against 3");
}

TEST(CheckDeathTest, DcheckFollowsTheBuild) {
  if (kExpensiveChecks) {
    EXPECT_DEATH(DCHECK(false, "costly"), "costly");
  } else {
    DCHECK(false);
  }
}

}  // namespace
}  // namespace cairn
