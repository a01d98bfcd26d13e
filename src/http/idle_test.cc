// What depends on long times, in the simulator's virtual time: keep-alive, idle and stalled
// clients.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/env/sim/process.h"
#include "src/http/server.h"
#include "src/http/test_http2.h"

namespace cairn::http::testing {
namespace {

// A client on host `c` that says what it is told to, and a server on host `s`.
class IdleTest : public ::testing::Test {
 protected:
  struct Peer final : env::StreamHandler {
    void Push() {
      if (!connected || closed || stream == nullptr || waiting.empty()) return;
      const std::string_view piece = waiting;
      waiting.erase(0, stream->Write({&piece, 1}));
    }
    void OnConnected() override {
      connected = true;
      Push();
    }
    void OnData(std::string_view bytes) override {
      received += bytes;
      if (parse) frames.Add(bytes);
      if (!answer_pings) return;
      for (; pings_seen < frames.frames.size(); ++pings_seen) {
        const ReceivedFrame& f = frames.frames[pings_seen];
        if (f.type != kPing || (f.flags & kAck) != 0) continue;
        waiting += Frame(kPing, kAck, 0, f.payload);
        Push();
      }
    }
    void OnWritable() override { Push(); }
    void OnClosed(const Status&) override { closed = true; }
    std::unique_ptr<env::Stream> stream;
    std::string waiting, received;
    FrameReader frames;
    size_t pings_seen = 0;
    bool parse = true, answer_pings = false, connected = false, closed = false;
  };

  void Start(std::string first) {
    s_.Start([this](env::sim::Process& p) {
      p.OnDeath([this] { server_.reset(); });
      server_ = Server::Create(p.env(), options_);
      server_->HandleUnary("/t.T/Echo", [](const CallInfo&, std::string_view m, UnaryCall call) {
        call.Reply(std::string(m));
      });
      server_->HandleUnary("/t.T/Later", [this](const CallInfo&, std::string_view, UnaryCall call) {
        held_ = call;
      });
      server_->HandleHttp("/x", [](const HttpRequest&, HttpCall call) {
        call.Reply(200, "text/plain", std::string(3 << 20, 'x'));
      });
      ASSERT_TRUE(server_->Listen({"s:1"}).ok());
    });
    world_.RunFor(env::milliseconds(10));
    c_.Start([this, first = std::move(first)](env::sim::Process& p) {
      p.OnDeath([this] { peer_.stream.reset(); });
      peer_.waiting = first;
      peer_.stream = p.env().network.Connect({"s:1"});
      peer_.stream->Start(&peer_);
    });
    world_.RunFor(env::milliseconds(100));
  }
  void Send(std::string bytes) {
    c_.process()->Post([this, bytes = std::move(bytes)] {
      peer_.waiting += bytes;
      peer_.Push();
    });
    world_.RunFor(env::milliseconds(100));
  }

