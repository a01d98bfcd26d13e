// Http2Session, the half that reads requests.
#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/http/grpc.h"
#include "src/http/http2_session.h"

namespace cairn::http {
namespace {

// What a stream costs before it carries a byte: nghttp2's state and ours.
constexpr size_t kStreamCharge = 1024;
// gRPC's server default for a connection without a stream.
constexpr env::Duration kPingMinTimeIdle = env::seconds(7200);
constexpr int kMaxPingStrikes = 2;

}  // namespace

void Http2Session::OpenStream(int32_t stream_id) {
  if (!connection_.TryCharge(kStreamCharge)) {
    // The client may try again: nothing of it was looked at.
    Submit(
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_REFUSED_STREAM));
    return;
  }
  std::unique_ptr<Http2Stream> stream = server_.http2->NewStream();
  stream->session = this;
  stream->id = stream_id;
  if (free_indexes_.empty()) {
    stream->index = static_cast<uint32_t>(streams_.size());
    streams_.emplace_back();
  } else {
    stream->index = free_indexes_.back();
    free_indexes_.pop_back();
  }
  header_stream_ = stream.get();
  nghttp2_session_set_stream_user_data(session_, stream_id, stream.get());
  streams_[stream->index] = std::move(stream);
  ++live_streams_;
  ++server_.stats.streams;
}

void Http2Session::CloseStream(Http2Stream& stream) {
  if (view_stream_ == &stream) view_stream_ = nullptr;
  if (header_stream_ == &stream) header_stream_ = nullptr;
  DropInput(stream);
  DropQueue(stream);
  connection_.Release(kStreamCharge + stream.header_charge);
  --live_streams_;
  --server_.stats.streams;
  nghttp2_session_set_stream_user_data(session_, stream.id, nullptr);
  if (stream.method != nullptr && !stream.answered) {
    CountHandled(stream, StatusCode::kCancelled);
    stream.cancel_due = true;
  }
  // Out of the table first: a handler that still calls finds nothing.
  std::unique_ptr<Http2Stream> owned = std::move(streams_[stream.index]);
  free_indexes_.push_back(stream.index);
  owned->Disarm();
  if (owned->handler != nullptr && owned->cancel_due) owned->handler->OnCancelled();
  server_.http2->Recycle(std::move(owned));
  if (live_streams_ == 0) {
    if (streams_.size() > 256) {
      std::vector<std::unique_ptr<Http2Stream>>().swap(streams_);
      std::vector<uint32_t>().swap(free_indexes_);
    }
    if (draining_) connection_.MarkDirty();
  }
}

void Http2Session::RecordHeader(Http2Stream& stream, std::string_view name,
                                std::string_view value) {
  stream.header_bytes +=
      name.size() + value.size() + 32;  // as SETTINGS_MAX_HEADER_LIST_SIZE counts
  if (stream.header_bytes > server_.options.max_header_bytes) {
    stream.header_too_large = true;
    return;
  }
  switch (name.size()) {
    case 5:
      if (name == ":path") {
        stream.method = server_.router.FindMethod(value);
        if (stream.method == nullptr) stream.path = value;
      } else if (name == "token") {
        stream.token = value;
      }
      break;
    case 7:
      if (name == ":method" && value != "POST") stream.verb = value;
      break;
    case 9:
      if (name == "hasleader") stream.has_leader = value == "true";
      break;
    case 12:
      if (name == "content-type") {
        stream.grpc_content_type = IsGrpcContentType(value);
      } else if (name == "grpc-timeout") {
        const std::optional<env::Duration> timeout = ParseGrpcTimeout(value);
        stream.has_timeout = timeout.has_value();
        stream.bad_timeout = !timeout.has_value();
        if (timeout.has_value()) stream.timeout = *timeout;
      }
      break;
    case 13:
      if (name == "grpc-encoding") {
        stream.bad_encoding = value != "identity";
      } else if (name == "authorization" && stream.token.empty()) {
        stream.token = value;
      }
      break;
    default:
      break;
  }
}

