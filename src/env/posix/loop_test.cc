#include "src/env/posix/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "src/env/posix/signals.h"
#include "src/env/posix/test_loop.h"
#include "src/env/posix/timers.h"

namespace cairn::env::posix {
namespace {

using testing::ElementsAre;

TEST(TimerQueueTest, AgreesWithAnOrderedMap) {
  TimerQueue queue;
  std::map<std::pair<Time, uint64_t>, TimerId> twin;
  Random random(7);
  std::vector<uint64_t> ran;
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t what = random.Below(10);
    if (what < 5) {
      const Time at{Duration(static_cast<int64_t>(random.Below(50)))};
      const uint64_t sequence = queue.next_sequence();
      twin[{at, sequence}] = queue.Add(at, [&ran, sequence] { ran.push_back(sequence); });
    } else if (what < 8 && !twin.empty()) {
      auto victim = twin.begin();
      std::advance(victim, static_cast<long>(random.Below(twin.size())));
      EXPECT_TRUE(queue.Cancel(victim->second));
      EXPECT_FALSE(queue.Cancel(victim->second));
      twin.erase(victim);
    } else if (!twin.empty()) {
      const auto first = twin.begin();
      ASSERT_EQ(queue.Next(), first->first.first);
      Task task = queue.PopDue(first->first.first, queue.next_sequence());
      ASSERT_TRUE(task);
      task();
      EXPECT_EQ(ran.back(), first->first.second);
      EXPECT_FALSE(queue.Cancel(first->second));
      twin.erase(first);
    }
    ASSERT_EQ(queue.size(), twin.size());
  }
}

TEST(TimerQueueTest, GivesOnlyWhatIsDueAndOldEnough) {
  TimerQueue queue;
  const Time t{Duration(5)};
  queue.Add(t, [] {});
  const uint64_t limit = queue.next_sequence();
  queue.Add(t, [] {});
  EXPECT_FALSE(queue.PopDue(Time{Duration(4)}, limit));
  EXPECT_TRUE(queue.PopDue(t, limit));
  EXPECT_FALSE(queue.PopDue(t, limit));
  EXPECT_EQ(queue.size(), 1u);
}

TEST(LoopTest, TimersRunInOrderOfTimeThenOfScheduling) {
  Loop loop;
  std::string order;
  const Time start = loop.Now();
  loop.Schedule(start + milliseconds(3), [&] { order += 'c'; });
  loop.Schedule(start + milliseconds(1), [&] { order += 'a'; });
  loop.Schedule(start + milliseconds(1), [&] { order += 'b'; });
  EXPECT_TRUE(TurnUntil(loop, [&] { return order.size() == 3; }));
  EXPECT_EQ(order, "abc");
  EXPECT_GE(loop.Now(), start + milliseconds(3));
}

TEST(LoopTest, TimerThatIsDueDoesNotRunInsideSchedule) {
  Loop loop;
  int runs = 0;
  loop.Schedule(loop.Now() - seconds(1), [&] { ++runs; });
  EXPECT_EQ(runs, 0);
  loop.RunTurn(Duration(0));
  EXPECT_EQ(runs, 1);
}

TEST(LoopTest, TimerThatSchedulesItselfAtOnceLetsTheTurnEnd) {
  Loop loop;
  int runs = 0;
  Task* again = nullptr;
  Task body = [&] {
    ++runs;
    loop.Schedule(loop.Now(), [&] { (*again)(); });
  };
  again = &body;
  loop.Schedule(loop.Now(), [&] { body(); });
  loop.RunTurn(Duration(0));
  EXPECT_EQ(runs, 1);
  loop.RunTurn(Duration(0));
  EXPECT_EQ(runs, 2);
}

TEST(LoopTest, CancelledTimerDoesNotRun) {
  Loop loop;
  bool ran = false;
  const TimerId id = loop.Schedule(loop.Now(), [&] { ran = true; });
  EXPECT_TRUE(loop.Cancel(id));
  EXPECT_FALSE(loop.Cancel(id));
  EXPECT_FALSE(loop.Cancel(TimerId{}));
  loop.RunTurn(Duration(0));
  EXPECT_FALSE(ran);
}

TEST(LoopTest, TimerMayCancelAnotherOfTheSameMoment) {
  Loop loop;
  bool ran = false;
  TimerId second;
  loop.Schedule(loop.Now(), [&] { EXPECT_TRUE(loop.Cancel(second)); });
  second = loop.Schedule(loop.Now(), [&] { ran = true; });
  loop.RunTurn(Duration(0));
  loop.RunTurn(Duration(0));
  EXPECT_FALSE(ran);
}

TEST(LoopTest, TurnEndTasksRunInOrderAndInTheTurnThatAskedForThem) {
  Loop loop;
  std::string order;
  loop.Post([&] {
    order += 'p';
    loop.AtTurnEnd([&] {
      order += '1';
      loop.AtTurnEnd([&] { order += '3'; });
    });
    loop.AtTurnEnd([&] { order += '2'; });
  });
  loop.Post([&] { order += 'q'; });
  loop.RunTurn(Duration(0));
  EXPECT_EQ(order, "pq123");
}

TEST(LoopTest, PostInsideATurnRunsInALaterOne) {
  Loop loop;
  int runs = 0;
  loop.Schedule(loop.Now(), [&] { loop.Post([&] { ++runs; }); });
  loop.RunTurn(Duration(0));
  EXPECT_EQ(runs, 0);
  loop.RunTurn(Duration::max());  // does not sleep: a task waits
  EXPECT_EQ(runs, 1);
}

TEST(LoopTest, TurnTaskRunsOnceATurnHoweverOftenAsked) {
  Loop loop;
  int runs = 0;
  auto task = std::make_unique<TurnTask>(loop, [&] { ++runs; });
  loop.Post([&] {
    task->Request();
    task->Request();
  });
  loop.RunTurn(Duration(0));
  EXPECT_EQ(runs, 1);
  loop.Post([&] {
    task->Request();
    task.reset();
  });
  loop.RunTurn(Duration(0));
  EXPECT_EQ(runs, 1);
}

TEST(LoopTest, PostsOfManyThreadsAllArriveInTheOrderOfEach) {
  Loop loop;
  constexpr int kThreads = 4;
  constexpr int kPosts = 20'000;
  std::vector<int> seen(kThreads, 0);
  bool ordered = true;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&loop, &seen, &ordered, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop.Post([&seen, &ordered, t, i] { ordered = ordered && seen[t]++ == i; });
      }
    });
  }
  EXPECT_TRUE(TurnUntil(loop, [&] {
    for (const int s : seen) {
      if (s < kPosts) return false;
    }
    return true;
  }));
  for (std::thread& t : threads) t.join();
  EXPECT_TRUE(ordered);
}

