#include "src/replica/pending.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "src/replica/reads.h"

namespace cairn::replica {
namespace {

using env::milliseconds;
using env::Time;

TEST(PendingCommandsTest, SettlesInAnyOrderAndCounts) {
  PendingCommands pending(1);
  std::vector<std::string> answers;
  for (int i = 0; i < 100; ++i) {
    pending.Add(SharedBytes::Copy("0123456789"), Time::Never(), [&answers](Result<std::string> r) {
      answers.push_back(r.ok() ? *r : r.status().ToString());
    });
  }
  EXPECT_EQ(pending.count(), 100u);
  EXPECT_EQ(pending.bytes(), 1000u);
  for (uint64_t n = 100; n > 1; --n) pending.Settle(n)(std::to_string(n));
  EXPECT_EQ(pending.settled_below(), 1u) << "the oldest holds the line";
  EXPECT_EQ(pending.Find(50), nullptr);
  ASSERT_NE(pending.Find(1), nullptr);
  pending.Settle(1)(std::string("1"));
  EXPECT_EQ(pending.settled_below(), 101u);
  EXPECT_EQ(pending.next_sequence(), 101u);
  EXPECT_EQ(pending.count(), 0u);
  EXPECT_EQ(pending.bytes(), 0u);
  ASSERT_EQ(answers.size(), 100u);
  EXPECT_EQ(answers.front(), "100");
  EXPECT_EQ(answers.back(), "1");
}

TEST(PendingCommandsTest, ExpiresNothingBeforeItsTimeAndAllSoonAfter) {
  PendingCommands pending(500);
  for (int ms = 1; ms <= 200; ++ms) {
    pending.Add(SharedBytes(), Time{milliseconds(ms)}, [](Result<std::string>) {});
  }
  pending.Settle(510);
  size_t gone = 0;
  for (int ms = 0; ms <= 240; ++ms) {
    for (const uint64_t n : pending.TakeExpired(Time{milliseconds(ms)})) {
      const auto deadline = pending.Find(n)->deadline;
      EXPECT_LE(deadline, Time{milliseconds(ms)});
      EXPECT_GT(deadline + milliseconds(20), Time{milliseconds(ms)});
      pending.Settle(n);
      ++gone;
    }
  }
  EXPECT_EQ(gone, 199u);
  EXPECT_EQ(pending.count(), 0u);
}

class PendingReadsTest : public testing::Test {
 protected:
  void Add(int n, Time deadline = Time::Never()) {
    reads_.Add(deadline, [this, n](const Status& s) { served_.push_back(s.ok() ? n : -n); });
  }
  void Serve(uint64_t applied) {
    for (auto& read : reads_.TakeServable(LogIndex(applied))) read.done(OkStatus());
  }
  PendingReads reads_{1000};
  std::vector<int> served_;
};

TEST_F(PendingReadsTest, ReadsOfOneRoundWaitForItsIndex) {
  Add(1);
  Add(2);
  const auto first = reads_.BeginRound(Time{});
  ASSERT_TRUE(first);
  Add(3);
  EXPECT_FALSE(reads_.BeginRound(Time{})) << "one round at a time";
  EXPECT_TRUE(reads_.Confirmed(*first, LogIndex(5)));
  Serve(4);
  EXPECT_TRUE(served_.empty());
  Serve(5);
  EXPECT_EQ(served_, (std::vector<int>{1, 2})) << "3 came after the round began";
  const auto second = reads_.BeginRound(Time{});
  ASSERT_TRUE(second);
  EXPECT_NE(*first, *second);
  EXPECT_FALSE(reads_.Confirmed(*first, LogIndex(9))) << "an old answer serves nobody";
  EXPECT_TRUE(reads_.Confirmed(*second, LogIndex(5)));
  Serve(5);
  EXPECT_EQ(served_, (std::vector<int>{1, 2, 3}));
}

TEST_F(PendingReadsTest, ADroppedRoundIsAskedAgainUnderANewId) {
  Add(1);
  const auto first = reads_.BeginRound(Time{milliseconds(0)});
  Add(2);
  EXPECT_FALSE(reads_.DropIfOlder(Time{milliseconds(500)}, milliseconds(500)));
  EXPECT_TRUE(reads_.DropIfOlder(Time{milliseconds(501)}, milliseconds(500)));
  const auto second = reads_.BeginRound(Time{milliseconds(501)});
  ASSERT_TRUE(second);
  EXPECT_NE(*first, *second);
  EXPECT_FALSE(reads_.Confirmed(*first, LogIndex(1)));
  EXPECT_TRUE(reads_.Confirmed(*second, LogIndex(1)));
  Serve(1);
  EXPECT_EQ(served_, (std::vector<int>{1, 2})) << "in the order in which they came";
}

TEST_F(PendingReadsTest, ALowerIndexLaterNeverOvertakesAHigherOne) {
  Add(1);
  auto id = reads_.BeginRound(Time{});
  EXPECT_TRUE(reads_.Confirmed(*id, LogIndex(10)));
  Add(2);
  id = reads_.BeginRound(Time{});
  EXPECT_TRUE(reads_.Confirmed(*id, LogIndex(7)));
  Serve(9);
  EXPECT_TRUE(served_.empty());
  Serve(10);
  EXPECT_EQ(served_, (std::vector<int>{1, 2}));
}

TEST_F(PendingReadsTest, ExpiresWhereverTheyWait) {
  Add(1, Time{milliseconds(10)});
  auto id = reads_.BeginRound(Time{});
  EXPECT_TRUE(reads_.Confirmed(*id, LogIndex(10)));
  Add(2, Time{milliseconds(10)});
  reads_.BeginRound(Time{});
  Add(3, Time{milliseconds(10)});
  Add(4, Time{milliseconds(11)});
  EXPECT_EQ(reads_.count(), 4u);
  for (auto& read : reads_.TakeExpired(Time{milliseconds(10)})) {
    read.done(Status(StatusCode::kUnavailable, "late"));
  }
  EXPECT_EQ(served_, (std::vector<int>{-1, -2, -3}));
  EXPECT_EQ(reads_.count(), 1u);
}

}  // namespace
}  // namespace cairn::replica