void Http2Session::OnRequestHeaders(Http2Stream& stream) {
  const size_t kept = stream.path.size() + stream.token.size() + stream.verb.size();
  if (!connection_.TryCharge(kept)) {
    stream.method = nullptr;
    stream.answered = true;
    Submit(
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_REFUSED_STREAM));
    return;
  }
  stream.header_charge = kept;
  const std::string_view path =
      stream.method != nullptr ? std::string_view(stream.method->stats.path) : stream.path;
  if (stream.header_too_large) {
    stream.kind = Http2Stream::Kind::kHttp;
    stream.method = nullptr;
    SimpleHttpAnswer(stream, 431, "the request's headers are too large\n");
  } else if (stream.grpc_content_type) {
    StartGrpc(stream);
  } else if (stream.http_handler = server_.router.FindHttp(path.substr(0, path.find('?')));
             stream.http_handler != nullptr) {
    stream.kind = Http2Stream::Kind::kHttp;
    if (stream.method != nullptr) stream.path = path;
    stream.method = nullptr;
  } else {
    stream.kind = Http2Stream::Kind::kHttp;
    const bool is_method = std::exchange(stream.method, nullptr) != nullptr;
    if (is_method) {
      SimpleHttpAnswer(stream, 415, "gRPC wants content-type application/grpc\n");
    } else {
      SimpleHttpAnswer(stream, 404, "not found\n");
    }
  }
}

void Http2Session::StartGrpc(Http2Stream& stream) {
  if (!stream.verb.empty()) {
    stream.kind = Http2Stream::Kind::kHttp;
    stream.method = nullptr;
    SimpleHttpAnswer(stream, 405, "gRPC wants POST\n");
    return;
  }
  stream.kind = Http2Stream::Kind::kUnary;
  Method* method = stream.method;
  if (method == nullptr) {
    // grpc-go's wording, by which clients tell an old server.
    const size_t slash = stream.path.rfind('/');
    const bool whole = slash != std::string::npos && slash > 0;
    FailCall(stream, Status(StatusCode::kUnimplemented,
                            whole ? "unknown method " + stream.path.substr(slash + 1) +
                                        " for service " + stream.path.substr(1, slash - 1)
                                  : "malformed method name: " + stream.path));
    return;
  }
  ++method->stats.started;
  if (method->stream) stream.kind = Http2Stream::Kind::kStreaming;
  if (stream.bad_encoding) {
    FailCall(stream, Status(StatusCode::kUnimplemented,
                            "grpc: compressed messages are not supported: send them with "
                            "grpc-encoding identity"));
    return;
  }
  if (stream.bad_timeout) {
    FailCall(stream, Status(StatusCode::kInternal, "malformed grpc-timeout"));
    return;
  }
  if (stream.has_timeout) {
    if (stream.timeout <= env::Duration(0)) {
      FailCall(stream, Status(StatusCode::kDeadlineExceeded, "context deadline exceeded"));
      return;
    }
    server_.call_timers.Arm(stream, last_receive_ + stream.timeout);
  }
  if (method->stream) {
    std::unique_ptr<StreamHandler> handler =
        method->stream(InfoOf(stream), StreamCall(RefOf(stream)));
    stream.handler = std::move(handler);
    CHECK(stream.handler != nullptr || stream.answered, "a streaming call without a handler");
  }
}

CallInfo Http2Session::InfoOf(const Http2Stream& stream) const {
  CallInfo info;
  info.path = stream.method->stats.path;
  info.peer = connection_.peer();
  info.token = stream.token;
  info.has_leader = stream.has_leader;
  if (stream.has_timeout) info.deadline = last_receive_ + stream.timeout;
  return info;
}

void Http2Session::OnBody(Http2Stream& stream, std::string_view chunk) {
  if (stream.answered) return;
  if (stream.kind == Http2Stream::Kind::kStreaming) {
    nghttp2_session_consume_stream(session_, stream.id, chunk.size());
    OnStreamingBody(stream, chunk);
    return;
  }
  if (stream.in.empty() && view_stream_ == nullptr) {
    view_stream_ = &stream;
    view_ = chunk;
    return;
  }
  CommitView();
  if (!stream.answered) Keep(stream, chunk);
}

// The bytes that were only looked at so far must be kept: the request has not ended with them.
void Http2Session::CommitView() {
  Http2Stream* stream = std::exchange(view_stream_, nullptr);
  if (stream != nullptr && !stream->answered) Keep(*stream, view_);
}