TEST(LoopTest, PostWakesASleepingLoop) {
  // Each post is made only after the one before was run, so the loop sleeps again and again.
  Loop loop;
  constexpr int kRounds = 2'000;
  std::atomic<int> ran{0};
  std::thread poster([&] {
    for (int i = 0; i < kRounds; ++i) {
      while (ran.load() < i) std::this_thread::yield();
      loop.Post([&] { ++ran; });
    }
    while (ran.load() < kRounds) std::this_thread::yield();
    loop.Stop();
  });
  loop.Run();
  poster.join();
  EXPECT_EQ(ran.load(), kRounds);
}

TEST(LoopTest, StopBeforeRunEndsTheNextRunOnly) {
  Loop loop;
  loop.Stop();
  loop.Run();
  bool ran = false;
  loop.Post([&] {
    ran = true;
    loop.Stop();
  });
  loop.Run();
  EXPECT_TRUE(ran);
}

TEST(LoopTest, NowStandsStillInATurn) {
  Loop loop;
  bool equal = false;
  bool moved = false;
  loop.Post([&] {
    const Time before = loop.Now();
    const Time exact = loop.NowExact();
    while (loop.NowExact() == exact) {
    }
    moved = loop.NowExact() > exact;
    equal = loop.Now() == before;
  });
  loop.RunTurn(Duration(0));
  EXPECT_TRUE(equal);
  EXPECT_TRUE(moved);
}

TEST(LoopTest, TasksLeftOverMayComeBackToTheLoopAsTheyDie) {
  struct Comes {
    Loop* loop;
    int* died;
    ~Comes() {
      loop->Post([] {});
      loop->AtTurnEnd([] {});
      ++*died;
    }
  };
  int died = 0;
  {
    Loop loop;
    auto hold = [&] { return std::shared_ptr<Comes>(new Comes{&loop, &died}); };
    loop.Schedule(Time::Never(), [held = hold()] { (void)held; });
    loop.Post([held = hold()] { (void)held; });
    loop.AtTurnEnd([held = hold()] { (void)held; });
  }
  EXPECT_EQ(died, 3);
}

TEST(WorkerTest, WorkRunsInOrderOnItsThreadAndDoneOnTheLoop) {
  Loop loop;
  auto worker = loop.NewWorker("test");
  const std::thread::id here = std::this_thread::get_id();
  std::vector<int> worked;
  std::vector<int> done;
  for (int i = 0; i < 3; ++i) {
    worker->Run(
        [&, i] {
          EXPECT_NE(std::this_thread::get_id(), here);
          worked.push_back(i);
        },
        [&, i] {
          EXPECT_EQ(std::this_thread::get_id(), here);
          done.push_back(i);
        });
  }
  EXPECT_TRUE(done.empty());
  EXPECT_TRUE(TurnUntil(loop, [&] { return done.size() == 3; }));
  EXPECT_THAT(worked, ElementsAre(0, 1, 2));
  EXPECT_THAT(done, ElementsAre(0, 1, 2));
}

TEST(WorkerTest, DestroyingItWaitsForWhatRunsAndDropsTheRest) {
  Loop loop;
  auto worker = loop.NewWorker("test");
  std::atomic<bool> started{false};
  std::atomic<bool> finish{false};
  std::atomic<bool> finished{false};
  bool second = false;
  bool any_done = false;
  worker->Run(
      [&] {
        started = true;
        while (!finish) std::this_thread::yield();
        finished = true;
      },
      [&] { any_done = true; });
  // The first work ends only once the second has been dropped.
  std::shared_ptr<void> dropped(nullptr, [&](void*) { finish = true; });
  worker->Run([&, dropped = std::move(dropped)] { second = true; }, [&] { any_done = true; });
  while (!started) std::this_thread::yield();
  worker.reset();
  EXPECT_TRUE(finished);
  loop.RunTurn(Duration(0));
  loop.RunTurn(Duration(0));
  EXPECT_FALSE(second);
  EXPECT_FALSE(any_done);
}

TEST(SignalWatcherTest, SignalsArriveOnTheLoop) {
  Loop loop;
  std::vector<int> seen;
  {
    SignalWatcher watcher(loop, {SIGUSR1, SIGUSR2}, [&](int s) { seen.push_back(s); });
    ::raise(SIGUSR2);
    ASSERT_TRUE(TurnUntil(loop, [&] { return seen.size() == 1; }));
    ::raise(SIGUSR1);
    ::raise(SIGUSR2);
    ASSERT_TRUE(TurnUntil(loop, [&] { return seen.size() == 3; }));
  }
  EXPECT_THAT(seen, ElementsAre(SIGUSR2, SIGUSR1, SIGUSR2));
}

}  // namespace
}  // namespace cairn::env::posix
