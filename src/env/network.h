// Network: ordered byte streams between processes, as events on the executor's loop. A Stream is
// plain TCP or a unix socket in posix/, a pair of queues in sim/; TLS will be a Stream around a
// Stream.
//
// A stream owns no buffer of its own beyond the kernel's: what arrives is handed to the handler out
// of a buffer shared by the whole loop, what does not fit into the socket stays with the caller. So
// an idle connection costs nothing here, and each protocol decides its own bounds.
//
// All calls and all events are on the executor's thread.
#pragma once

#include <absl/functional/any_invocable.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "src/base/status.h"

namespace cairn::env {

// Where to listen or connect: "host:port" (IPv4, [IPv6] or a name) or "unix:/path/of/socket".
struct Address {
  std::string text;
  friend bool operator==(const Address&, const Address&) = default;
};

class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // The stream made by Connect is open now (never called for an accepted one, which is open from
  // the start).
  virtual void OnConnected() {}
  // Bytes in order. They are valid during the call only. The handler may destroy the stream inside.
  virtual void OnData(std::string_view bytes) = 0;
  // There is room again after a Write that took less than all.
  virtual void OnWritable() = 0;
  // The peer closed in order (Ok), or the connection failed or could not be made (an error). The
  // last event of a stream; not called for what the owner itself closes by destroying the stream.
  virtual void OnClosed(const Status& why) = 0;
};

class Stream {
 public:
  // Closes at once; data accepted by Write before is still sent if the system can. No event
  // follows.
  virtual ~Stream() = default;
  // Events go to `handler` from now on, which outlives the stream. Nothing is read before.
  virtual void Start(StreamHandler* handler) = 0;
  // Takes as much as the socket has room for and returns how many bytes that was, 0 when there is
  // none. When less than all was taken, OnWritable follows once. On a broken stream everything is
  // taken and dropped, and OnClosed follows: there is no error to handle here.
  virtual size_t Write(std::span<const std::string_view> pieces) = 0;
  // Stops and resumes OnData (backpressure: the peer's window fills).
  virtual void SetReading(bool on) = 0;
  // "127.0.0.1:2379", for logs.
  virtual std::string PeerName() const = 0;
};

class Listener {
 public:
  virtual ~Listener() = default;  // stops listening; accepted streams live on
  // The address listened on, with the port that the system chose where 0 was asked for.
  virtual Address BoundTo() const = 0;
};

class Network {
 public:
  using AcceptHandler = absl::AnyInvocable<void(std::unique_ptr<Stream>)>;
  virtual ~Network() = default;
  // Error when the address is bad or taken: the message names it and says which.
  virtual Result<std::unique_ptr<Listener>> Listen(const Address& address,
                                                   AcceptHandler accept) = 0;
  // Starts to connect at once; OnConnected or OnClosed tells how it ended, after Start was called.
  virtual std::unique_ptr<Stream> Connect(const Address& address) = 0;
};

}  // namespace cairn::env
