// Session: one connection's protocol, HTTP/2 or HTTP/1.1, between the bytes and the calls. And the
// slot by which a CallRef finds it, or finds that it is gone.
#pragma once

#include <atomic>
#include <string>
#include <string_view>

#include "src/http/server.h"

namespace cairn::http {

// Slots live as long as the process and are used again, so a CallRef may outlive everything. The
// generation is read before `session`, and differs once the slot has passed on.
struct SessionSlot {
  std::atomic<uint32_t> generation{0};
  Session* session = nullptr;
};

// Owns a slot for as long as a session lives.
class SessionSlotHolder {
 public:
  explicit SessionSlotHolder(Session* session);
  SessionSlotHolder(const SessionSlotHolder&) = delete;
  SessionSlotHolder& operator=(const SessionSlotHolder&) = delete;
  ~SessionSlotHolder();

  CallRef Ref(uint32_t index, int32_t stream) const {
    return CallRef(slot_, generation_, index, stream);
  }

 private:
  SessionSlot* slot_;
  uint32_t generation_;
};

inline Session* CallRef::session() const {
  if (slot_ == nullptr || slot_->generation.load(std::memory_order_relaxed) != generation_) {
    return nullptr;
  }
  return slot_->session;
}

class Session {
 public:
  Session() : slot_(this) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual ~Session() = default;

  // ---- For the connection. None of these destroys the session.

  // False when the connection must be closed (what Fill has to say is still sent).
  virtual bool OnData(std::string_view bytes) = 0;
  // Appends what is to be sent, until `out` holds `limit` bytes or a little more.
  virtual void Fill(std::string& out, size_t limit) = 0;
  // Nothing more will come or go: close once everything is written.
  virtual bool finished() const = 0;
  // The connection is gone: tells every call. No call on the session follows.
  virtual void OnConnectionClosed() = 0;
  // When OnTimer is next wanted, if nothing happens until then; asked after each event.
  virtual env::Time NextTimer() const = 0;
  // False when the connection must be closed now: it has been idle, or silent, for too long.
  virtual bool OnTimer() = 0;
  // Serves what has begun and then finishes.
  virtual void StartDrain() = 0;
  // Asks for another Fill.
  virtual void WantFlush() = 0;
  // Names the session itself.
  CallRef self() const { return slot_.Ref(0, 0); }

  // ---- For calls. A `ref` whose call is over does nothing.

  virtual void Reply(CallRef ref, std::string message) = 0;
  virtual size_t Send(CallRef ref, std::string message) = 0;
  virtual void Finish(CallRef ref, const Status& status) = 0;  // also the failure of a unary call
  virtual size_t UnsentBytes(CallRef ref) const = 0;
  virtual bool Cancelled(CallRef ref) const = 0;
  virtual void HttpReply(CallRef ref, int status, std::string_view type, std::string body) = 0;
  virtual void HttpBegin(CallRef ref, int status, std::string_view type) = 0;
  virtual size_t HttpSend(CallRef ref, std::string piece) = 0;
  virtual void HttpEnd(CallRef ref) = 0;

 protected:
  SessionSlotHolder slot_;
};

}  // namespace cairn::http
