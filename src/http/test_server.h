// For tests: a server on a real loop in this process, with a few methods, and clients of two kinds:
// ours, and a raw connection that sends any bytes.
//
//   /t.T/Echo      unary: answers with the request
//   /t.T/Fail      unary: fails with code and message taken from the request, "<code> <message>"
//   /t.T/Later     unary: kept in `held`, answered by the test
//   /t.T/Bidi      streaming: echoes each message; ends OK after half-close
//   /t.T/Record    streaming: what happens is written to `events`
//   /echo          HTTP: answers with method, path, query and body
//   /later         HTTP: kept in `held_http`
//   /stream        HTTP: a streamed answer of three pieces
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/env/posix/real_env.h"
#include "src/env/posix/test_loop.h"
#include "src/http/client.h"
#include "src/http/server.h"
#include "src/http/test_http2.h"

namespace cairn::http::testing {

// A connection that says what it is told to.
class RawClient final : public env::StreamHandler {
 public:
  RawClient(const env::Env& env, const env::Address& address)
      : stream_(env.network.Connect(address)) {
    stream_->Start(this);
  }
  void Send(std::string_view bytes) {
    waiting_ += bytes;
    Push();
  }
  void Close() { stream_.reset(); }
  void SetReading(bool on) { stream_->SetReading(on); }

  std::string received;  // as text
  FrameReader frames;    // as HTTP/2, if `parse`
  bool parse = true;
  bool closed = false;

 private:
  void OnConnected() override {
    connected_ = true;
    Push();
  }
  void OnData(std::string_view bytes) override {
    received += bytes;
    if (parse) frames.Add(bytes);
  }
  void OnWritable() override { Push(); }
  void OnClosed(const Status&) override { closed = true; }
  void Push() {
    if (!connected_ || closed || waiting_.empty() || stream_ == nullptr) return;
    const std::string_view piece = waiting_;
    waiting_.erase(0, stream_->Write({&piece, 1}));
  }
  std::unique_ptr<env::Stream> stream_;
  std::string waiting_;
  bool connected_ = false;
};

struct UnaryResult final : UnaryReceiver {
  void OnReply(uint64_t tag, const Status& s, std::string_view m) override {
    ++replies;
    last_tag = tag;
    status = s;
    message = m;
    if (on_reply) on_reply(tag);
  }
  int replies = 0;
  uint64_t last_tag = 0;
  Status status;
  std::string message;
  std::function<void(uint64_t)> on_reply;
};

struct StreamResult final : StreamReceiver {
  void OnMessage(std::string_view m) override { messages.emplace_back(m); }
  void OnDone(const Status& s) override {
    EXPECT_FALSE(done) << "OnDone comes once";
    done = true;
    status = s;
  }
  std::vector<std::string> messages;
  bool done = false;
  Status status;
};

class ServerTest : public ::testing::Test {
 protected:
  explicit ServerTest(Options options = {}) : options_(options) {}

  void SetUp() override {
    server_ = Server::Create(world_.env(), options_);
    Register();
    const auto bound = server_->Listen({"127.0.0.1:0"});
    ASSERT_TRUE(bound.ok()) << bound.status();
    address_ = bound.value();
  }

  std::unique_ptr<GrpcClient> Client(ClientOptions options = {}) {
    options.authority = address_.text;
    return std::make_unique<GrpcClient>(world_.env(), world_.env().network.Connect(address_),
                                        options,
                                        [this](const Status& why) { client_closed_ = why; });
  }
  std::unique_ptr<RawClient> Raw() { return std::make_unique<RawClient>(world_.env(), address_); }

