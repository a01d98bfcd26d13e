// Http2Session, the half that answers.
#include <array>
#include <charconv>
#include <utility>

#include "src/base/check.h"
#include "src/http/grpc.h"
#include "src/http/http2_session.h"

namespace cairn::http {
namespace {

uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));  // nghttp2 only reads them
}

// A field whose strings live for ever.
nghttp2_nv StaticField(std::string_view name, std::string_view value) {
  return {Bytes(name), Bytes(value), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

// A field whose name lives for ever.
nghttp2_nv Field(std::string_view name, std::string_view value) {
  return {Bytes(name), Bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

}  // namespace

void Http2Session::Reply(CallRef ref, std::string message) {
  Http2Stream* stream = Find(ref);
  if (stream == nullptr || stream->answered) return;
  DCHECK(stream->kind == Http2Stream::Kind::kUnary);
  if (!Queue(*stream, std::move(message), /*raw=*/false)) {
    FailCall(*stream, Status(StatusCode::kResourceExhausted,
                             "the answer does not fit into what this connection may keep waiting: "
                             "read answers faster, or ask for less at a time"));
    return;
  }
  ++stream->method->stats.messages_sent;
  EndAnswer(*stream, OkStatus());
}

size_t Http2Session::Send(CallRef ref, std::string message) {
  Http2Stream* stream = Find(ref);
  if (stream == nullptr || stream->answered) return 0;
  DCHECK(stream->kind == Http2Stream::Kind::kStreaming);
  if (!Queue(*stream, std::move(message), /*raw=*/false)) {
    FailCall(*stream, Status(StatusCode::kResourceExhausted,
                             "the client does not read this stream fast enough"));
    // Not from within the handler's own call.
    stream->cancel_due = true;
    server_.env.executor.Post([ref] {
      if (Session* session = ref.session()) static_cast<Http2Session*>(session)->TellCancelled(ref);
    });
    return 0;
  }
  ++stream->method->stats.messages_sent;
  if (!stream->headers_sent) {
    SubmitGrpcHeaders(*stream);
  } else {
    Resume(*stream);
  }
  return stream->out.bytes();
}

void Http2Session::TellCancelled(CallRef ref) {
  Http2Stream* stream = Find(ref);
  if (stream == nullptr || stream->handler == nullptr || !stream->cancel_due) return;
  stream->cancel_due = false;
  stream->handler->OnCancelled();
}

void Http2Session::Finish(CallRef ref, const Status& status) {
  Http2Stream* stream = Find(ref);
  if (stream == nullptr || stream->answered) return;
  EndAnswer(*stream, status);
}

size_t Http2Session::UnsentBytes(CallRef ref) const {
  const Http2Stream* stream = Find(ref);
  return stream == nullptr ? 0 : stream->out.bytes();
}

bool Http2Session::Cancelled(CallRef ref) const {
  const Http2Stream* stream = Find(ref);
  return stream == nullptr || stream->answered;
}

void Http2Session::OnDeadline(Http2Stream& stream) {
  if (stream.answered) return;
  AbortCall(stream, Status(StatusCode::kDeadlineExceeded, "context deadline exceeded"));
}

bool Http2Session::Queue(Http2Stream& stream, std::string message, bool raw) {
  const size_t size = message.size() + (raw ? 0 : kGrpcPrefixBytes);
  if (!connection_.TryCharge(size)) {
    // One answer larger than the connection's budget is let through alone.
    const bool alone = queued_bytes_ == 0 &&
                       server_.stats.budget_used + size <= server_.options.server_budget_bytes;
    if (!alone) return false;
    connection_.Charge(size);
  }
  if (queued_bytes_ == 0) answer_progress_ = server_.env.executor.Now();
  queued_bytes_ += size;
  stream.out.Push(std::move(message), raw);
  sent_since_ping_ = true;
  return true;
}

void Http2Session::DropQueue(Http2Stream& stream) {
  const size_t bytes = stream.out.bytes();
  connection_.Release(bytes);
  queued_bytes_ -= bytes;
  stream.out.Clear();
}

void Http2Session::Resume(Http2Stream& stream) {
  if (!stream.deferred) return;
  stream.deferred = false;
  Submit(nghttp2_session_resume_data(session_, stream.id));
}

void Http2Session::CountHandled(Http2Stream& stream, StatusCode code) {
  if (stream.method != nullptr) ++stream.method->stats.handled[static_cast<size_t>(code)];
}

void Http2Session::FailCall(Http2Stream& stream, const Status& status) {
  if (stream.answered) return;
  DropInput(stream);
  DropQueue(stream);
  EndAnswer(stream, status);
}

void Http2Session::AbortCall(Http2Stream& stream, const Status& status) {
  FailCall(stream, status);
  if (stream.handler != nullptr) stream.handler->OnCancelled();
}

void Http2Session::EndAnswer(Http2Stream& stream, const Status& status) {
  stream.answered = true;
  stream.Disarm();
  stream.status = status.code();
  if (!status.ok()) stream.status_message = EncodeGrpcMessage(status.message());
  sent_since_ping_ = true;
  CountHandled(stream, status.code());
  if (stream.headers_sent) {
    Resume(stream);
  } else if (stream.out.bytes() == 0) {
    SubmitTrailersOnly(stream);
  } else {
    SubmitGrpcHeaders(stream);
  }
}

void Http2Session::SubmitGrpcHeaders(Http2Stream& stream) {
  static const std::array<nghttp2_nv, 2> kHeaders = {
      StaticField(":status", "200"), StaticField("content-type", "application/grpc")};
  stream.headers_sent = true;
  const nghttp2_data_provider provider = {{.ptr = &stream}, &Http2Session::ReadAnswer};
  Submit(nghttp2_submit_response(session_, stream.id, kHeaders.data(), kHeaders.size(), &provider));
}

void Http2Session::SubmitTrailersOnly(Http2Stream& stream) {
  stream.headers_sent = true;
  std::array<nghttp2_nv, 5> fields;
  size_t n = 0;
  fields[n++] = StaticField(":status", "200");
  fields[n++] = StaticField("content-type", "application/grpc");
  fields[n++] = StaticField("grpc-status", StatusCodeText(stream.status));
  if (!stream.status_message.empty()) fields[n++] = Field("grpc-message", stream.status_message);
  if (stream.status == StatusCode::kUnimplemented) {
    fields[n++] = StaticField("grpc-accept-encoding", "identity");
  }
  Submit(nghttp2_submit_response(session_, stream.id, fields.data(), n, nullptr));
}

void Http2Session::SubmitTrailers(Http2Stream& stream) {
  std::array<nghttp2_nv, 2> fields;
  size_t n = 0;
  fields[n++] = StaticField("grpc-status", StatusCodeText(stream.status));
  if (!stream.status_message.empty()) fields[n++] = Field("grpc-message", stream.status_message);
  Submit(nghttp2_submit_trailer(session_, stream.id, fields.data(), n));
}

void Http2Session::HttpReply(CallRef ref, int status, std::string_view type, std::string body) {
  Http2Stream* stream = Find(ref);
  if (stream == nullptr || stream->answered || stream->headers_sent) return;
  const auto length = static_cast<int64_t>(body.size());
  const bool body_follows = length > 0 && stream->verb != "HEAD";
  if (body_follows && !Queue(*stream, std::move(body), /*raw=*/true)) {
    SimpleHttpAnswer(*stream, 503, "too many answers wait for this client\n");
    return;
  }
  stream->answered = true;
  SubmitHttpHeaders(*stream, status, type, length, body_follows);
}

void Http2Session::HttpBegin(CallRef ref, int status, std::string_view type) {
  Http2Stream* stream = Find(ref);
  if (stream == nullptr || stream->answered || stream->headers_sent) return;
  if (stream->verb == "HEAD") stream->answered = true;
  SubmitHttpHeaders(*stream, status, type, -1, !stream->answered);
}

size_t Http2Session::HttpSend(CallRef ref, std::string piece) {
  Http2Stream* stream = Find(ref);
  if (stream == nullptr || stream->answered || !stream->headers_sent) return 0;
  if (!Queue(*stream, std::move(piece), /*raw=*/true)) {
    // No status can follow any more: the client sees the stream break off.
    stream->answered = true;
    Submit(nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream->id,
                                     NGHTTP2_ENHANCE_YOUR_CALM));
    return 0;
  }
  Resume(*stream);
  return stream->out.bytes();
}

void Http2Session::HttpEnd(CallRef ref) {
  Http2Stream* stream = Find(ref);
  if (stream == nullptr || stream->answered || !stream->headers_sent) return;
  stream->answered = true;
  Resume(*stream);
}

void Http2Session::SubmitHttpHeaders(Http2Stream& stream, int status, std::string_view type,
                                     int64_t length, bool body_follows) {
  stream.headers_sent = true;
  sent_since_ping_ = true;
  const std::string status_text = std::to_string(status);
  const std::string length_text = std::to_string(length);
  std::array<nghttp2_nv, 3> fields;
  size_t n = 0;
  fields[n++] = Field(":status", status_text);
  if (!type.empty()) fields[n++] = Field("content-type", type);
  if (length >= 0) fields[n++] = Field("content-length", length_text);
  const nghttp2_data_provider provider = {{.ptr = &stream}, &Http2Session::ReadAnswer};
  Submit(nghttp2_submit_response(session_, stream.id, fields.data(), n,
                                 body_follows ? &provider : nullptr));
}

void Http2Session::SimpleHttpAnswer(Http2Stream& stream, int status, std::string_view text) {
  if (stream.answered || stream.headers_sent) return;
  const bool body_follows = stream.verb != "HEAD";
  const auto length = static_cast<int64_t>(text.size());
  if (body_follows) {
    connection_.Charge(text.size());
    queued_bytes_ += text.size();
    stream.out.Push(std::string(text), /*raw=*/true);
  }
  stream.answered = true;
  SubmitHttpHeaders(stream, status, "text/plain; charset=utf-8", length, body_follows);
}

// In a later turn, so that a client that reads as fast as its handler writes does not hold up the
// others.
void Http2Session::NotifyDrained() {
  if (drained_.empty()) return;
  server_.env.executor.Post([refs = std::exchange(drained_, {})] {
    for (const CallRef ref : refs) {
      Session* session = ref.session();
      if (session != nullptr) static_cast<Http2Session*>(session)->TellDrained(ref);
    }
  });
}

void Http2Session::TellDrained(CallRef ref) {
  Http2Stream* stream = Find(ref);
  if (stream == nullptr || stream->handler == nullptr || stream->answered) return;
  if (stream->out.bytes() == 0) stream->handler->OnDrained();
}

}  // namespace cairn::http
