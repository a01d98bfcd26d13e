#include "src/env/posix/network.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "src/base/log.h"
#include "src/env/posix/address.h"
#include "src/env/posix/error.h"
#include "src/env/posix/stream.h"

namespace cairn::env::posix {
namespace {

constexpr int kBacklog = 4096;
// Connections taken in one turn; the rest waits in the kernel, where it costs nothing.
constexpr int kAcceptsPerTurn = 64;
// How long nothing is accepted after the system had no descriptor or memory left for it.
constexpr Duration kAcceptPause = milliseconds(100);

class SocketListener final : public Listener, private FdHandler {
 public:
  SocketListener(Loop& loop, int fd, int family, Address bound_to, std::string unix_path,
                 Network::AcceptHandler accept)
      : loop_(loop),
        token_(loop.Register(this)),
        fd_(fd),
        family_(family),
        bound_to_(std::move(bound_to)),
        unix_path_(std::move(unix_path)),
        accept_(std::make_shared<Network::AcceptHandler>(std::move(accept))) {}
  SocketListener(const SocketListener&) = delete;
  SocketListener& operator=(const SocketListener&) = delete;

  ~SocketListener() override {
    loop_.Cancel(resume_);
    loop_.Unregister(token_);
    ::close(fd_);  // never duplicated, so epoll forgets it
    if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
  }

  Status Watch() { return loop_.Watch(token_, fd_, EPOLLIN); }
  Address BoundTo() const override { return bound_to_; }

 private:
  void OnReady(uint32_t) override {
    const FdToken self = token_;
    Loop& loop = loop_;
    const auto accept = accept_;  // the handler may destroy the listener
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      SocketAddress from;
      from.length = sizeof from.storage;
      const int fd = ::accept4(fd_, from.get(), &from.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          return Pause(errno);
        }
        continue;  // this one connection failed before it was taken, or a signal came
      }
      out_of_resources_ = false;
      std::string name = family_ == AF_UNIX ? bound_to_.text : from.ToText();
      (*accept)(std::make_unique<SocketStream>(loop_, fd, std::move(name)));
      if (!loop.IsRegistered(self)) return;
    }
  }

  // The connection that cannot be taken keeps the socket readable: looking away for a moment is
  // what keeps the loop from spinning.
  void Pause(int error) {
    if (!out_of_resources_) {
      log::Warn("cannot accept connections for now",
                {{"address", bound_to_.text}, {"error", ErrnoText(error)}});
    }
    out_of_resources_ = true;
    loop_.ChangeWatch(token_, fd_, 0);
    resume_ = loop_.Schedule(loop_.Now() + kAcceptPause,
                             [this] { loop_.ChangeWatch(token_, fd_, EPOLLIN); });
  }

  Loop& loop_;
  const FdToken token_;
  const int fd_;
  const int family_;
  const Address bound_to_;
  const std::string unix_path_;
  const std::shared_ptr<Network::AcceptHandler> accept_;
  TimerId resume_;
  bool out_of_resources_ = false;  // said already
};

// Whether a process answers at the unix socket; one that was left behind by a dead process refuses.
bool SomebodyListens(const SocketAddress& at) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return true;
  const bool refused = ::connect(fd, at.get(), at.length) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return !refused;
}

// A bound, listening socket, or -1 with errno.
int OpenListening(const SocketAddress& at) {
  const int fd = ::socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int one = 1;
  if (at.family() != AF_UNIX) {
    (void)::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    SetConnectionOptions(fd, at.family());
  }
  if (::bind(fd, at.get(), at.length) == 0 && ::listen(fd, kBacklog) == 0) return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

}  // namespace

PosixNetwork::~PosixNetwork() = default;

Result<std::unique_ptr<Listener>> PosixNetwork::Listen(const Address& address,
                                                       AcceptHandler accept) {
  auto parsed = ParseAddress(address);
  if (!parsed.ok()) return parsed.status();
  std::vector<SocketAddress> candidates = ResolveAtOnce(*parsed, /*to_listen=*/true);
  if (candidates.empty()) {
    auto resolved = ResolveName(*parsed);
    if (!resolved.ok()) return resolved.status();
    candidates = *std::move(resolved);
  }
  int error = 0;
  for (const SocketAddress& at : candidates) {
    int fd = OpenListening(at);
    if (fd < 0 && errno == EADDRINUSE && at.family() == AF_UNIX && !SomebodyListens(at)) {
      ::unlink(parsed->unix_path.c_str());
      fd = OpenListening(at);
    }
    if (fd < 0) {
      error = errno;
      // An address in use is an answer; a family that this machine lacks is not.
      if (error == EADDRINUSE || error == EACCES) break;
      continue;
    }
    SocketAddress bound;
    bound.length = sizeof bound.storage;
    if (::getsockname(fd, bound.get(), &bound.length) != 0) {
      error = errno;
      ::close(fd);
      continue;
    }
    auto listener = std::make_unique<SocketListener>(
        loop_, fd, at.family(), Address{bound.ToText()}, parsed->unix_path, std::move(accept));
    if (Status s = listener->Watch(); !s.ok()) return s;
    return std::unique_ptr<Listener>(std::move(listener));
  }
  return NetworkError("listen on", address.text, error);
}

std::unique_ptr<Stream> PosixNetwork::Connect(const Address& address) {
  auto stream = std::make_unique<SocketStream>(loop_, address.text);
  auto parsed = ParseAddress(address);
  if (!parsed.ok()) {
    stream->Fail(parsed.status());
    return stream;
  }
  std::vector<SocketAddress> candidates = ResolveAtOnce(*parsed, /*to_listen=*/false);
  if (!candidates.empty()) {
    stream->Dial(std::move(candidates));
    return stream;
  }
  if (resolver_ == nullptr) resolver_ = loop_.NewWorker("resolver");
  auto found = std::make_shared<Result<std::vector<SocketAddress>>>(std::vector<SocketAddress>());
  resolver_->Run([found, parsed = *parsed] { *found = ResolveName(parsed); },
                 [this, found, to = stream.get(), token = stream->token()] {
                   if (!loop_.IsRegistered(token)) return;  // destroyed while it waited
                   if (!found->ok()) return to->Fail(found->status());
                   to->Dial(std::move(**found));
                 });
  return stream;
}

}  // namespace cairn::env::posix
