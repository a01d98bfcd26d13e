#include "src/env/posix/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "src/base/check.h"
#include "src/env/posix/error.h"

namespace cairn::env::posix {
namespace {

// One busy connection hands over the turn after this much; the rest is read in the next.
constexpr size_t kReadBytesPerTurn = 512 * 1024;
// The system's limit for one sendmsg (IOV_MAX).
constexpr size_t kMaxPieces = 1024;
constexpr int kUserTimeoutMs = 30'000;
constexpr int kKeepAliveIdleSeconds = 15;
constexpr int kKeepAliveIntervalSeconds = 5;
constexpr int kKeepAliveProbes = 3;

void SetOption(int fd, int level, int option, int value) {
  // A socket without the option works, only less well.
  (void)::setsockopt(fd, level, option, &value, sizeof value);
}

}  // namespace

void SetConnectionOptions(int fd, int family) {
  if (family == AF_UNIX) return;
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
  SetOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
}

SocketStream::SocketStream(Loop& loop, int fd, std::string peer_name)
    : loop_(loop),
      token_(loop.Register(this)),
      fd_(fd),
      state_(State::kOpen),
      peer_name_(std::move(peer_name)) {}

SocketStream::SocketStream(Loop& loop, std::string peer_name)
    : loop_(loop),
      token_(loop.Register(this)),
      state_(State::kConnecting),
      peer_name_(std::move(peer_name)) {}

SocketStream::~SocketStream() {
  CloseSocket();
  loop_.Unregister(token_);
}

void SocketStream::Dial(std::vector<SocketAddress> candidates) {
  std::reverse(candidates.begin(), candidates.end());
  candidates_ = std::move(candidates);
  TryNext();
}

void SocketStream::TryNext() {
  CloseSocket();
  while (!candidates_.empty()) {
    const SocketAddress to = candidates_.back();
    candidates_.pop_back();
    const int fd = ::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      broken_ = NetworkError("connect to", peer_name_, errno);
      continue;
    }
    SetConnectionOptions(fd, to.family());
    if (::connect(fd, to.get(), to.length) == 0 || errno == EINPROGRESS) {
      fd_ = fd;
      broken_ = handler_ == nullptr ? OkStatus() : StartWatching();
      if (broken_.ok()) return;
      CloseSocket();
      continue;
    }
    broken_ = NetworkError("connect to", peer_name_, errno);
    ::close(fd);
  }
  Fail(broken_);
}

void SocketStream::Fail(Status why) {
  CHECK(!why.ok());
  broken_ = std::move(why);
  loop_.Wake(token_);
}

Status SocketStream::StartWatching() {
  watches_writable_ = state_ == State::kConnecting || wants_writable_;
  const uint32_t out = watches_writable_ ? uint32_t{EPOLLOUT} : 0;
  const Status s = loop_.Watch(token_, fd_, EPOLLIN | EPOLLRDHUP | EPOLLET | out);
  watched_ = s.ok();
  return s;
}

void SocketStream::Start(StreamHandler* handler) {
  CHECK(handler_ == nullptr && handler != nullptr, "a stream is started once");
  handler_ = handler;
  if (broken_.ok() && fd_ >= 0) broken_ = StartWatching();
  if (!broken_.ok()) loop_.Wake(token_);
}

void SocketStream::OnReady(uint32_t events) {
  if (handler_ == nullptr || state_ == State::kClosed) return;
  if (state_ == State::kConnecting) {
    if (!broken_.ok()) return Close(std::exchange(broken_, OkStatus()));
    if (!FinishConnect(events)) return;
  }
  const FdToken self = token_;
  Loop& loop = loop_;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) peer_done_ = true;
  if ((events & EPOLLIN) != 0 || peer_done_) readable_ = true;
  if (wants_writable_ && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    wants_writable_ = false;
    handler_->OnWritable();
    if (!loop.IsRegistered(self)) return;
  }
  if (!reading_) {
    // What is unread waits for its reader; an error does not, it frees what the owner holds.
    if (!broken_.ok()) return Close(std::exchange(broken_, OkStatus()));
    if ((events & EPOLLERR) == 0) return;
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return Close(NetworkError("connection to", peer_name_, error));
    return;
  }
  if (!broken_.ok()) readable_ = true;  // deliver what arrived before the end
  if (readable_) ReadAvailable();
}

