#include "src/env/posix/loop.h"

#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "src/base/check.h"
#include "src/env/posix/error.h"
#include "src/env/posix/worker.h"

namespace cairn::env::posix {
namespace {

// The event descriptor's own mark among the tokens; no slot reaches this number.
constexpr uint64_t kWakeUpMark = ~uint64_t{0};

uint64_t Pack(FdToken token) { return uint64_t{token.generation} << 32 | token.slot; }
FdToken Unpack(uint64_t data) {
  return {static_cast<uint32_t>(data), static_cast<uint32_t>(data >> 32)};
}

Duration ReadClock(clockid_t clock) {
  timespec t{};
  CHECK(::clock_gettime(clock, &t) == 0);
  return seconds(t.tv_sec) + Duration(t.tv_nsec);
}

uint64_t SystemSeed() {
  uint64_t seed = 0;
  ssize_t n;
  do {
    n = ::getrandom(&seed, sizeof seed, 0);
  } while (n < 0 && errno == EINTR);
  CHECK_EQ(n, static_cast<ssize_t>(sizeof seed));
  return seed;
}

}  // namespace

Loop::Loop()
    : epoll_fd_(::epoll_create1(EPOLL_CLOEXEC)),
      event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      now_(NowExact()),
      random_(SystemSeed()),
      read_buffer_(new char[kReadBufferBytes]) {
  CHECK(epoll_fd_ >= 0 && event_fd_ >= 0, std::strerror(errno));
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kWakeUpMark;
  CHECK(::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, event_fd_, &event) == 0, std::strerror(errno));
}

Loop::~Loop() {
  // What tasks hold may come back to the loop as it dies (cancel a timer, close a stream), so it
  // goes while everything else is still there.
  timers_.Clear();
  std::exchange(turn_end_, {}).clear();
  std::vector<Task> posted;
  {
    const std::lock_guard lock(mutex_);
    posted.swap(posted_);
  }
  posted.clear();
  ::close(event_fd_);
  ::close(epoll_fd_);
}

void Loop::Run() {
  while (!stop_.load(std::memory_order_relaxed)) RunTurn(Duration::max());
  stop_.store(false, std::memory_order_relaxed);
}

void Loop::Stop() {
  stop_.store(true, std::memory_order_relaxed);
  const uint64_t one = 1;
  // Cannot fail but by overflow of a 64-bit count, and then the loop is awake.
  [[maybe_unused]] const ssize_t n = ::write(event_fd_, &one, sizeof one);
}

void Loop::RunTurn(Duration max_wait) {
  now_ = NowExact();
  const Time until = max_wait == Duration::max() ? Time::Never() : now_ + max_wait;
  const int ready = Wait(until);
  now_ = NowExact();
  {
    const std::lock_guard lock(mutex_);
    asleep_ = false;
    running_.swap(posted_);
  }
  // The wakes asked for before this turn: what the handlers below ask for belongs to the next.
  waking_.swap(woken_);
  for (int i = 0; i < ready; ++i) {
    const epoll_event event = events_[static_cast<size_t>(i)];
    if (event.data.u64 != kWakeUpMark) Dispatch(Unpack(event.data.u64), event.events);
  }
  RunWoken();
  RunTimers();
  RunPosted();
  RunTurnEnd();
}

int Loop::Wait(Time until) {
  bool work_waits = !woken_.empty() || !turn_end_.empty();
  {
    const std::lock_guard lock(mutex_);
    if (!posted_.empty()) work_waits = true;
    // From here on a Post writes to the event descriptor, so none is slept through.
    asleep_ = !work_waits;
  }
  if (work_waits) return WaitForEvents(Duration(0));
  const Time wake = std::min(until, timers_.Next());
  if (wake == Time::Never()) return WaitForEvents(Duration::max());
  return WaitForEvents(std::max(wake - now_, Duration(0)));
}