  Options options_;
  std::unique_ptr<Server> server_;
  Peer peer_;
  UnaryCall held_;
  env::sim::World world_{42};
  env::sim::Host& s_ = world_.AddHost("s");
  env::sim::Host& c_ = world_.AddHost("c");
};

TEST_F(IdleTest, SilentConnectionIsClosed) {
  Start("");
  world_.RunFor(env::seconds(29));
  EXPECT_FALSE(peer_.closed);
  world_.RunFor(env::seconds(3));
  EXPECT_TRUE(peer_.closed);
}

TEST_F(IdleTest, HalfAPrefaceIsClosed) {
  Start(std::string(kPreface.substr(0, 10)));
  world_.RunFor(env::seconds(32));
  EXPECT_TRUE(peer_.closed);
}

TEST_F(IdleTest, HeaderBlockThatStallsIsClosed) {
  Start(Hello() + Frame(kHeaders, 0, 1, Block(GrpcFields("/t.T/Echo"))));
  world_.RunFor(env::seconds(29));
  EXPECT_FALSE(peer_.closed);
  world_.RunFor(env::seconds(3));
  EXPECT_TRUE(peer_.closed);
}

TEST_F(IdleTest, MessageThatStallsFailsOnItsOwn) {
  Start(Hello() + Headers(1, GrpcFields("/t.T/Echo")) + Frame(kData, 0, 1, std::string(2, 0)));
  world_.RunFor(env::seconds(29));
  EXPECT_EQ(peer_.frames.End(1), nullptr);
  world_.RunFor(env::seconds(3));
  ASSERT_NE(peer_.frames.End(1), nullptr);
  EXPECT_EQ(peer_.frames.End(1)->headers.status, StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(peer_.closed);
  Send(Headers(3, GrpcFields("/t.T/Echo")) + Frame(kData, kEndStream, 3, Message("x")));
  EXPECT_NE(peer_.frames.End(3), nullptr);
}

TEST_F(IdleTest, Http1HeaderDrippedInIsClosed) {
  Start("GET /x HTTP/1.1\r\n");
  for (int i = 0; i < 4 && !peer_.closed; ++i) {
    EXPECT_LT(i, 3);
    world_.RunFor(env::seconds(10));
    if (!peer_.closed) Send("x-" + std::to_string(i) + ": y\r\n");
  }
  EXPECT_TRUE(peer_.closed);
}

TEST_F(IdleTest, Http1ConnectionBetweenRequestsIsClosed) {
  Start("GET /none HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(peer_.received, ::testing::StartsWith("HTTP/1.1 404"));
  world_.RunFor(env::seconds(115));
  EXPECT_FALSE(peer_.closed);
  world_.RunFor(env::seconds(6));
  EXPECT_TRUE(peer_.closed);
}

TEST_F(IdleTest, ClientThatDoesNotReadIsClosed) {
  Start("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  c_.process()->Post([this] { peer_.stream->SetReading(false); });
  Send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  world_.RunFor(env::seconds(50));
  EXPECT_EQ(server_->stats().connections, 1u);
  EXPECT_GT(server_->stats().budget_used, 0u);
  world_.RunFor(env::seconds(20));
  EXPECT_EQ(server_->stats().connections, 0u);
  EXPECT_EQ(server_->stats().budget_used, 0u);
}

TEST_F(IdleTest, IdleConnectionIsPingedAndLivesIfItAnswers) {
  Start(Hello());
  peer_.answer_pings = true;
  world_.RunFor(env::seconds(7190));
  EXPECT_EQ(peer_.frames.Count(kPing, 0), 0u);
  world_.RunFor(env::seconds(20));
  EXPECT_EQ(peer_.frames.Count(kPing, 0), 1u);
  world_.RunFor(env::seconds(7300));
  EXPECT_EQ(peer_.frames.Count(kPing, 0), 2u);
  EXPECT_FALSE(peer_.closed);
}

TEST_F(IdleTest, IdleConnectionThatDoesNotAnswerIsClosed) {
  Start(Hello());
  world_.RunFor(env::seconds(7202));
  EXPECT_EQ(peer_.frames.Count(kPing, 0), 1u);
  EXPECT_FALSE(peer_.closed);
  world_.RunFor(env::seconds(22));
  EXPECT_TRUE(peer_.closed);
}

TEST_F(IdleTest, TooManyPings) {
  Start(Hello() + Headers(1, GrpcFields("/t.T/Later")) + Frame(kData, kEndStream, 1, Message("x")));
  // With a stream open, every six seconds is well.
  for (int i = 0; i < 10; ++i) {
    Send(Frame(kPing, 0, 0, "12345678"));
    world_.RunFor(env::seconds(6));
  }
  EXPECT_EQ(peer_.frames.Count(kPing, 0), 10u);
  EXPECT_EQ(peer_.frames.Find(kGoaway, 0), nullptr);
  // Two that come early are let pass, and an answer in between forgives them.
  Send(Frame(kPing, 0, 0, "12345678"));
  Send(Frame(kPing, 0, 0, "12345678"));
  s_.process()->Post([this] { held_.Reply("answer"); });
  world_.RunFor(env::milliseconds(100));
  EXPECT_EQ(peer_.frames.Find(kGoaway, 0), nullptr);
  // Without a stream none may come for two hours.
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(peer_.closed);
    Send(Frame(kPing, 0, 0, "12345678"));
    world_.RunFor(env::seconds(10));
  }
  EXPECT_EQ(peer_.frames.Find(kGoaway, 0), nullptr);
  Send(Frame(kPing, 0, 0, "12345678"));
  ASSERT_NE(peer_.frames.Find(kGoaway, 0), nullptr);
  const std::string& payload = peer_.frames.Find(kGoaway, 0)->payload;
  EXPECT_EQ(payload.substr(4, 4), U32(11));  // ENHANCE_YOUR_CALM
  EXPECT_EQ(payload.substr(8), "too_many_pings");
  EXPECT_TRUE(peer_.closed);
}

// Its window for the stream is never opened: that is its own affair until memory is short.
TEST_F(IdleTest, ClientThatOpensNoWindowIsClosedUnderPressure) {
  options_.server_budget_bytes = 8 << 20;
  Start(Hello() +
        Headers(1, {{":method", "GET"}, {":scheme", "http"}, {":path", "/x"}, {":authority", "s"}},
                true));
  world_.RunFor(env::seconds(200));
  EXPECT_FALSE(peer_.closed);
  EXPECT_GT(server_->stats().budget_used, size_t{2} << 20);
  Send(Headers(3, {{":method", "GET"}, {":scheme", "http"}, {":path", "/x"}, {":authority", "s"}},
               true));
  EXPECT_GT(server_->stats().budget_used, size_t{5} << 20);
  EXPECT_FALSE(peer_.closed);
  world_.RunFor(env::seconds(121));
  EXPECT_TRUE(peer_.closed);
  EXPECT_EQ(server_->stats().budget_used, 0u);
}

TEST_F(IdleTest, NothingIdleWakesTheServerOften) {
  Start(Hello());
  peer_.answer_pings = true;
  world_.RunFor(env::seconds(10));
  const uint64_t events = world_.events();
  world_.RunFor(env::seconds(7000));
  EXPECT_LT(world_.events() - events, 200u);
}

}  // namespace
}  // namespace cairn::http::testing
