// The front end's protocol half: HTTP/2 with gRPC, and HTTP/1.1, on one port. It knows nothing of
// what the methods mean; src/api registers them.
//
// Memory: every byte of a request that is not finished, and of an answer that is not written,
// counts against a budget of the server and one of its connection; flow-control windows are opened
// only as budget frees, so no client can make the process grow. Limits are in Options; what exceeds
// them gets the gRPC or HTTP answer that the protocol documents, and only its own stream or
// connection suffers.
//
// All calls and handlers on the executor's thread. Answers are gathered and written once for each
// connection at the end of the turn.
#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/status.h"
#include "src/env/env.h"

namespace cairn::http {

class Session;
struct SessionSlot;

// Names a request that may be finished already, or whose client, or the server itself, may be gone:
// then every call on it does nothing. A plain value of 24 bytes, copied freely and at no cost.
class CallRef {
 public:
  CallRef() = default;
  CallRef(SessionSlot* slot, uint32_t generation, uint32_t index, int32_t stream)
      : slot_(slot), generation_(generation), index_(index), stream_(stream) {}

  // The session that still has this call's connection, or null. For src/http only.
  Session* session() const;
  uint32_t index() const { return index_; }
  int32_t stream() const { return stream_; }

 private:
  SessionSlot* slot_ = nullptr;
  uint32_t generation_ = 0;
  uint32_t index_ = 0;  // where the session keeps the call
  int32_t stream_ = 0;  // never used again on a connection: tells a reused index
};

// What a client sent along with a call. Views are valid during the handler's call only.
struct CallInfo {
  std::string_view path;                    // "/etcdserverpb.KV/Put"
  std::string_view peer;                    // "127.0.0.1:50312"
  std::string_view token;                   // metadata `token` (or `authorization`), empty if none
  bool has_leader = false;                  // metadata `hasleader: true`
  env::Time deadline = env::Time::Never();  // from grpc-timeout
};

// The answer to a unary call, given at once or later, once.
class UnaryCall {
 public:
  UnaryCall() = default;
  explicit UnaryCall(CallRef ref) : ref_(ref) {}
  void Reply(std::string message);  // the encoded response message, without gRPC's prefix
  void Fail(const Status& status);
  // The client has reset the stream, or gone, or its deadline has passed: work for it can stop.
  // Also true once answered.
  bool cancelled() const;

 private:
  CallRef ref_;
};

// The sending half of a streaming call.
class StreamCall {
 public:
  StreamCall() = default;
  explicit StreamCall(CallRef ref) : ref_(ref) {}
  // Queues one message. Returns how many bytes wait unsent on this stream: the caller bounds itself
  // by it. A caller that does not, and goes beyond the connection's budget, has its call ended with
  // RESOURCE_EXHAUSTED.
  size_t Send(std::string message);
  void Finish(const Status& status);
  size_t unsent_bytes() const;
  bool cancelled() const;

 private:
  CallRef ref_;
};

// The receiving half of a streaming call. Destroyed when the stream is over, however it ended.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  virtual void OnMessage(std::string_view message) = 0;
  virtual void OnHalfClose() = 0;  // the client will send no more
  // Reset by the client, its deadline, a malformed message or a broken connection. Never after
  // Finish.
  virtual void OnCancelled() = 0;
  virtual void OnDrained() {}  // unsent_bytes() fell to zero; in a later turn than the last Send
};

// HTTP/1.1 (and, for the same paths, HTTP/2 without gRPC).
struct HttpRequest {
  std::string_view method;  // "GET"
  std::string_view path;    // "/health", without the query
  std::string_view query;   // "exclude=...", without '?'
  std::string_view body;
  std::string_view token;  // header Authorization
  std::string_view peer;
};

class HttpCall {
 public:
  HttpCall() = default;
  explicit HttpCall(CallRef ref) : ref_(ref) {}
  void Reply(int status, std::string_view content_type, std::string body);
  // A streamed answer: chunked transfer; Begin, any number of Send, End.
  void Begin(int status, std::string_view content_type);
  size_t Send(std::string piece);
  void End();
  bool cancelled() const;

 private:
  CallRef ref_;
};

// `message` is valid during the call only.
using UnaryHandler =
    absl::AnyInvocable<void(const CallInfo& info, std::string_view message, UnaryCall call)>;
using StreamFactory =
    absl::AnyInvocable<std::unique_ptr<StreamHandler>(const CallInfo& info, StreamCall call)>;
using HttpHandler = absl::AnyInvocable<void(const HttpRequest& request, HttpCall call)>;

struct Options {
  size_t max_request_bytes =
      1572864 + 512 * 1024;  // one gRPC message or HTTP body; etcd's limit and its slack
  size_t max_header_bytes = 64 << 10;
  uint32_t max_concurrent_streams = 1u << 20;  // a connection
  size_t connection_budget_bytes = 64 << 20;
  size_t server_budget_bytes = 512 << 20;
  env::Duration keepalive_min_time = env::seconds(5);     // pings more often are strikes
  env::Duration keepalive_interval = env::seconds(7200);  // we ping an idle client after this
  env::Duration keepalive_timeout = env::seconds(20);
  env::Duration idle_request_timeout =
      env::seconds(30);  // a preface, header block or HTTP/1 request that stalls
  env::Duration idle_http1_timeout =
      env::seconds(120);  // an HTTP/1 connection between two requests
  env::Duration stalled_write_timeout =
      env::seconds(60);            // a client that takes none of what waits for it
  size_t max_connections = 65536;  // more are closed as they come
};

struct ServerStats {
  uint64_t connections = 0, connections_total = 0;
  uint64_t streams = 0;
  uint64_t bytes_received = 0, bytes_sent = 0;
  size_t budget_used = 0;
};

// Counts of one gRPC method, for grpc_server_* metrics.
struct MethodStats {
  std::string path;
  bool stream = false;
  uint64_t started = 0, messages_received = 0, messages_sent = 0;
  uint64_t handled[17] = {};  // by status code
};

class Server {
 public:
  static std::unique_ptr<Server> Create(env::Env env, Options options);
  virtual ~Server() = default;

  virtual void HandleUnary(std::string path, UnaryHandler handler) = 0;
  virtual void HandleStream(std::string path, StreamFactory factory) = 0;
  // `prefix` ends with '/' for a whole subtree, else is one path. The longest match serves.
  virtual void HandleHttp(std::string prefix, HttpHandler handler) = 0;

  virtual Result<env::Address> Listen(const env::Address& address) = 0;
  // Stops accepting, tells clients (two GOAWAYs), lets calls finish until `grace` is over, then
  // closes all and runs `done`.
  virtual void Shutdown(env::Duration grace, env::Task done) = 0;

  virtual ServerStats stats() const = 0;
  virtual std::vector<MethodStats> method_stats() const = 0;
};

}  // namespace cairn::http