bool SocketStream::FinishConnect(uint32_t events) {
  if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return false;
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) {
    broken_ = NetworkError("connect to", peer_name_, error);
    TryNext();
    return false;
  }
  candidates_ = {};
  state_ = State::kOpen;
  const FdToken self = token_;
  Loop& loop = loop_;
  handler_->OnConnected();
  return loop.IsRegistered(self);
}

void SocketStream::ReadAvailable() {
  const FdToken self = token_;
  Loop& loop = loop_;
  const std::span<char> buffer = loop.read_buffer();
  size_t budget = kReadBytesPerTurn;
  while (reading_ && state_ == State::kOpen) {
    const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (n > 0) {
      const auto size = static_cast<size_t>(n);
      // A short read has emptied the socket; the next arrival is a new event.
      const bool drained = size < buffer.size() && !peer_done_ && broken_.ok();
      if (drained) readable_ = false;
      handler_->OnData({buffer.data(), size});
      if (!loop.IsRegistered(self) || drained) return;
      if (size >= budget) return loop.Wake(self);
      budget -= size;
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      readable_ = false;
      if (broken_.ok()) return;
    }
    if (!broken_.ok()) return Close(std::exchange(broken_, OkStatus()));
    return Close(n == 0 ? OkStatus() : NetworkError("connection to", peer_name_, errno));
  }
}

size_t SocketStream::Write(std::span<const std::string_view> pieces) {
  if (state_ == State::kClosed || !broken_.ok()) {
    size_t all = 0;
    for (const std::string_view piece : pieces) all += piece.size();
    return all;
  }
  if (state_ == State::kConnecting) {
    wants_writable_ = true;
    return 0;
  }
  return Send(pieces);
}

size_t SocketStream::Send(std::span<const std::string_view> pieces) {
  std::array<iovec, kMaxPieces> vectors;
  size_t taken = 0;
  while (!pieces.empty()) {
    const size_t count = std::min(pieces.size(), vectors.size());
    size_t wanted = 0;
    for (size_t i = 0; i < count; ++i) {
      vectors[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
      wanted += pieces[i].size();
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    ssize_t n;
    do {
      n = wanted == 0 ? 0 : ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
      // OnClosed follows in the next turn, behind what the peer sent before it went.
      broken_ = NetworkError("connection to", peer_name_, errno);
      loop_.Wake(token_);
      for (const std::string_view piece : pieces) taken += piece.size();
      return taken;
    }
    taken += n < 0 ? 0 : static_cast<size_t>(n);
    if (n < 0 || static_cast<size_t>(n) < wanted) {
      WantWritable();
      return taken;
    }
    pieces = pieces.subspan(count);
  }
  return taken;
}

void SocketStream::WantWritable() {
  wants_writable_ = true;
  if (!watched_ || watches_writable_) return;
  // Asked for once and kept: from then on the system tells each time that room comes back. Not
  // asked for before, because unix sockets would report every byte that the peer takes.
  watches_writable_ = true;
  loop_.ChangeWatch(token_, fd_, EPOLLIN | EPOLLRDHUP | EPOLLOUT | EPOLLET);
}

void SocketStream::SetReading(bool on) {
  if (on == reading_) return;
  reading_ = on;
  // Edges that came while nobody read are not repeated.
  if (on && (readable_ || !broken_.ok())) loop_.Wake(token_);
}

void SocketStream::CloseSocket() {
  if (fd_ < 0) return;
  if (watched_) loop_.Unwatch(fd_);
  watched_ = false;
  ::close(std::exchange(fd_, -1));
}

void SocketStream::Close(const Status& why) {
  state_ = State::kClosed;
  wants_writable_ = false;
  CloseSocket();
  handler_->OnClosed(why);
}

}  // namespace cairn::env::posix
