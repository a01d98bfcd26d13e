// Http2Stream: one request on an HTTP/2 connection, from its first header to its last frame.
// Objects are used again: a call allocates nothing here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/http/grpc.h"
#include "src/http/router.h"
#include "src/http/server.h"
#include "src/http/timing_wheel.h"

namespace cairn::http {

class Http2Session;

// Messages that wait to be sent, each with its gRPC prefix unless `raw`; taken out in pieces of any
// size.
class SendQueue {
 public:
  void Push(std::string message, bool raw) {
    bytes_ += message.size() + (raw ? 0 : kGrpcPrefixBytes);
    messages_.push_back({std::move(message), raw});
  }
  // Appends exactly `size` bytes (at most bytes()) to `out`.
  void Take(size_t size, std::string& out);
  size_t bytes() const { return bytes_; }
  void Clear();

 private:
  struct Message {
    std::string body;
    bool raw = false;
  };
  std::vector<Message> messages_;
  size_t first_ = 0;   // messages before it are sent
  size_t offset_ = 0;  // in messages_[first_], counted from its prefix on
  size_t bytes_ = 0;
};

struct Http2Stream final : TimingWheel::Timer {
  enum class Kind : uint8_t {
    kHeaders,  // its header block is not whole yet
    kUnary,
    kStreaming,
    kHttp,  // a request without gRPC
  };

  void OnTimer() override;  // the deadline
  // As new, keeping small allocations.
  void Reset();
  bool grpc() const { return kind == Kind::kUnary || kind == Kind::kStreaming; }

  Http2Session* session = nullptr;
  int32_t id = 0;
  uint32_t index = 0;  // in the session's table

  Kind kind = Kind::kHeaders;
  bool remote_closed = false;  // END_STREAM has come
  bool answered = false;      // the last word is said: what handler or client still send is dropped
  bool headers_sent = false;  // response headers are submitted
  bool deferred = false;      // nghttp2 waits for resume_data
  bool cancel_due = false;    // the handler has yet to hear that the call was ended

  // ---- The request. Headers:
  Method* method = nullptr;
  HttpHandler* http_handler = nullptr;
  std::string path, token, verb;
  bool grpc_content_type = false;
  bool bad_encoding = false;
  bool bad_timeout = false;
  bool has_leader = false;
  bool header_too_large = false;
  bool has_timeout = false;
  env::Duration timeout{0};
  size_t header_bytes = 0;
  size_t header_charge = 0;  // for the strings above
  // Body: the part of a message that has come, charged to the connection.
  std::string in;
  env::Time in_progress_since;

  // ---- The answer.
  std::unique_ptr<StreamHandler> handler;
  SendQueue out;  // its bytes are charged
  StatusCode status = StatusCode::kOk;
  std::string status_message;  // percent-encoded
};

}  // namespace cairn::http
