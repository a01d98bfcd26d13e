#include "src/http/http2_session.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"

namespace cairn::http {
namespace {

constexpr size_t kKeptStreams = 1024;
// What a client may send of one message, and on one connection, before it hears from us again.
constexpr uint32_t kStreamWindow = 1 << 20;
constexpr int32_t kConnectionWindow = 4 << 20;
// A client that resets streams faster than this is attacking (CVE-2023-44487).
constexpr uint64_t kResetBurst = 10'000;
constexpr uint64_t kResetsPerSecond = 1'000;
// After the first GOAWAY a client has this long to hear of it.
constexpr env::Duration kDrainNotice = env::seconds(1);

std::string_view View(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

Http2Shared::Http2Shared(const Options& options) {
  CHECK_EQ(nghttp2_session_callbacks_new(&callbacks_), 0);
  CHECK_EQ(nghttp2_option_new(&option_), 0);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks_,
                                                          &Http2Session::OnBeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(callbacks_, &Http2Session::OnHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks_, &Http2Session::OnFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks_, &Http2Session::OnDataChunk);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks_, &Http2Session::OnStreamClose);
  nghttp2_session_callbacks_set_send_data_callback(callbacks_, &Http2Session::SendAnswer);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks_, &Http2Session::OnFrameSent);
  nghttp2_option_set_no_auto_window_update(option_, 1);
  nghttp2_option_set_no_closed_streams(option_, 1);
  nghttp2_option_set_stream_reset_rate_limit(option_, kResetBurst, kResetsPerSecond);
  nghttp2_option_set_max_continuations(option_, options.max_header_bytes / 16384 + 8);
  nghttp2_option_set_max_outbound_ack(option_, 1000);
}

Http2Shared::~Http2Shared() {
  nghttp2_option_del(option_);
  nghttp2_session_callbacks_del(callbacks_);
}

std::unique_ptr<Http2Stream> Http2Shared::NewStream() {
  if (free_.empty()) return std::make_unique<Http2Stream>();
  std::unique_ptr<Http2Stream> stream = std::move(free_.back());
  free_.pop_back();
  return stream;
}

void Http2Shared::Recycle(std::unique_ptr<Http2Stream> stream) {
  stream->Reset();
  if (free_.size() < kKeptStreams) free_.push_back(std::move(stream));
}

std::unique_ptr<Session> NewHttp2Session(Connection& connection) {
  return std::make_unique<Http2Session>(connection);
}

Http2Session::Http2Session(Connection& connection)
    : connection_(connection),
      server_(connection.server()),
      last_receive_(server_.env.executor.Now()) {
  CHECK_EQ(nghttp2_session_server_new2(&session_, server_.http2->callbacks(), this,
                                       server_.http2->option()),
           0);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server_.options.max_concurrent_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
       static_cast<uint32_t>(std::min<size_t>(server_.options.max_header_bytes, UINT32_MAX))},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
  Submit(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings)));
  Submit(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow));
}

Http2Session::~Http2Session() { nghttp2_session_del(session_); }

// nghttp2 refuses a submission only when a stream is gone (then there is nothing to say) or memory
// is.
void Http2Session::Submit(int result) {
  CHECK(result != NGHTTP2_ERR_NOMEM, "out of memory");
  connection_.MarkDirty();
}

bool Http2Session::OnData(std::string_view bytes) {
  last_receive_ = server_.env.executor.Now();
  ping_sent_ = env::Time::Never();
  const ssize_t taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  CommitView();
  if (taken < 0) {
    // Not HTTP/2, or a flood: say goodbye if that is possible.
    nghttp2_session_terminate_session(session_, taken == NGHTTP2_ERR_FLOODED
                                                    ? NGHTTP2_ENHANCE_YOUR_CALM
                                                    : NGHTTP2_PROTOCOL_ERROR);
    failed_ = true;
    connection_.MarkDirty();
    return false;
  }
  if (nghttp2_session_want_write(session_) != 0 || finished()) connection_.MarkDirty();
  return !failed_;
}

