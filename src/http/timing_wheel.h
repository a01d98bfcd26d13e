// TimingWheel: very many timers, nearly all of which are disarmed before they fire (deadlines of
// requests). Arming and disarming cost a few pointer writes and no memory; precision is one tick.
// Hashed wheel with intrusive lists: Varghese and Lauck, 1987, scheme 6.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "src/env/executor.h"

namespace cairn::http {

class TimingWheel {
  struct Link {
    Link* prev = this;
    Link* next = this;
    void Unlink() {
      prev->next = next;
      next->prev = prev;
      prev = next = this;
    }
    void Append(Link* item) {
      item->prev = prev;
      item->next = this;
      prev->next = item;
      prev = item;
    }
  };

 public:
  // Disarms itself when destroyed. Must not outlive an armed wheel, nor be armed on two.
  class Timer : private Link {
   public:
    Timer() = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    virtual ~Timer() { Unlink(); }
    // Runs at the armed time or up to one tick later. May arm, disarm and destroy any timer, this
    // one too.
    virtual void OnTimer() = 0;
    bool armed() const { return prev != this; }
    env::Time at() const { return at_; }
    void Disarm() { Unlink(); }

   private:
    friend class TimingWheel;
    env::Time at_ = env::Time::Never();
  };

  TimingWheel(env::Executor& executor, env::Duration tick) : executor_(executor), tick_(tick) {}
  TimingWheel(const TimingWheel&) = delete;
  TimingWheel& operator=(const TimingWheel&) = delete;
  ~TimingWheel();

  // Replaces an earlier time. Time::Never() disarms.
  void Arm(Timer& timer, env::Time at);

 private:
  static constexpr int64_t kSlots = 512;
  void Insert(Timer& timer, int64_t tick);
  void WakeAt(int64_t tick);
  void OnWake();

  env::Executor& executor_;
  env::Duration tick_;
  std::array<Link, kSlots> slots_;
  int64_t done_tick_ = -1;         // every tick up to this one has fired
  int64_t wake_tick_ = INT64_MAX;  // the scheduled wake-up
  env::TimerId wake_;
};

}  // namespace cairn::http
