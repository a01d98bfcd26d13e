#include "src/base/status.h"

#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>

namespace cairn {
namespace {

TEST(StatusTest, OkIsTheDefault) {
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(OkStatus(), Status());
  EXPECT_EQ(OkStatus().ToString(), "OK");
}

TEST(StatusTest, CodesAreTheNumbersOfGrpc) {
  EXPECT_EQ(static_cast<int>(StatusCode::kInvalidArgument), 3);
  EXPECT_EQ(static_cast<int>(StatusCode::kUnavailable), 14);
  EXPECT_EQ(static_cast<int>(StatusCode::kUnauthenticated), 16);
  for (int code = 0; code <= 16; ++code) {
    EXPECT_EQ(StatusCodeName(static_cast<StatusCode>(code)) == "Unknown", code == 2) << code;
  }
}

TEST(StatusTest, UnknownOutcomeIsToldApart) {
  const Status definite(StatusCode::kUnavailable, "later");
  const Status unknown = Status::OutcomeUnknown(StatusCode::kUnavailable, "later");
  EXPECT_FALSE(definite.outcome_unknown());
  EXPECT_TRUE(unknown.outcome_unknown());
  EXPECT_FALSE(definite == unknown);
  EXPECT_EQ(definite.ToString(), "Unavailable: later");
  std::ostringstream os;
  os << unknown;
  EXPECT_EQ(os.str(), "Unavailable: later (outcome unknown)");
}

TEST(ResultTest, HoldsAValueOrAnError) {
  Result<std::unique_ptr<int>> value(std::make_unique<int>(7));
  ASSERT_TRUE(value.ok());
  EXPECT_TRUE(value.status().ok());
  EXPECT_EQ(**value, 7);
  const std::unique_ptr<int> taken = *std::move(value);
  EXPECT_EQ(*taken, 7);

  const Result<int> error(Status(StatusCode::kNotFound, "no such thing"));
  EXPECT_FALSE(error);
  EXPECT_EQ(error.status().code(), StatusCode::kNotFound);
}

TEST(ResultDeathTest, AskingTheWrongOneIsABrokenInvariant) {
  const Result<int> error(Status(StatusCode::kNotFound, "no such thing"));
  EXPECT_DEATH((void)*error, "no such thing");
  EXPECT_DEATH((void)Result<int>(OkStatus()), "needs an error");
}

}  // namespace
}  // namespace cairn
