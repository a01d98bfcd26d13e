// SignalWatcher: signals as events on the loop.
#pragma once

#include <absl/functional/any_invocable.h>
#include <signal.h>

#include <initializer_list>

#include "src/env/posix/loop.h"

namespace cairn::env::posix {

// Takes the given signals (SIGINT, SIGTERM, ...) for as long as it lives. Make it before any thread
// is started: they are blocked in the calling thread, and each thread started later inherits that.
class SignalWatcher final : private FdHandler {
 public:
  using Handler = absl::AnyInvocable<void(int signal)>;

  SignalWatcher(Loop& loop, std::initializer_list<int> signals, Handler on_signal);
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;
  ~SignalWatcher();

 private:
  void OnReady(uint32_t events) override;

  Loop& loop_;
  Handler on_signal_;
  sigset_t mask_before_;
  int fd_ = -1;
  FdToken token_;
};

}  // namespace cairn::env::posix
