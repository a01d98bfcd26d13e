// Executor: the one loop that a member's components run on, and Worker: a thread beside it.
//
// A *turn* of the loop is: collect everything that is ready (sockets, timers, posted tasks), run
// its handlers, then run the turn-end tasks in the order in which they were asked for until none is
// left, then sleep. Components gather work in handlers and do it once at the end of the turn
// (TurnTask): that is where batching comes from. Within a turn-end task new turn-end tasks may be
// added; they run in the same turn, behind those that wait already.
//
// Everything here is called on the loop's own thread except Post, which any thread may call. The
// real executor is an epoll loop (posix/), the simulated one a queue in virtual time (sim/): code
// above this line cannot tell which it runs on.
#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "src/base/random.h"
#include "src/env/time.h"

namespace cairn::env {

using Task = absl::AnyInvocable<void()>;

// Names a scheduled timer; 0 is none.
struct TimerId {
  uint64_t value = 0;
  friend bool operator==(const TimerId&, const TimerId&) = default;
};

// One thread that runs the work it is given in order, one piece at a time.
class Worker {
 public:
  virtual ~Worker() = default;  // waits for the work that runs; drops what waits, and every `done`
  // Runs `work` on the worker's thread, then `done` on the executor's loop. `done` never runs
  // inside this call. In simulation the work runs at a later virtual time, and a crash may come
  // before it, in the middle of its file operations, or between it and `done`.
  virtual void Run(Task work, Task done) = 0;
};

class Executor {
 public:
  virtual ~Executor() = default;

  // The time, read once a turn (cheap, and equal for all of a turn's handlers).
  virtual Time Now() const = 0;
  // The time read now; for measuring what a step inside a turn took.
  virtual Time NowExact() const = 0;
  // Wall clock, nanoseconds since 1970. May jump. Only for what people read, and for ids.
  virtual int64_t UnixNanos() const = 0;

  // Runs `task` in a later turn. The only call allowed from other threads.
  virtual void Post(Task task) = 0;
  // Runs `task` at the end of this turn.
  virtual void AtTurnEnd(Task task) = 0;
  // Runs `task` once the time is at least `at`; never inside this call.
  virtual TimerId Schedule(Time at, Task task) = 0;
  // True if the timer was still waiting; it will not run then.
  virtual bool Cancel(TimerId id) = 0;

  virtual std::unique_ptr<Worker> NewWorker(std::string_view name) = 0;
  // The source of every number that may differ between runs: election timeouts, ids, backoff.
  virtual Random& random() = 0;
};

// A piece of work that runs at most once a turn, at its end, however often it is asked for.
// The owner keeps the TurnTask as a member; destroying it withdraws what is asked for.
class TurnTask {
 public:
  TurnTask(Executor& executor, Task work)
      : state_(std::make_shared<State>(State{std::move(work)})), executor_(&executor) {}
  TurnTask(const TurnTask&) = delete;
  TurnTask& operator=(const TurnTask&) = delete;
  ~TurnTask() { state_->withdrawn = true; }

  void Request() {
    if (state_->waiting) return;
    state_->waiting = true;
    executor_->AtTurnEnd([state = state_] {
      state->waiting = false;
      if (!state->withdrawn) state->work();
    });
  }

 private:
  struct State {
    Task work;
    bool waiting = false;
    bool withdrawn = false;
  };
  std::shared_ptr<State> state_;
  Executor* executor_;
};

}  // namespace cairn::env
