// GrpcClient: one HTTP/2 connection that makes gRPC calls, many at a time, at very little cost
// each: a request is its header block (a few bytes once the peer's HPACK table knows the fields),
// its message and two frame headers, appended to one buffer that is written once at the end of the
// turn.
//
// It does not reconnect: when the connection is lost every call ends with kUnavailable and
// `on_closed` runs; the owner makes a new one. HTTP/2 as RFC 9113 and 7541 say, with prior
// knowledge (TLS will be a Stream).
//
// All calls and callbacks on the executor's thread. A callback may make new calls, but must not
// destroy the client.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/status.h"
#include "src/env/env.h"
#include "src/http/client_hpack.h"
#include "src/http/timing_wheel.h"

namespace cairn::http {

struct ClientOptions {
  std::string authority;  // the peer's address if empty
  std::string user_agent = "cairn-grpc/0.1";
  // Sent with every call, e.g. {"token", "..."}; names in lower case.
  std::vector<std::pair<std::string, std::string>> metadata;
  size_t max_message_bytes = 256 << 20;  // of an answer
};

// A method of one client; `index` has no other meaning.
struct ClientMethod {
  uint32_t index = 0;
};

// A streaming call. 0 is none; never used again on a client.
struct ClientCallId {
  uint64_t value = 0;
  friend bool operator==(const ClientCallId&, const ClientCallId&) = default;
};

// Who waits for unary answers. One object may serve any number of calls, told apart by `tag`.
class UnaryReceiver {
 public:
  virtual ~UnaryReceiver() = default;
  // `message` is valid during the call only, and empty unless `status` is ok.
  virtual void OnReply(uint64_t tag, const Status& status, std::string_view message) = 0;
};

class StreamReceiver {
 public:
  virtual ~StreamReceiver() = default;
  virtual void OnMessage(std::string_view message) = 0;
  // The last event, exactly once unless the call was cancelled by its owner.
  virtual void OnDone(const Status& status) = 0;
};

class GrpcClient final : private env::StreamHandler {
 public:
  using ClosedHandler = absl::AnyInvocable<void(const Status& why)>;

  // Takes a stream that is being opened (Network::Connect) or, with `connected`, is open. Calls may
  // be made at once.
  GrpcClient(const env::Env& env, std::unique_ptr<env::Stream> stream, ClientOptions options,
             ClosedHandler on_closed, bool connected = false);
  // Calls under way are forgotten: their receivers hear nothing more.
  ~GrpcClient() override;

  ClientMethod AddMethod(std::string path);

  // `message` is copied. `receiver` outlives the call or the client. With a timeout the server is
  // told, and the call ends with kDeadlineExceeded after it whatever the server does.
  void Unary(ClientMethod method, std::string_view message, UnaryReceiver* receiver, uint64_t tag,
             env::Duration timeout = env::Duration(0));

  ClientCallId OpenStream(ClientMethod method, StreamReceiver* receiver);
  // Returns how many bytes wait unsent on the call (flow control); nothing is refused.
  size_t Send(ClientCallId call, std::string_view message);
  void HalfClose(ClientCallId call);
  // Resets the stream. The receiver hears nothing more.
  void Cancel(ClientCallId call);

  // False once the connection is lost, or the server has said that it takes no more calls.
  bool open() const { return !closed_ && !goaway_; }
  size_t in_flight() const { return calls_.size() - free_calls_.size(); }

 private:
  static constexpr uint32_t kNoCall = UINT32_MAX;

  struct CallTimer final : TimingWheel::Timer {
    void OnTimer() override { client->OnCallTimeout(call); }
    GrpcClient* client = nullptr;
    uint32_t call = 0;
  };

