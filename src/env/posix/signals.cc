#include "src/env/posix/signals.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "src/base/check.h"

namespace cairn::env::posix {

SignalWatcher::SignalWatcher(Loop& loop, std::initializer_list<int> signals, Handler on_signal)
    : loop_(loop), on_signal_(std::move(on_signal)) {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int s : signals) sigaddset(&mask, s);
  CHECK(pthread_sigmask(SIG_BLOCK, &mask, &mask_before_) == 0);
  fd_ = ::signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
  CHECK(fd_ >= 0, std::strerror(errno));
  token_ = loop_.Register(this);
  const Status watched = loop_.Watch(token_, fd_, EPOLLIN);
  CHECK(watched.ok(), watched.message());
}

SignalWatcher::~SignalWatcher() {
  loop_.Unwatch(fd_);
  loop_.Unregister(token_);
  ::close(fd_);
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

void SignalWatcher::OnReady(uint32_t) {
  // One a turn: the handler may destroy this object, and the descriptor stays readable for the
  // rest.
  signalfd_siginfo info{};
  const ssize_t n = ::read(fd_, &info, sizeof info);
  if (n == static_cast<ssize_t>(sizeof info)) on_signal_(static_cast<int>(info.ssi_signo));
}

}  // namespace cairn::env::posix