void Http2Session::Fill(std::string& out, size_t limit) {
  out_ = &out;
  fill_limit_ = limit;
  if (withheld_bytes_ > 0) Credit(0);
  while (out.size() < limit) {
    const uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size < 0) failed_ = true;
    if (size <= 0) break;
    out.append(View(data, static_cast<size_t>(size)));
  }
  out_ = nullptr;
  NotifyDrained();
}

bool Http2Session::finished() const {
  if (failed_) return true;
  if (nghttp2_session_want_write(session_) != 0) return false;
  return nghttp2_session_want_read(session_) == 0 || (final_goaway_sent_ && live_streams_ == 0);
}

void Http2Session::OnConnectionClosed() {
  for (size_t i = 0; i < streams_.size(); ++i) {
    if (streams_[i] != nullptr) CloseStream(*streams_[i]);
  }
}

void Http2Session::WantFlush() { connection_.MarkDirty(); }

env::Time Http2Session::NextTimer() const {
  const Options& options = server_.options;
  env::Time next = ping_sent_ == env::Time::Never() ? last_receive_ + options.keepalive_interval
                                                    : ping_sent_ + options.keepalive_timeout;
  if (header_block_since_ != env::Time::Never()) {
    next = std::min(next, header_block_since_ + options.idle_request_timeout);
  }
  if (partial_streams_ > 0) next = std::min(next, last_receive_ + options.idle_request_timeout);
  if (queued_bytes_ > 0) next = std::min(next, answer_progress_ + options.stalled_write_timeout);
  if (draining_ && !final_goaway_sent_) next = std::min(next, drain_started_ + kDrainNotice);
  return next;
}

bool Http2Session::OnTimer() {
  const Options& options = server_.options;
  const env::Time now = server_.env.executor.Now();
  if (header_block_since_ != env::Time::Never() &&
      header_block_since_ + options.idle_request_timeout <= now) {
    return false;
  }
  if (ping_sent_ != env::Time::Never()) {
    if (ping_sent_ + options.keepalive_timeout <= now) return false;
  } else if (last_receive_ + options.keepalive_interval <= now) {
    ping_sent_ = now;
    Submit(nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr));
  }
  if (partial_streams_ > 0) FailStalledUploads(now);
  if (queued_bytes_ > 0 && answer_progress_ + options.stalled_write_timeout <= now) {
    // A client that opens no window may be slow, and is let be, unless others could use the memory.
    if (server_.UnderPressure()) return false;
    answer_progress_ = now;
  }
  if (draining_ && drain_started_ + kDrainNotice <= now) SendFinalGoaway();
  return true;
}

// The first GOAWAY forbids nothing yet: requests under way when the client hears of it are still
// served. The second, after the client has answered our ping, says which was the last (RFC 9113,
// section 6.8).
void Http2Session::StartDrain() {
  if (draining_) return;
  draining_ = true;
  drain_started_ = server_.env.executor.Now();
  nghttp2_submit_shutdown_notice(session_);
  Submit(nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr));
}

void Http2Session::SendFinalGoaway() {
  if (final_goaway_sent_) return;
  final_goaway_sent_ = true;
  Submit(nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                               nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                               nullptr, 0));
}

int Http2Session::OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* self) {
  auto* session = static_cast<Http2Session*>(self);
  session->header_stream_ = nullptr;
  session->header_block_since_ = session->last_receive_;
  session->header_block_stream_ = frame->hd.stream_id;
  if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) session->OpenStream(frame->hd.stream_id);
  return 0;
}

int Http2Session::OnHeader(nghttp2_session*, const nghttp2_frame*, const uint8_t* name,
                           size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                           void* self) {
  auto* session = static_cast<Http2Session*>(self);
  if (session->header_stream_ != nullptr) {
    session->RecordHeader(*session->header_stream_, View(name, name_size), View(value, value_size));
  }
  return 0;
}