bool Http2Session::Keep(Http2Stream& stream, std::string_view bytes) {
  if (bytes.empty()) return true;
  const size_t size = stream.in.size() + bytes.size();
  if (stream.kind == Http2Stream::Kind::kHttp && size > server_.options.max_request_bytes) {
    DropInput(stream);
    SimpleHttpAnswer(stream, 413, "the request is too large\n");
    return false;
  }
  if (!connection_.TryCharge(bytes.size())) {
    const Status full(StatusCode::kResourceExhausted,
                      "too many requests at a time: the server's memory for them is full");
    if (stream.kind == Http2Stream::Kind::kHttp) {
      DropInput(stream);
      SimpleHttpAnswer(stream, 503, full.message() + "\n");
    } else {
      AbortCall(stream, full);
    }
    return false;
  }
  if (stream.in.empty()) ++partial_streams_;
  stream.in.append(bytes);
  if (stream.kind != Http2Stream::Kind::kStreaming) {
    nghttp2_session_consume_stream(session_, stream.id, bytes.size());
  }
  stream.in_progress_since = last_receive_;
  if (stream.kind == Http2Stream::Kind::kUnary && size >= kGrpcPrefixBytes) {
    const GrpcPrefix prefix = ReadGrpcPrefix(stream.in.data());
    Status wrong = CheckPrefix(prefix);
    if (wrong.ok() && size > kGrpcPrefixBytes + prefix.length) {
      wrong = Status(StatusCode::kInternal, "grpc: more than one message in a unary request");
    }
    if (!wrong.ok()) {
      FailCall(stream, wrong);
      return false;
    }
  }
  return true;
}

void Http2Session::DropInput(Http2Stream& stream) {
  if (stream.in.empty()) return;
  connection_.Release(stream.in.size());
  std::string().swap(stream.in);
  --partial_streams_;
}

Status Http2Session::CheckPrefix(GrpcPrefix prefix) const {
  if (prefix.flags == 1) {
    return Status(
        StatusCode::kUnimplemented,
        "grpc: compressed messages are not supported: send them with grpc-encoding identity");
  }
  if (prefix.flags != 0) {
    return Status(StatusCode::kInternal, "grpc: malformed message prefix");
  }
  if (prefix.length > server_.options.max_request_bytes) {
    return MessageTooLarge(prefix.length, server_.options.max_request_bytes);
  }
  return OkStatus();
}

void Http2Session::OnStreamingBody(Http2Stream& stream, std::string_view chunk) {
  while (!chunk.empty() && !stream.answered) {
    if (stream.in.empty() && chunk.size() >= kGrpcPrefixBytes) {
      const GrpcPrefix prefix = ReadGrpcPrefix(chunk.data());
      if (Status wrong = CheckPrefix(prefix); !wrong.ok()) {
        AbortCall(stream, wrong);
        return;
      }
      const size_t size = kGrpcPrefixBytes + prefix.length;
      if (chunk.size() >= size) {
        ++stream.method->stats.messages_received;
        stream.handler->OnMessage(chunk.substr(kGrpcPrefixBytes, prefix.length));
        chunk.remove_prefix(size);
        continue;
      }
      Keep(stream, chunk);
      return;
    }
    // Only as much as completes the prefix, then the message.
    size_t wanted = kGrpcPrefixBytes;
    if (stream.in.size() >= kGrpcPrefixBytes) {
      wanted += ReadGrpcPrefix(stream.in.data()).length;
    }
    const size_t part = std::min(chunk.size(), wanted - stream.in.size());
    if (!Keep(stream, chunk.substr(0, part))) return;
    chunk.remove_prefix(part);
    if (stream.in.size() < kGrpcPrefixBytes) return;
    const GrpcPrefix prefix = ReadGrpcPrefix(stream.in.data());
    if (Status wrong = CheckPrefix(prefix); !wrong.ok()) {
      AbortCall(stream, wrong);
      return;
    }
    if (stream.in.size() == kGrpcPrefixBytes + prefix.length) {
      ++stream.method->stats.messages_received;
      const std::string message = std::move(stream.in);
      stream.in.clear();
      --partial_streams_;
      stream.handler->OnMessage(std::string_view(message).substr(kGrpcPrefixBytes));
      connection_.Release(message.size());
    }
  }
}

