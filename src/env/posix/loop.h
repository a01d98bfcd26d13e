// Loop: env::Executor as one epoll loop, on the thread that calls Run.
//
// A turn: wait for sockets (until the next timer, not at all while work waits); handlers of ready
// sockets; due timers; the tasks posted before the turn began; the turn-end tasks until none is
// left.
//
// Sockets are watched edge-triggered and stay registered unchanged for their whole life where
// possible: a request costs its read, its write and a share of one epoll_wait. The price is that
// whoever stops reading before the socket is drained must say so (Wake).
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "src/base/random.h"
#include "src/base/status.h"
#include "src/env/executor.h"
#include "src/env/posix/timers.h"

namespace cairn::env::posix {

// What a file descriptor is watched for.
class FdHandler {
 public:
  // `events` as epoll gives them; 0 when the handler asked to be woken.
  virtual void OnReady(uint32_t events) = 0;

 protected:
  ~FdHandler() = default;
};

// Names a handler known to the loop. The generation tells it from a later one in the same slot, so
// an event that was fetched for a handler that has died since reaches nobody.
struct FdToken {
  uint32_t slot = 0;
  uint32_t generation = 0;  // 0: none
};

class Loop final : public Executor {
 public:
  // Aborts when the system refuses an epoll descriptor: nothing can run without.
  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() override;

  // Turns until Stop; the turn in which Stop is seen is finished.
  void Run();
  // One turn, waiting at most `max_wait` for something to happen.
  void RunTurn(Duration max_wait);
  // From any thread, and from a signal handler.
  void Stop();

  Time Now() const override { return now_; }
  Time NowExact() const override;
  int64_t UnixNanos() const override;
  void Post(Task task) override;
  void AtTurnEnd(Task task) override { turn_end_.push_back(std::move(task)); }
  TimerId Schedule(Time at, Task task) override;
  bool Cancel(TimerId id) override { return timers_.Cancel(id); }
  std::unique_ptr<Worker> NewWorker(std::string_view name) override;
  Random& random() override { return random_; }

  // --- For the network, the signal watcher and the like. Loop's thread only. ---
  FdToken Register(FdHandler* handler);
  // No event reaches the handler any more. Its descriptor is the caller's to unwatch (or close)
  // first.
  void Unregister(FdToken token);
  bool IsRegistered(FdToken token) const {
    return token.slot < slots_.size() && slots_[token.slot].generation == token.generation &&
           slots_[token.slot].handler != nullptr;
  }
  Status Watch(FdToken token, int fd, uint32_t events);
  void ChangeWatch(FdToken token, int fd, uint32_t events);
  void Unwatch(int fd);
  // Calls OnReady(0) in the next turn, once however often it is asked for.
  void Wake(FdToken token);
  // Where sockets read to: one for the whole loop, valid inside one handler call.
  std::span<char> read_buffer() { return {read_buffer_.get(), kReadBufferBytes}; }

 private:
  static constexpr size_t kReadBufferBytes = 128 * 1024;
  static constexpr size_t kEventsPerTurn = 512;

  struct Slot {
    FdHandler* handler = nullptr;
    uint32_t generation = 1;
    bool woken = false;  // stands in woken_
  };

  int Wait(Time until);
  int WaitForEvents(Duration timeout);
  void Dispatch(FdToken token, uint32_t events);
  void RunWoken();
  void RunTimers();
  void RunPosted();
  void RunTurnEnd();

  const int epoll_fd_;
  const int event_fd_;  // written to wake the loop; watched edge-triggered and so never read
  std::atomic<bool> stop_{false};
  bool has_pwait2_ = true;  // epoll_pwait2 (Linux 5.11): timeouts finer than a millisecond
  Time now_;
  Random random_;

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::vector<FdToken> woken_;
  std::vector<FdToken> waking_;  // the batch of woken_ that a turn works on
  TimerQueue timers_;
  std::vector<Task> turn_end_;
  std::vector<Task> running_;  // the batch of posted_ that a turn works on
  std::array<epoll_event, kEventsPerTurn> events_;
  std::unique_ptr<char[]> read_buffer_;

  std::mutex mutex_;
  std::vector<Task> posted_;  // guarded by mutex_
  bool asleep_ = false;       // guarded by mutex_: the loop is in, or about to enter, a wait
};

}  // namespace cairn::env::posix
