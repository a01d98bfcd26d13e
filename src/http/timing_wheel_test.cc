#include "src/http/timing_wheel.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "src/base/random.h"
#include "src/env/posix/real_env.h"
#include "src/env/sim/process.h"

namespace cairn::http {
namespace {

struct TestTimer final : TimingWheel::Timer {
  void OnTimer() override {
    ++fired;
    if (action) action();
  }
  int fired = 0;
  env::Task action;
};

// In virtual time: `body` runs in a simulated process, then the world runs on for `duration`.
class TimingWheelTest : public ::testing::Test {
 protected:
  void Start(env::Task body) {
    host_.Start([this, body = std::move(body)](env::sim::Process& p) mutable {
      executor_ = &p;
      wheel_ = std::make_unique<TimingWheel>(p, env::milliseconds(10));
      p.OnDeath([this] { wheel_.reset(); });
      body();
    });
    world_.RunFor(env::microseconds(1));
  }
  env::Time Now() { return executor_->Now(); }

  std::unique_ptr<TimingWheel> wheel_;
  env::Executor* executor_ = nullptr;
  env::sim::World world_{1};
  env::sim::Host& host_ = world_.AddHost("h");
};

TEST_F(TimingWheelTest, FiresNeverEarlyAndWithinTwoTicks) {
  Random random(3);
  struct Case {
    TestTimer timer;
    env::Time at, fired_at;
  };
  std::vector<std::unique_ptr<Case>> cases;
  Start([&] {
    for (int i = 0; i < 300; ++i) {
      auto c = std::make_unique<Case>();
      // Up to 20 s: several rotations of the wheel.
      c->at = Now() + env::microseconds(random.Below(20'000'000));
      c->timer.action = [this, p = c.get()] { p->fired_at = Now(); };
      wheel_->Arm(c->timer, c->at);
      cases.push_back(std::move(c));
    }
  });
  world_.RunFor(env::seconds(21));
  for (const auto& c : cases) {
    EXPECT_EQ(c->timer.fired, 1);
    EXPECT_GE(c->fired_at, c->at);
    EXPECT_LE(c->fired_at, c->at + env::milliseconds(21));
  }
}

TEST_F(TimingWheelTest, DisarmedReplacedAndDestroyedTimersDoNotFire) {
  TestTimer disarmed, replaced;
  auto destroyed = std::make_unique<TestTimer>();
  Start([&] {
    wheel_->Arm(disarmed, Now() + env::seconds(1));
    wheel_->Arm(replaced, Now() + env::seconds(1));
    wheel_->Arm(*destroyed, Now() + env::seconds(1));
    disarmed.Disarm();
    EXPECT_FALSE(disarmed.armed());
    wheel_->Arm(replaced, Now() + env::seconds(3));
    destroyed.reset();
  });
  world_.RunFor(env::seconds(2));
  EXPECT_EQ(disarmed.fired, 0);
  EXPECT_EQ(replaced.fired, 0);
  world_.RunFor(env::seconds(2));
  EXPECT_EQ(replaced.fired, 1);
}

TEST_F(TimingWheelTest, ATimerMayArmAndDestroyOthersOfItsSlot) {
  TestTimer first, again;
  auto second = std::make_unique<TestTimer>();
  Start([&] {
    const env::Time at = Now() + env::milliseconds(55);
    wheel_->Arm(first, at);
    wheel_->Arm(*second, at);
    wheel_->Arm(again, at);
    first.action = [&] { second.reset(); };
    again.action = [&] {
      if (again.fired < 3) wheel_->Arm(again, Now() + env::milliseconds(55));
    };
  });
  world_.RunFor(env::seconds(1));
  EXPECT_EQ(first.fired, 1);
  EXPECT_EQ(again.fired, 3);
}

TEST_F(TimingWheelTest, AnEmptyWheelDoesNotWakeTheLoop) {
  TestTimer timer;
  Start([&] { wheel_->Arm(timer, Now() + env::milliseconds(30)); });
  world_.RunFor(env::seconds(1));
  EXPECT_EQ(timer.fired, 1);
  const uint64_t events = world_.events();
  world_.RunFor(env::seconds(1000));
  EXPECT_EQ(world_.events(), events);
}

}  // namespace
}  // namespace cairn::http