  struct Call {
    uint32_t stream = 0;  // 0: waits for its turn, or free
    uint32_t generation = 1;
    UnaryReceiver* unary = nullptr;
    StreamReceiver* streaming = nullptr;
    uint64_t tag = 0;
    ClientMethod method;
    env::Duration timeout{0};
    int64_t send_window = 0;
    uint32_t received = 0;  // not yet credited
    bool ended = false;     // END_STREAM is sent, or follows `unsent`
    bool headers_seen = false;
    bool live = false;
    bool blocked = false;  // stands in blocked_
    std::string unsent;    // framed for gRPC; waits for flow control or for the call's turn
    size_t unsent_begin = 0;
    std::string in;  // of messages that have not ended
    std::unique_ptr<CallTimer> timer;
  };

  void OnConnected() override;
  void OnData(std::string_view bytes) override;
  void OnWritable() override;
  void OnClosed(const Status& why) override;

  uint32_t NewCall(ClientMethod method, env::Duration timeout);
  void FreeCall(uint32_t index);
  ClientCallId IdOf(uint32_t index) const {
    return {uint64_t{calls_[index].generation} << 32 | index};
  }
  // Null when the call is over.
  Call* Find(ClientCallId id);
  void LaunchOrWait(uint32_t index, std::string_view message);
  void StartCall(uint32_t index, std::string_view message);
  void FailRefused();
  void StartWaiting();
  void AppendControl(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload);
  void SendData(Call& call);
  void SendBlocked();
  void ResetStream(uint32_t stream, uint32_t error);
  void RequestFlush();
  void Flush();

  // Each returns false when the peer has broken the protocol.
  bool OnFrame(std::string_view frame);
  bool OnDataFrame(uint8_t flags, uint32_t stream, std::string_view payload);
  bool OnHeadersFrame(uint8_t flags, uint32_t stream, std::string_view payload);
  bool OnContinuation(uint8_t flags, uint32_t stream, std::string_view payload);
  bool OnHeaderBlock(uint32_t stream, bool end_stream, std::string_view block);
  bool OnSettings(uint8_t flags, std::string_view payload);
  bool OnWindowUpdate(uint32_t stream, std::string_view payload);
  void OnGoaway(std::string_view payload);
  void DeliverMessages(uint32_t index);
  // False if the call was ended for it.
  bool CheckMessage(uint32_t index, std::string_view in);
  uint32_t CallOf(uint32_t stream);
  void EndCall(uint32_t index, const Status& status);
  void FinishCall(uint32_t index, const ResponseHeaders& headers);
  void OnCallTimeout(uint32_t index);
  void Fail(const Status& why);

  env::Env env_;
  ClientOptions options_;
  ClosedHandler on_closed_;
  std::unique_ptr<env::Stream> stream_;
  bool connected_;
  bool closed_ = false;
  bool goaway_ = false;
  bool writable_ = true;

  RequestHeaderEncoder encoder_;
  ResponseHeaderDecoder decoder_;

  std::vector<Call> calls_;
  std::vector<uint32_t> free_calls_;
  absl::flat_hash_map<uint32_t, uint32_t> by_stream_;
  uint32_t last_stream_ = 0;  // the stream that was looked up last, and its call
  uint32_t last_call_ = kNoCall;
  std::deque<ClientCallId> waiting_;   // calls beyond the peer's limit of concurrent streams
  std::deque<ClientCallId> blocked_;   // with unsent bytes that wait for a window
  std::vector<ClientCallId> refused_;  // made after the connection was lost: fail in the next turn
  size_t active_ = 0;
  uint32_t next_stream_ = 1;

  uint32_t max_streams_ = 100;  // until the peer's SETTINGS say more
  int64_t initial_window_ = 65535;
  int64_t connection_window_ = 65535;
  size_t max_frame_ = 16384;
  uint64_t received_ = 0;  // on the connection, not yet credited

  std::string out_;
  size_t out_begin_ = 0;
  std::string in_;     // a frame that has not ended
  std::string block_;  // a header block that continues
  uint32_t block_stream_ = 0;
  bool block_end_stream_ = false;
  TimingWheel timers_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what is posted
  env::TurnTask flush_;
};

}  // namespace cairn::http
