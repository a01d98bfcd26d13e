// SocketStream: env::Stream over a connected or connecting socket.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/env/network.h"
#include "src/env/posix/address.h"
#include "src/env/posix/loop.h"

namespace cairn::env::posix {

// Options that every connection of ours has: no delay for small writes, and death of the other end
// noticed within about half a minute. Set on a listener they pass to the sockets it accepts.
void SetConnectionOptions(int fd, int family);

class SocketStream final : public Stream, private FdHandler {
 public:
  // An accepted socket; takes `fd`, which does not block.
  SocketStream(Loop& loop, int fd, std::string peer_name);
  // One that will connect: Dial or Fail follows.
  SocketStream(Loop& loop, std::string peer_name);
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;
  ~SocketStream() override;

  // Tries the candidates one after another until one connects.
  void Dial(std::vector<SocketAddress> candidates);
  // The connection cannot be made; OnClosed tells the handler.
  void Fail(Status why);
  FdToken token() const { return token_; }

  void Start(StreamHandler* handler) override;
  size_t Write(std::span<const std::string_view> pieces) override;
  void SetReading(bool on) override;
  std::string PeerName() const override { return peer_name_; }

 private:
  enum class State : uint8_t { kConnecting, kOpen, kClosed };

  void OnReady(uint32_t events) override;
  // Connects to the next candidate that does not fail at once.
  void TryNext();
  // False when the connection is not made (yet), or the stream is gone.
  bool FinishConnect(uint32_t events);
  void ReadAvailable();
  // Sends pieces until one does not fit.
  size_t Send(std::span<const std::string_view> pieces);
  void WantWritable();
  Status StartWatching();
  void CloseSocket();
  // The last event. The caller returns at once: the handler may have destroyed the stream.
  void Close(const Status& why);

  Loop& loop_;
  StreamHandler* handler_ = nullptr;
  FdToken token_;
  int fd_ = -1;
  State state_;
  bool reading_ = true;
  bool readable_ = false;  // the socket was not seen drained since its last event
  bool peer_done_ =
      false;  // the end of the peer's bytes, or an error, stands behind what is unread
  bool wants_writable_ = false;  // OnWritable is owed
  bool watched_ = false;         // known to epoll
  bool watches_writable_ = false;
  Status broken_;                          // why the stream is broken, while OnClosed is still owed
  std::vector<SocketAddress> candidates_;  // still to try, last one first
  std::string peer_name_;
};

}  // namespace cairn::env::posix
