#include "src/http/http2_stream.h"

#include <algorithm>

#include "src/base/check.h"
#include "src/http/http2_session.h"

namespace cairn::http {
namespace {

constexpr size_t kKeptCapacity = 1024;

void ClearString(std::string& s) {
  if (s.capacity() > kKeptCapacity) {
    std::string().swap(s);
  } else {
    s.clear();
  }
}

}  // namespace

void SendQueue::Take(size_t size, std::string& out) {
  DCHECK(size <= bytes_);
  bytes_ -= size;
  while (size > 0) {
    Message& message = messages_[first_];
    const size_t prefix = message.raw ? 0 : kGrpcPrefixBytes;
    if (offset_ < prefix) {
      char bytes[kGrpcPrefixBytes];
      WriteGrpcPrefix(bytes, static_cast<uint32_t>(message.body.size()));
      const size_t n = std::min(size, prefix - offset_);
      out.append(bytes + offset_, n);
      offset_ += n;
      size -= n;
    }
    const size_t n = std::min(size, prefix + message.body.size() - offset_);
    if (n > 0) {
      out.append(message.body, offset_ - prefix, n);
      offset_ += n;
      size -= n;
    }
    if (offset_ == prefix + message.body.size()) {
      std::string().swap(message.body);
      ++first_;
      offset_ = 0;
    }
  }
  if (bytes_ == 0) {
    Clear();
  } else if (first_ > 64 && first_ * 2 > messages_.size()) {
    messages_.erase(messages_.begin(), messages_.begin() + static_cast<ptrdiff_t>(first_));
    first_ = 0;
  }
}

void SendQueue::Clear() {
  if (messages_.capacity() > 16) {
    std::vector<Message>().swap(messages_);
  } else {
    messages_.clear();
  }
  first_ = 0;
  offset_ = 0;
  bytes_ = 0;
}

void Http2Stream::OnTimer() { session->OnDeadline(*this); }

void Http2Stream::Reset() {
  Disarm();
  session = nullptr;
  id = 0;
  index = 0;
  kind = Kind::kHeaders;
  remote_closed = answered = headers_sent = deferred = cancel_due = false;
  method = nullptr;
  http_handler = nullptr;
  ClearString(path);
  ClearString(token);
  ClearString(verb);
  grpc_content_type = bad_encoding = bad_timeout = has_leader = false;
  header_too_large = has_timeout = false;
  timeout = env::Duration(0);
  header_bytes = 0;
  header_charge = 0;
  ClearString(in);
  handler.reset();
  out.Clear();
  status = StatusCode::kOk;
  ClearString(status_message);
}

}  // namespace cairn::http