int Loop::WaitForEvents(Duration timeout) {
  const int capacity = static_cast<int>(events_.size());
  int n = -1;
  if (timeout == Duration(0) || timeout == Duration::max()) {
    n = ::epoll_wait(epoll_fd_, events_.data(), capacity, timeout == Duration(0) ? 0 : -1);
  } else {
    if (has_pwait2_) {
      timespec t{};
      t.tv_sec = static_cast<time_t>(timeout.count() / 1'000'000'000);
      t.tv_nsec = timeout.count() % 1'000'000'000;
      n = ::epoll_pwait2(epoll_fd_, events_.data(), capacity, &t, nullptr);
      if (n < 0 && (errno == ENOSYS || errno == EPERM)) has_pwait2_ = false;
    }
    if (!has_pwait2_) {
      // Rounded up: waking before the timer is due would only mean to wait again.
      const auto ms = std::chrono::ceil<milliseconds>(timeout).count();
      n = ::epoll_wait(epoll_fd_, events_.data(), capacity,
                       static_cast<int>(std::min<int64_t>(ms, 60'000)));
    }
  }
  if (n < 0) {
    CHECK(errno == EINTR, std::strerror(errno));
    return 0;
  }
  return n;
}

void Loop::Dispatch(FdToken token, uint32_t events) {
  if (IsRegistered(token)) slots_[token.slot].handler->OnReady(events);
}

void Loop::RunWoken() {
  for (const FdToken token : waking_) {
    if (!IsRegistered(token)) continue;
    slots_[token.slot].woken = false;
    Dispatch(token, 0);
  }
  waking_.clear();
}

void Loop::RunTimers() {
  // Only what was scheduled before now: a timer that schedules itself for "at once" must not keep
  // the turn from ending. Schedule never takes a time before now_, so such a timer sorts behind all
  // others.
  const uint64_t limit = timers_.next_sequence();
  while (Task task = timers_.PopDue(now_, limit)) task();
}

void Loop::RunPosted() {
  for (Task& task : running_) std::exchange(task, Task())();
  running_.clear();
}

void Loop::RunTurnEnd() {
  for (size_t i = 0; i < turn_end_.size(); ++i) {
    Task task = std::move(turn_end_[i]);  // the vector may grow, and move, while the task runs
    task();
  }
  turn_end_.clear();
}

Time Loop::NowExact() const { return Time{ReadClock(CLOCK_MONOTONIC)}; }

int64_t Loop::UnixNanos() const { return ReadClock(CLOCK_REALTIME).count(); }

void Loop::Post(Task task) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
    wake = std::exchange(asleep_, false);
  }
  if (!wake) return;
  const uint64_t one = 1;
  CHECK(::write(event_fd_, &one, sizeof one) == sizeof one, std::strerror(errno));
}

TimerId Loop::Schedule(Time at, Task task) {
  return timers_.Add(std::max(at, now_), std::move(task));
}

std::unique_ptr<Worker> Loop::NewWorker(std::string_view name) {
  return MakeThreadWorker(this, name);
}

FdToken Loop::Register(FdHandler* handler) {
  uint32_t index;
  if (free_slots_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_[index].handler = handler;
  return {index, slots_[index].generation};
}

void Loop::Unregister(FdToken token) {
  if (!IsRegistered(token)) return;
  Slot& slot = slots_[token.slot];
  slot.handler = nullptr;
  slot.woken = false;
  // Skips the generation of the wake-up mark, and 0, which is "none".
  slot.generation = slot.generation >= UINT32_MAX - 1 ? 1 : slot.generation + 1;
  free_slots_.push_back(token.slot);
}

Status Loop::Watch(FdToken token, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = Pack(token);
  if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0) return OkStatus();
  return Status(StatusCode::kResourceExhausted,
                std::string("cannot watch a descriptor: ") + ErrnoText(errno));
}

void Loop::ChangeWatch(FdToken token, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = Pack(token);
  CHECK(::epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) == 0, std::strerror(errno));
}

void Loop::Unwatch(int fd) {
  epoll_event unused{};
  CHECK(::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, &unused) == 0, std::strerror(errno));
}

void Loop::Wake(FdToken token) {
  if (!IsRegistered(token) || slots_[token.slot].woken) return;
  slots_[token.slot].woken = true;
  woken_.push_back(token);
}

}  // namespace cairn::env::posix