int Http2Session::OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
  auto* session = static_cast<Http2Session*>(self);
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS: {
      session->header_block_since_ = env::Time::Never();
      Http2Stream* stream = std::exchange(session->header_stream_, nullptr);
      if (stream != nullptr) {
        session->OnRequestHeaders(*stream);
      } else {
        stream = session->StreamOf(frame->hd.stream_id);  // the client's trailers
      }
      if (stream != nullptr && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        session->OnEndOfRequest(*stream);
      }
      break;
    }
    case NGHTTP2_DATA:
      if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        Http2Stream* stream = session->StreamOf(frame->hd.stream_id);
        if (stream != nullptr) session->OnEndOfRequest(*stream);
      }
      session->CommitView();
      break;
    case NGHTTP2_PING:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
        session->OnPing();
      } else if (session->draining_) {
        session->SendFinalGoaway();
      }
      break;
    default:
      break;
  }
  return 0;
}

int Http2Session::OnDataChunk(nghttp2_session*, uint8_t, int32_t stream_id, const uint8_t* data,
                              size_t size, void* self) {
  auto* session = static_cast<Http2Session*>(self);
  session->Credit(size);
  Http2Stream* stream = session->StreamOf(stream_id);
  if (stream != nullptr) session->OnBody(*stream, View(data, size));
  return 0;
}

int Http2Session::OnStreamClose(nghttp2_session*, int32_t stream_id, uint32_t, void* self) {
  auto* session = static_cast<Http2Session*>(self);
  Http2Stream* stream = session->StreamOf(stream_id);
  if (stream != nullptr) session->CloseStream(*stream);
  // A header block that nghttp2 rejects ends here and not in OnFrame.
  if (stream_id == session->header_block_stream_) session->header_block_since_ = env::Time::Never();
  return 0;
}

ssize_t Http2Session::ReadAnswer(nghttp2_session*, int32_t, uint8_t*, size_t size, uint32_t* flags,
                                 nghttp2_data_source* source, void* self) {
  auto* session = static_cast<Http2Session*>(self);
  auto* stream = static_cast<Http2Stream*>(source->ptr);
  const size_t waiting = stream->out.bytes();
  if (waiting == 0 && !stream->answered) {
    stream->deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  if (session->out_->size() >= session->fill_limit_) return NGHTTP2_ERR_PAUSE;
  const size_t taken = std::min(size, waiting);
  if (taken > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (stream->answered && taken == waiting) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->grpc()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      session->SubmitTrailers(*stream);
    }
  }
  return static_cast<ssize_t>(taken);
}

int Http2Session::SendAnswer(nghttp2_session*, nghttp2_frame*, const uint8_t* frame_header,
                             size_t size, nghttp2_data_source* source, void* self) {
  constexpr size_t kFrameHeaderBytes = 9;
  auto* session = static_cast<Http2Session*>(self);
  auto* stream = static_cast<Http2Stream*>(source->ptr);
  session->out_->append(View(frame_header, kFrameHeaderBytes));
  stream->out.Take(size, *session->out_);
  session->connection_.Release(size);
  session->queued_bytes_ -= size;
  session->answer_progress_ = session->server_.env.executor.Now();
  if (stream->out.bytes() == 0 && stream->handler != nullptr && !stream->answered) {
    session->drained_.push_back(session->RefOf(*stream));
  }
  return 0;
}

// An answer that is complete before its request takes the rest of the request back (RFC 9113,
// section 8.1). Not submitted earlier: nghttp2 drops what is queued before a reset.
int Http2Session::OnFrameSent(nghttp2_session*, const nghttp2_frame* frame, void* self) {
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 ||
      (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)) {
    return 0;
  }
  auto* session = static_cast<Http2Session*>(self);
  const Http2Stream* stream = session->StreamOf(frame->hd.stream_id);
  if (stream != nullptr && !stream->remote_closed) {
    session->Submit(nghttp2_submit_rst_stream(session->session_, NGHTTP2_FLAG_NONE, stream->id,
                                              NGHTTP2_NO_ERROR));
  }
  return 0;
}

}  // namespace cairn::http
