// Http2Session: HTTP/2 by nghttp2, and gRPC on it.
//
// nghttp2 owns the state of connection and streams, HPACK and flow control; here are the calls.
// Request bytes are looked at where they arrived: a unary message that came in one frame is handed
// to its handler out of the loop's receive buffer. Answers wait in their stream's queue and are
// copied once, into the connection's output, when flow control lets them go.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/http/connection.h"
#include "src/http/http2_stream.h"
#include "src/http/session.h"

namespace cairn::http {

// What all HTTP/2 sessions of a server share.
class Http2Shared {
 public:
  explicit Http2Shared(const Options& options);
  Http2Shared(const Http2Shared&) = delete;
  Http2Shared& operator=(const Http2Shared&) = delete;
  ~Http2Shared();

  std::unique_ptr<Http2Stream> NewStream();
  void Recycle(std::unique_ptr<Http2Stream> stream);

  const nghttp2_session_callbacks* callbacks() const { return callbacks_; }
  const nghttp2_option* option() const { return option_; }

 private:
  nghttp2_session_callbacks* callbacks_ = nullptr;
  nghttp2_option* option_ = nullptr;
  std::vector<std::unique_ptr<Http2Stream>> free_;
};

class Http2Session final : public Session {
 public:
  explicit Http2Session(Connection& connection);
  ~Http2Session() override;

  bool OnData(std::string_view bytes) override;
  void Fill(std::string& out, size_t limit) override;
  bool finished() const override;
  void OnConnectionClosed() override;
  env::Time NextTimer() const override;
  bool OnTimer() override;
  void StartDrain() override;
  void WantFlush() override;

  void Reply(CallRef ref, std::string message) override;
  size_t Send(CallRef ref, std::string message) override;
  void Finish(CallRef ref, const Status& status) override;
  size_t UnsentBytes(CallRef ref) const override;
  bool Cancelled(CallRef ref) const override;
  void HttpReply(CallRef ref, int status, std::string_view type, std::string body) override;
  void HttpBegin(CallRef ref, int status, std::string_view type) override;
  size_t HttpSend(CallRef ref, std::string piece) override;
  void HttpEnd(CallRef ref) override;

  void OnDeadline(Http2Stream& stream);

 private:
  friend class Http2Shared;

  // ---- nghttp2's callbacks (http2_session.cc).
  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t flags,
                      void* self);
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int OnDataChunk(nghttp2_session*, uint8_t flags, int32_t stream_id, const uint8_t* data,
                         size_t size, void* self);
  static int OnFrameSent(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int OnStreamClose(nghttp2_session*, int32_t stream_id, uint32_t error, void* self);
  static ssize_t ReadAnswer(nghttp2_session*, int32_t stream_id, uint8_t* into, size_t size,
                            uint32_t* flags, nghttp2_data_source* source, void* self);
  static int SendAnswer(nghttp2_session*, nghttp2_frame* frame, const uint8_t* frame_header,
                        size_t size, nghttp2_data_source* source, void* self);

  Http2Stream* StreamOf(int32_t stream_id) const {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session_, stream_id));
  }
  // Null when the call is over.
  Http2Stream* Find(CallRef ref) const {
    if (ref.index() >= streams_.size()) return nullptr;
    Http2Stream* stream = streams_[ref.index()].get();
    return stream != nullptr && stream->id == ref.stream() ? stream : nullptr;
  }
  CallRef RefOf(const Http2Stream& stream) const { return slot_.Ref(stream.index, stream.id); }

  // ---- Requests (http2_request.cc).
  void OpenStream(int32_t stream_id);
  void RecordHeader(Http2Stream& stream, std::string_view name, std::string_view value);
  void OnRequestHeaders(Http2Stream& stream);
  void StartGrpc(Http2Stream& stream);
  void StartHttp(Http2Stream& stream);
  void OnBody(Http2Stream& stream, std::string_view chunk);
  void OnStreamingBody(Http2Stream& stream, std::string_view chunk);
  // Appends to stream.in; false (and the call has failed) if the budget does not allow it.
  bool Keep(Http2Stream& stream, std::string_view bytes);
  void DropInput(Http2Stream& stream);
  void CommitView();
  void OnEndOfRequest(Http2Stream& stream);
  void DispatchUnary(Http2Stream& stream, std::string_view body);
  void DispatchHttp(Http2Stream& stream, std::string_view body);
  CallInfo InfoOf(const Http2Stream& stream) const;
  // What is wrong with a message prefix, or Ok.
  Status CheckPrefix(GrpcPrefix prefix) const;
  void OnPing();
  void FailStalledUploads(env::Time now);
  void Credit(size_t bytes);

  // ---- Answers (http2_answer.cc).
  // Ends the call with an error; what the client still sends is dropped.
  void FailCall(Http2Stream& stream, const Status& status);
  // The client's side has ended it: as FailCall, and a streaming handler hears of it.
  void AbortCall(Http2Stream& stream, const Status& status);
  void CountHandled(Http2Stream& stream, StatusCode code);
  // Says the last word: trailers follow what is queued.
  void EndAnswer(Http2Stream& stream, const Status& status);
  void SubmitGrpcHeaders(Http2Stream& stream);
  void SubmitTrailersOnly(Http2Stream& stream);
  void SubmitTrailers(Http2Stream& stream);
  void SubmitHttpHeaders(Http2Stream& stream, int status, std::string_view type, int64_t length,
                         bool body_follows);
  void SimpleHttpAnswer(Http2Stream& stream, int status, std::string_view text);
  void Resume(Http2Stream& stream);
  bool Queue(Http2Stream& stream, std::string message, bool raw);
  void DropQueue(Http2Stream& stream);
  void NotifyDrained();
  void TellDrained(CallRef ref);
  void TellCancelled(CallRef ref);
  void CloseStream(Http2Stream& stream);

  void Submit(int result);
  void SendFinalGoaway();

  Connection& connection_;
  ServerContext& server_;
  nghttp2_session* session_ = nullptr;

  std::vector<std::unique_ptr<Http2Stream>> streams_;  // by index
  std::vector<uint32_t> free_indexes_;
  size_t live_streams_ = 0;

  Http2Stream* header_stream_ = nullptr;  // whose header block is being read
  // A DATA frame that has not ended, or the one frame of a request: its bytes, still in the receive
  // buffer.
  Http2Stream* view_stream_ = nullptr;
  std::string_view view_;

  std::string* out_ = nullptr;  // during Fill
  size_t fill_limit_ = 0;
  std::vector<CallRef> drained_;
  size_t queued_bytes_ = 0;    // of all answers
  env::Time answer_progress_;  // when the last of them went out, or the first came
  size_t withheld_bytes_ = 0;  // connection window not given back yet, because answers pile up

  bool failed_ = false;
  env::Time header_block_since_ = env::Time::Never();  // begun, not whole yet
  int32_t header_block_stream_ = 0;
  size_t partial_streams_ = 0;  // with a part of a message in `in`

  env::Time last_receive_;
  env::Time ping_sent_ = env::Time::Never();  // ours, not answered
  env::Time last_client_ping_;
  bool client_pinged_ = false;
  bool sent_since_ping_ = true;
  int ping_strikes_ = 0;

  bool draining_ = false;
  bool final_goaway_sent_ = false;
  env::Time drain_started_;
};

std::unique_ptr<Session> NewHttp2Session(Connection& connection);

}  // namespace cairn::http
