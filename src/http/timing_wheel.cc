#include "src/http/timing_wheel.h"

#include <algorithm>

namespace cairn::http {

TimingWheel::~TimingWheel() {
  if (wake_.value != 0) executor_.Cancel(wake_);
  for (Link& slot : slots_) {
    while (slot.next != &slot) slot.next->Unlink();
  }
}

void TimingWheel::Arm(Timer& timer, env::Time at) {
  timer.Unlink();
  timer.at_ = at;
  if (at == env::Time::Never()) return;
  // Rounded up, so that a timer is never early; never into a tick that has fired already.
  const int64_t tick = at.since_start / tick_ + 1;
  const int64_t now = executor_.Now().since_start / tick_;
  if (wake_tick_ == INT64_MAX) done_tick_ = now;  // the wheel stood still while it was empty
  Insert(timer, std::max(tick, done_tick_ + 1));
}

void TimingWheel::Insert(Timer& timer, int64_t tick) {
  slots_[static_cast<size_t>(tick % kSlots)].Append(&timer);
  WakeAt(tick);
}

void TimingWheel::WakeAt(int64_t tick) {
  // A far timer is looked at once a rotation.
  tick = std::min(tick, done_tick_ + kSlots);
  if (tick >= wake_tick_) return;
  if (wake_.value != 0) executor_.Cancel(wake_);
  wake_tick_ = tick;
  wake_ = executor_.Schedule(env::Time{tick_ * tick}, [this] { OnWake(); });
}

void TimingWheel::OnWake() {
  wake_ = {};
  const env::Time now = executor_.Now();
  const int64_t now_tick = now.since_start / tick_;
  const int64_t first = std::max(done_tick_ + 1, now_tick - kSlots + 1);
  // Stays in the past during the loop, so that what is armed in it does not schedule a wake-up yet.
  wake_tick_ = INT64_MIN;
  done_tick_ = now_tick;
  for (int64_t tick = first; tick <= now_tick; ++tick) {
    Link& slot = slots_[static_cast<size_t>(tick % kSlots)];
    Link due;
    while (slot.next != &slot) {
      Link* link = slot.next;
      link->Unlink();
      due.Append(link);
    }
    while (due.next != &due) {
      Timer* timer = static_cast<Timer*>(due.next);
      timer->Unlink();
      if (timer->at_ > now) {
        slot.Append(timer);
      } else {
        timer->OnTimer();
      }
    }
  }
  wake_tick_ = INT64_MAX;
  for (int64_t tick = now_tick + 1; tick <= now_tick + kSlots; ++tick) {
    Link& slot = slots_[static_cast<size_t>(tick % kSlots)];
    if (slot.next != &slot) {
      WakeAt(tick);
      return;
    }
  }
}

}  // namespace cairn::http