  template <class Condition>
  bool Until(Condition condition) {
    return env::posix::TurnUntil(world_.loop(), condition);
  }
  UnaryResult Call(GrpcClient& client, std::string path, std::string_view message,
                   env::Duration timeout = env::Duration(0)) {
    UnaryResult result;
    client.Unary(client.AddMethod(std::move(path)), message, &result, 0, timeout);
    EXPECT_TRUE(Until([&] { return result.replies > 0; }));
    EXPECT_EQ(result.replies, 1);
    return result;
  }
  // The server answers others still, and holds no memory once all streams are gone.
  void ExpectHealthy() {
    auto client = Client();
    EXPECT_EQ(Call(*client, "/t.T/Echo", "alive").message, "alive");
    client.reset();
    EXPECT_TRUE(Until([&] { return server_->stats().connections == 0; }));
    EXPECT_EQ(server_->stats().budget_used, 0u);
    EXPECT_EQ(server_->stats().streams, 0u);
  }
  uint64_t Handled(std::string_view path, StatusCode code) {
    for (const MethodStats& m : server_->method_stats()) {
      if (m.path == path) return m.handled[static_cast<size_t>(code)];
    }
    return 0;
  }

  struct Recording final : StreamHandler {
    Recording(std::vector<std::string>* to, StreamCall c) : events(to), call(c) {}
    ~Recording() override { events->push_back("destroyed"); }
    void OnMessage(std::string_view m) override { events->push_back("message " + std::string(m)); }
    void OnHalfClose() override { events->push_back("half-close"); }
    void OnCancelled() override { events->push_back("cancelled"); }
    void OnDrained() override { events->push_back("drained"); }
    std::vector<std::string>* events;
    StreamCall call;
  };
  struct Echoing final : StreamHandler {
    explicit Echoing(StreamCall c) : call(c) {}
    void OnMessage(std::string_view m) override { call.Send(std::string(m)); }
    void OnHalfClose() override { call.Finish(OkStatus()); }
    void OnCancelled() override {}
    StreamCall call;
  };

  void Register() {
    server_->HandleUnary("/t.T/Echo",
                         [this](const CallInfo& info, std::string_view m, UnaryCall call) {
                           last_token_ = info.token;
                           last_peer_ = info.peer;
                           last_has_leader_ = info.has_leader;
                           last_deadline_ = info.deadline;
                           call.Reply(std::string(m));
                         });
    server_->HandleUnary("/t.T/Fail", [](const CallInfo&, std::string_view m, UnaryCall call) {
      const size_t space = m.find(' ');
      call.Fail(Status(static_cast<StatusCode>(std::stoi(std::string(m.substr(0, space)))),
                       std::string(m.substr(space + 1))));
    });
    server_->HandleUnary("/t.T/Later", [this](const CallInfo&, std::string_view, UnaryCall call) {
      held_.push_back(call);
    });
    server_->HandleStream("/t.T/Bidi", [](const CallInfo&, StreamCall call) {
      return std::make_unique<Echoing>(call);
    });
    server_->HandleStream("/t.T/Record", [this](const CallInfo&, StreamCall call) {
      recorded_ = call;
      return std::make_unique<Recording>(&events_, call);
    });
    server_->HandleHttp("/echo", [](const HttpRequest& r, HttpCall call) {
      std::string text = std::string(r.method) + " " + std::string(r.path) + " " +
                         std::string(r.query) + " " + std::string(r.body);
      call.Reply(200, "text/plain", std::move(text));
    });
    server_->HandleHttp("/later",
                        [this](const HttpRequest&, HttpCall call) { held_http_.push_back(call); });
    server_->HandleHttp("/stream", [](const HttpRequest&, HttpCall call) {
      call.Begin(200, "application/json");
      call.Send("one");
      call.Send("two");
      call.Send("three");
      call.End();
    });
    server_->HandleHttp("/sub/", [](const HttpRequest& r, HttpCall call) {
      call.Reply(200, "text/plain", "sub " + std::string(r.path));
    });
  }

  Options options_;
  env::posix::RealEnv world_;
  std::string last_token_, last_peer_;
  bool last_has_leader_ = false;
  env::Time last_deadline_;
  std::vector<UnaryCall> held_;
  std::vector<HttpCall> held_http_;
  std::vector<std::string> events_;
  StreamCall recorded_;
  Status client_closed_;
  env::Address address_;
  std::unique_ptr<Server> server_;
};

}  // namespace cairn::http::testing
