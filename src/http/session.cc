#include "src/http/session.h"

#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace cairn::http {
namespace {

// Shared by all servers of the process, which may run on several threads. Taken once a connection.
class SlotPool {
 public:
  static SlotPool& Instance() {
    static auto* pool = new SlotPool;  // never destroyed: a CallRef may be used until the very end
    return *pool;
  }
  SessionSlot* Take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return &slots_.emplace_back();
    SessionSlot* slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void Return(SessionSlot* slot) {
    const std::lock_guard lock(mutex_);
    free_.push_back(slot);
  }

 private:
  std::mutex mutex_;
  std::deque<SessionSlot> slots_;
  std::vector<SessionSlot*> free_;
};

}  // namespace

SessionSlotHolder::SessionSlotHolder(Session* session)
    : slot_(SlotPool::Instance().Take()),
      generation_(slot_->generation.load(std::memory_order_relaxed)) {
  slot_->session = session;
}

SessionSlotHolder::~SessionSlotHolder() {
  slot_->generation.store(generation_ + 1, std::memory_order_relaxed);
  slot_->session = nullptr;
  SlotPool::Instance().Return(slot_);
}

void UnaryCall::Reply(std::string message) {
  if (Session* s = ref_.session()) s->Reply(ref_, std::move(message));
}
void UnaryCall::Fail(const Status& status) {
  if (Session* s = ref_.session()) s->Finish(ref_, status);
}
bool UnaryCall::cancelled() const {
  const Session* s = ref_.session();
  return s == nullptr || s->Cancelled(ref_);
}

size_t StreamCall::Send(std::string message) {
  Session* s = ref_.session();
  return s == nullptr ? 0 : s->Send(ref_, std::move(message));
}
void StreamCall::Finish(const Status& status) {
  if (Session* s = ref_.session()) s->Finish(ref_, status);
}
size_t StreamCall::unsent_bytes() const {
  const Session* s = ref_.session();
  return s == nullptr ? 0 : s->UnsentBytes(ref_);
}
bool StreamCall::cancelled() const {
  const Session* s = ref_.session();
  return s == nullptr || s->Cancelled(ref_);
}

void HttpCall::Reply(int status, std::string_view content_type, std::string body) {
  if (Session* s = ref_.session()) s->HttpReply(ref_, status, content_type, std::move(body));
}
void HttpCall::Begin(int status, std::string_view content_type) {
  if (Session* s = ref_.session()) s->HttpBegin(ref_, status, content_type);
}
size_t HttpCall::Send(std::string piece) {
  Session* s = ref_.session();
  return s == nullptr ? 0 : s->HttpSend(ref_, std::move(piece));
}
void HttpCall::End() {
  if (Session* s = ref_.session()) s->HttpEnd(ref_);
}
bool HttpCall::cancelled() const {
  const Session* s = ref_.session();
  return s == nullptr || s->Cancelled(ref_);
}

}  // namespace cairn::http