void Http2Session::OnEndOfRequest(Http2Stream& stream) {
  stream.remote_closed = true;
  if (stream.answered) return;
  if (stream.kind == Http2Stream::Kind::kStreaming) {
    if (!stream.in.empty()) {
      AbortCall(stream, Status(StatusCode::kInternal,
                               "grpc: the request ended in the middle of a message"));
      return;
    }
    stream.handler->OnHalfClose();
    return;
  }
  std::string_view body = stream.in;
  if (view_stream_ == &stream) {
    body = view_;
    view_stream_ = nullptr;
  }
  if (stream.kind == Http2Stream::Kind::kUnary) {
    DispatchUnary(stream, body);
  } else {
    DispatchHttp(stream, body);
  }
}

void Http2Session::DispatchUnary(Http2Stream& stream, std::string_view body) {
  if (body.size() < kGrpcPrefixBytes) {
    FailCall(stream, Status(StatusCode::kInternal,
                            body.empty() ? "grpc: a unary request without a message"
                                         : "grpc: the request ended in the middle of a message"));
    return;
  }
  const GrpcPrefix prefix = ReadGrpcPrefix(body.data());
  Status wrong = CheckPrefix(prefix);
  body.remove_prefix(kGrpcPrefixBytes);
  if (wrong.ok() && body.size() != prefix.length) {
    wrong = Status(StatusCode::kInternal, body.size() < prefix.length
                                              ? "grpc: the request ended in the middle of a message"
                                              : "grpc: more than one message in a unary request");
  }
  if (!wrong.ok()) {
    FailCall(stream, wrong);
    return;
  }
  ++stream.method->stats.messages_received;
  const CallRef ref = RefOf(stream);
  stream.method->unary(InfoOf(stream), body, UnaryCall(ref));
  // The handler has had what it needs of the request.
  if (Http2Stream* still = Find(ref)) DropInput(*still);
}

void Http2Session::DispatchHttp(Http2Stream& stream, std::string_view body) {
  HttpRequest request;
  const std::string_view target = stream.path;
  const size_t question = target.find('?');
  request.method = stream.verb.empty() ? std::string_view("POST") : stream.verb;
  request.path = target.substr(0, question);
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  request.body = body;
  request.token = stream.token;
  request.peer = connection_.peer();
  const CallRef ref = RefOf(stream);
  (*stream.http_handler)(request, HttpCall(ref));
  if (Http2Stream* still = Find(ref)) DropInput(*still);
}

// gRPC's keep-alive policy: a ping that comes too early is a strike, and an answer sent in between
// clears them.
void Http2Session::OnPing() {
  const env::Time now = last_receive_;
  const bool first = !std::exchange(client_pinged_, true);
  const env::Time earliest =
      last_client_ping_ +
      (live_streams_ > 0 ? server_.options.keepalive_min_time : kPingMinTimeIdle);
  last_client_ping_ = now;
  if (std::exchange(sent_since_ping_, false) || first) {
    ping_strikes_ = 0;
    return;
  }
  if (now >= earliest) return;
  if (++ping_strikes_ <= kMaxPingStrikes) return;
  constexpr std::string_view kReason = "too_many_pings";  // grpc clients look for these words
  Submit(nghttp2_submit_goaway(
      session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
      NGHTTP2_ENHANCE_YOUR_CALM, reinterpret_cast<const uint8_t*>(kReason.data()), kReason.size()));
  failed_ = true;
}

void Http2Session::FailStalledUploads(env::Time now) {
  for (size_t i = 0; i < streams_.size(); ++i) {
    Http2Stream* stream = streams_[i].get();
    if (stream == nullptr || stream->in.empty() || stream->answered ||
        stream->in_progress_since + server_.options.idle_request_timeout > now) {
      continue;
    }
    if (stream->kind == Http2Stream::Kind::kHttp) {
      DropInput(*stream);
      SimpleHttpAnswer(*stream, 408, "the request stopped in the middle\n");
    } else {
      AbortCall(*stream, Status(StatusCode::kDeadlineExceeded,
                                "the request stopped in the middle of a message"));
    }
  }
}

// Gives the client back the window that `bytes` took, unless it does not read what it has asked for
// already. nghttp2 gathers this: a WINDOW_UPDATE goes out once half of a window is used.
void Http2Session::Credit(size_t bytes) {
  withheld_bytes_ += bytes;
  if (queued_bytes_ > server_.options.connection_budget_bytes / 2) return;
  nghttp2_session_consume_connection(session_, std::exchange(withheld_bytes_, 0));
}

}  // namespace cairn::http
