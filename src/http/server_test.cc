// gRPC over HTTP/2, seen by a client.
#include "src/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/http/test_server.h"

namespace cairn::http::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(ServerTest, UnaryCall) {
  auto client = Client();
  const UnaryResult r = Call(*client, "/t.T/Echo", "hello");
  EXPECT_EQ(r.status, OkStatus());
  EXPECT_EQ(r.message, "hello");
  EXPECT_EQ(Call(*client, "/t.T/Echo", "").message, "");
  EXPECT_EQ(Handled("/t.T/Echo", StatusCode::kOk), 2u);
  EXPECT_THAT(last_peer_, HasSubstr("127.0.0.1:"));
  EXPECT_EQ(last_deadline_, env::Time::Never());
}

TEST_F(ServerTest, ManyCallsAtOnceEachGetsItsOwnAnswer) {
  auto client = Client();
  const ClientMethod echo = client->AddMethod("/t.T/Echo");
  struct Expecting final : UnaryReceiver {
    void OnReply(uint64_t tag, const Status& status, std::string_view message) override {
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_EQ(message, "message " + std::to_string(tag));
      ++replies;
    }
    int replies = 0;
  } receiver;
  for (uint64_t i = 0; i < 2000; ++i) {
    client->Unary(echo, "message " + std::to_string(i), &receiver, i);
  }
  ASSERT_TRUE(Until([&] { return receiver.replies == 2000; }));
  EXPECT_EQ(client->in_flight(), 0u);
  client.reset();
  ExpectHealthy();
}

TEST_F(ServerTest, LargeMessagesBothWays) {
  auto client = Client();
  std::string large(options_.max_request_bytes - 10, 'x');
  for (size_t i = 0; i < large.size(); i += 997) large[i] = static_cast<char>(i);
  EXPECT_EQ(Call(*client, "/t.T/Echo", large).message, large);
  client.reset();
  ExpectHealthy();
}

TEST_F(ServerTest, MessageOverTheLimitIsResourceExhausted) {
  auto client = Client();
  const std::string large(options_.max_request_bytes + 1, 'x');
  const UnaryResult r = Call(*client, "/t.T/Echo", large);
  EXPECT_EQ(r.status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(r.status.message(), "grpc: received message larger than max (2097153 vs. 2097152)");
  // The connection goes on.
  EXPECT_EQ(Call(*client, "/t.T/Echo", "next").message, "next");
  client.reset();
  ExpectHealthy();
}

TEST_F(ServerTest, ErrorsCarryCodeAndMessage) {
  auto client = Client();
  for (int code = 1; code <= 16; ++code) {
    const UnaryResult r =
        Call(*client, "/t.T/Fail", std::to_string(code) + " etcdserver: 100% \n\xc3\xa4 wrong");
    EXPECT_EQ(static_cast<int>(r.status.code()), code);
    EXPECT_EQ(r.status.message(), "etcdserver: 100% \n\xc3\xa4 wrong");
    EXPECT_EQ(Handled("/t.T/Fail", static_cast<StatusCode>(code)), 1u);
  }
}

TEST_F(ServerTest, UnknownMethodIsUnimplemented) {
  auto client = Client();
  const UnaryResult r = Call(*client, "/t.T/Nothing", "x");
  EXPECT_EQ(r.status.code(), StatusCode::kUnimplemented);
  EXPECT_EQ(r.status.message(), "unknown method Nothing for service t.T");
  EXPECT_EQ(Call(*client, "/nonsense", "x").status,
            Status(StatusCode::kUnimplemented, "malformed method name: /nonsense"));
}

TEST_F(ServerTest, MetadataReachesTheHandler) {
  ClientOptions options;
  options.metadata = {{"token", "secret.1"}, {"hasleader", "true"}};
  auto client = Client(options);
  Call(*client, "/t.T/Echo", "x");
  EXPECT_EQ(last_token_, "secret.1");
  EXPECT_TRUE(last_has_leader_);
  options.metadata = {{"authorization", "bearer"}};
  auto other = Client(options);
  Call(*other, "/t.T/Echo", "x");
  EXPECT_EQ(last_token_, "bearer");
  EXPECT_FALSE(last_has_leader_);
}

TEST_F(ServerTest, AnswerGivenLater) {
  auto client = Client();
  UnaryResult r;
  client->Unary(client->AddMethod("/t.T/Later"), "x", &r, 7);
  ASSERT_TRUE(Until([&] { return !held_.empty(); }));
  EXPECT_FALSE(held_[0].cancelled());
  world_.loop().Post([this] {
    held_[0].Reply("late");
    held_[0].Reply("twice");  // only the first counts
    held_[0].Fail(Status(StatusCode::kInternal, "nor this"));
  });
  ASSERT_TRUE(Until([&] { return r.replies > 0; }));
  EXPECT_EQ(r.message, "late");
  EXPECT_EQ(r.last_tag, 7u);
  ASSERT_TRUE(Until([&] { return held_[0].cancelled(); }));
  held_[0].Reply("long after");
  EXPECT_EQ(r.replies, 1);
}

TEST_F(ServerTest, CallRefsOutliveConnectionAndServer) {
  auto client = Client();
  UnaryResult r;
  client->Unary(client->AddMethod("/t.T/Later"), "x", &r, 0);
  ASSERT_TRUE(Until([&] { return !held_.empty(); }));
  client.reset();
  ASSERT_TRUE(Until([&] { return held_[0].cancelled(); }));
  EXPECT_EQ(Handled("/t.T/Later", StatusCode::kCancelled), 1u);
  held_[0].Reply("nobody");
  // A connection that takes over the slot is not touched by the old name.
  auto second = Client();
  second->Unary(second->AddMethod("/t.T/Later"), "x", &r, 0);
  ASSERT_TRUE(Until([&] { return held_.size() == 2; }));
  held_[0].Reply("wrong");
  held_[1].Reply("right");
  ASSERT_TRUE(Until([&] { return r.replies > 0; }));
  EXPECT_EQ(r.message, "right");
  server_.reset();
  EXPECT_TRUE(held_[1].cancelled());
  held_[1].Reply("nobody");
}

TEST_F(ServerTest, DeadlineEndsTheCallAndTheLateAnswerIsDropped) {
  // By hand, since our client would end the call by itself.
  auto raw = Raw();
  raw->Send(Hello() + Headers(1, GrpcFields("/t.T/Later", {{"grpc-timeout", "50m"}})) +
            Frame(kData, kEndStream, 1, Message("x")));
  ASSERT_TRUE(Until([&] { return !held_.empty(); }));
  ASSERT_TRUE(Until([&] { return raw->frames.End(1) != nullptr; }));
  EXPECT_EQ(raw->frames.End(1)->headers.status, StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(held_[0].cancelled());
  held_[0].Reply("too late");
  raw->Send(Headers(3, GrpcFields("/t.T/Echo")) + Frame(kData, kEndStream, 3, Message("y")));
  ASSERT_TRUE(Until([&] { return raw->frames.End(3) != nullptr; }));
  EXPECT_EQ(raw->frames.Data(1), "");
  EXPECT_EQ(raw->frames.Data(3), Message("y"));
  EXPECT_EQ(Handled("/t.T/Later", StatusCode::kDeadlineExceeded), 1u);
}

TEST_F(ServerTest, DeadlineIsTold) {
  auto client = Client();
  const env::Time before = world_.loop().NowExact();
  Call(*client, "/t.T/Echo", "x", env::seconds(30));
  EXPECT_GE(last_deadline_, before + env::seconds(29));
  EXPECT_LE(last_deadline_, world_.loop().NowExact() + env::seconds(31));
}

TEST_F(ServerTest, DeadlineAlreadyOverSkipsTheHandler) {
  auto raw = Raw();
  raw->Send(Hello() + Headers(1, GrpcFields("/t.T/Later", {{"grpc-timeout", "0n"}})) +
            Frame(kData, kEndStream, 1, Message("x")));
  ASSERT_TRUE(Until([&] { return raw->frames.End(1) != nullptr; }));
  EXPECT_EQ(raw->frames.End(1)->headers.status, StatusCode::kDeadlineExceeded);
  EXPECT_THAT(held_, IsEmpty());
}

TEST_F(ServerTest, ClientsCallTimesOut) {
  auto client = Client();
  const UnaryResult r = Call(*client, "/t.T/Later", "x", env::milliseconds(40));
  EXPECT_EQ(r.status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(r.status.outcome_unknown());
  EXPECT_EQ(client->in_flight(), 0u);
}

TEST_F(ServerTest, Streaming) {
  auto client = Client();
  StreamResult r;
  const ClientCallId call = client->OpenStream(client->AddMethod("/t.T/Bidi"), &r);
  client->Send(call, "one");
  client->Send(call, "two");
  ASSERT_TRUE(Until([&] { return r.messages.size() == 2; }));
  EXPECT_FALSE(r.done);
  client->Send(call, "");
  client->Send(call, std::string(300'000, 'z'));
  client->HalfClose(call);
  ASSERT_TRUE(Until([&] { return r.done; }));
  EXPECT_EQ(r.status, OkStatus());
  EXPECT_THAT(r.messages, ElementsAre("one", "two", "", std::string(300'000, 'z')));
  client.reset();
  ExpectHealthy();
}

TEST_F(ServerTest, StreamEndedWithoutAMessageIsTrailersOnly) {
  auto raw = Raw();
  raw->Send(Hello() + Headers(1, GrpcFields("/t.T/Bidi"), /*end_stream=*/true));
  ASSERT_TRUE(Until([&] { return raw->frames.End(1) != nullptr; }));
  EXPECT_EQ(raw->frames.Count(kHeaders, 1), 1u);
  EXPECT_EQ(raw->frames.End(1)->headers.http_status, 200);
  EXPECT_EQ(raw->frames.End(1)->headers.status, StatusCode::kOk);
}

TEST_F(ServerTest, StreamCancelledByTheClient) {
  auto client = Client();
  StreamResult r;
  const ClientCallId call = client->OpenStream(client->AddMethod("/t.T/Record"), &r);
  client->Send(call, "a");
  ASSERT_TRUE(Until([&] { return events_.size() == 1; }));
  EXPECT_FALSE(recorded_.cancelled());
  client->Cancel(call);
  ASSERT_TRUE(Until([&] { return events_.size() == 3; }));
  EXPECT_THAT(events_, ElementsAre("message a", "cancelled", "destroyed"));
  EXPECT_TRUE(recorded_.cancelled());
  EXPECT_EQ(recorded_.Send("nobody"), 0u);
  EXPECT_FALSE(r.done);
}

TEST_F(ServerTest, StreamFinishedByTheServerIsNotCancelled) {
  auto client = Client();
  StreamResult r;
  const ClientCallId call = client->OpenStream(client->AddMethod("/t.T/Record"), &r);
  client->Send(call, "a");
  ASSERT_TRUE(Until([&] { return events_.size() == 1; }));
  recorded_.Send("last words");
  recorded_.Finish(Status(StatusCode::kOutOfRange, "compacted"));
  ASSERT_TRUE(Until([&] { return r.done; }));
  EXPECT_THAT(r.messages, ElementsAre("last words"));
  EXPECT_EQ(r.status, Status(StatusCode::kOutOfRange, "compacted"));
  ASSERT_TRUE(Until([&] { return events_.back() == "destroyed"; }));
  EXPECT_THAT(events_, ElementsAre("message a", "destroyed"));
}

TEST_F(ServerTest, BrokenConnectionCancelsStreams) {
  auto client = Client();
  StreamResult r;
  client->Send(client->OpenStream(client->AddMethod("/t.T/Record"), &r), "a");
  ASSERT_TRUE(Until([&] { return events_.size() == 1; }));
  client.reset();
  ASSERT_TRUE(Until([&] { return events_.size() == 3; }));
  EXPECT_THAT(events_, ElementsAre("message a", "cancelled", "destroyed"));
}

TEST_F(ServerTest, StreamDeadlineCancelsTheHandler) {
  auto raw = Raw();
  raw->Send(Hello() + Headers(1, GrpcFields("/t.T/Record", {{"grpc-timeout", "30m"}})));
  ASSERT_TRUE(Until([&] { return raw->frames.End(1) != nullptr; }));
  EXPECT_EQ(raw->frames.End(1)->headers.status, StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(Until([&] { return events_.size() == 2; }));
  EXPECT_THAT(events_, ElementsAre("cancelled", "destroyed"));
}

TEST_F(ServerTest, UnsentBytesAreToldAndDrained) {
  auto raw = Raw();
  raw->Send(Hello() + Headers(1, GrpcFields("/t.T/Record")));
  ASSERT_TRUE(Until([&] { return !recorded_.cancelled(); }));
  // The client's window for a stream is 65,535 bytes, and it gives no more of it.
  size_t unsent = 0;
  for (int i = 0; i < 10; ++i) unsent = recorded_.Send(std::string(10'000, 'm'));
  EXPECT_EQ(unsent, 10u * 10'005);
  ASSERT_TRUE(Until([&] { return raw->frames.Data(1).size() == 65'535; }));
  EXPECT_EQ(recorded_.unsent_bytes(), 100'050u - 65'535);
  EXPECT_THAT(events_, IsEmpty());
  raw->Send(Frame(kWindowUpdate, 0, 0, U32(100'000)) + Frame(kWindowUpdate, 0, 1, U32(100'000)));
  ASSERT_TRUE(Until([&] { return !events_.empty(); }));
  EXPECT_THAT(events_, ElementsAre("drained"));
  EXPECT_EQ(recorded_.unsent_bytes(), 0u);
  EXPECT_EQ(raw->frames.Data(1).size(), 100'050u);
}

TEST_F(ServerTest, HttpHandlersServeHttp2Too) {
  auto raw = Raw();
  raw->Send(
      Hello() +
      Headers(
          1, {{":method", "GET"}, {":scheme", "http"}, {":path", "/echo?q=1"}, {":authority", "a"}},
          true) +
      Headers(3, {{":method", "POST"},
                  {":scheme", "http"},
                  {":path", "/echo"},
                  {":authority", "a"},
                  {"content-type", "application/json"}}) +
      Frame(kData, 0, 3, "bo") + Frame(kData, kEndStream, 3, "dy") +
      Headers(5,
              {{":method", "GET"}, {":scheme", "http"}, {":path", "/stream"}, {":authority", "a"}},
              true) +
      Headers(7,
              {{":method", "HEAD"}, {":scheme", "http"}, {":path", "/echo"}, {":authority", "a"}},
              true) +
      Headers(9, {{":method", "GET"}, {":scheme", "http"}, {":path", "/none"}, {":authority", "a"}},
              true));
  ASSERT_TRUE(Until([&] {
    return raw->frames.Find(kData, 1, kEndStream) && raw->frames.Find(kData, 3, kEndStream) &&
           raw->frames.Find(kData, 5, kEndStream) && raw->frames.End(7) &&
           raw->frames.Find(kData, 9, kEndStream);
  }));
  EXPECT_EQ(raw->frames.Data(1), "GET /echo q=1 ");
  EXPECT_EQ(raw->frames.Data(3), "POST /echo  body");
  EXPECT_EQ(raw->frames.Data(5), "onetwothree");
  EXPECT_EQ(raw->frames.Find(kHeaders, 9)->headers.http_status, 404);
}

TEST_F(ServerTest, WrongContentTypeAndMethodOnAGrpcPath) {
  auto raw = Raw();
  raw->Send(Hello() +
            Headers(1, {{":method", "POST"},
                        {":scheme", "http"},
                        {":path", "/t.T/Echo"},
                        {":authority", "a"},
                        {"content-type", "application/json"}}) +
            Frame(kData, kEndStream, 1, "{}") +
            Headers(3,
                    {{":method", "GET"},
                     {":scheme", "http"},
                     {":path", "/t.T/Echo"},
                     {":authority", "a"},
                     {"content-type", "application/grpc"}},
                    true));
  ASSERT_TRUE(
      Until([&] { return raw->frames.Find(kHeaders, 1) && raw->frames.Find(kHeaders, 3); }));
  EXPECT_EQ(raw->frames.Find(kHeaders, 1)->headers.http_status, 415);
  EXPECT_EQ(raw->frames.Find(kHeaders, 3)->headers.http_status, 405);
}

TEST_F(ServerTest, ShutdownServesWhatHasBegun) {
  auto client = Client();
  UnaryResult held, late;
  client->Unary(client->AddMethod("/t.T/Later"), "x", &held, 0);
  ASSERT_TRUE(Until([&] { return !held_.empty(); }));
  bool done = false;
  server_->Shutdown(env::seconds(30), [&] { done = true; });
  // The client hears of it, and makes no more calls.
  ASSERT_TRUE(Until([&] { return !client->open(); }));
  client->Unary(client->AddMethod("/t.T/Echo"), "x", &late, 0);
  ASSERT_TRUE(Until([&] { return late.replies > 0; }));
  EXPECT_EQ(late.status.code(), StatusCode::kUnavailable);
  EXPECT_FALSE(late.status.outcome_unknown());
  EXPECT_FALSE(done);
  EXPECT_EQ(held.replies, 0);
  held_[0].Reply("served");
  ASSERT_TRUE(Until([&] { return done; }));
  ASSERT_TRUE(Until([&] { return held.replies > 0; }));
  EXPECT_EQ(held.message, "served");
}

TEST_F(ServerTest, ShutdownsGraceIsOverAtLast) {
  auto client = Client();
  UnaryResult held;
  client->Unary(client->AddMethod("/t.T/Later"), "x", &held, 0);
  ASSERT_TRUE(Until([&] { return !held_.empty(); }));
  bool done = false;
  server_->Shutdown(env::milliseconds(20), [&] { done = true; });
  ASSERT_TRUE(Until([&] { return done && held.replies > 0; }));
  EXPECT_EQ(held.status.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(held.status.outcome_unknown());
}

TEST_F(ServerTest, ShutdownWithoutConnections) {
  bool done = false;
  server_->Shutdown(env::seconds(30), [&] { done = true; });
  ASSERT_TRUE(Until([&] { return done; }));
}

TEST_F(ServerTest, AddressInUse) {
  const auto again = server_->Listen(address_);
  ASSERT_FALSE(again.ok());
  EXPECT_THAT(again.status().message(), HasSubstr(address_.text.substr(address_.text.find(':'))));
}

class SmallBudgetTest : public ServerTest {
 protected:
  static Options Small() {
    Options o;
    o.connection_budget_bytes = 1 << 20;
    o.server_budget_bytes = 3 << 20;
    o.max_request_bytes = 256 << 10;
    return o;
  }
  SmallBudgetTest() : ServerTest(Small()) {}
  // A client that has taken over the server's SETTINGS: its windows are as large as they get.
  std::unique_ptr<RawClient> Greeted() {
    auto raw = Raw();
    raw->Send(Hello());
    EXPECT_TRUE(Until([&] { return raw->frames.Find(kSettings, 0) != nullptr; }));
    raw->Send(Frame(kSettings, kAck, 0));
    return raw;
  }
};

TEST_F(SmallBudgetTest, HalfSentRequestsBeyondTheBudgetFailAndTheRestOfTheServerGoesOn) {
  auto raw = Greeted();
  std::string half = Message(std::string(200'000, 'x'));
  half.resize(150'000);
  for (uint32_t s = 1; s < 40; s += 2) {
    std::string bytes = Headers(s, GrpcFields("/t.T/Echo"));
    for (size_t at = 0; at < half.size(); at += 16'000) {
      bytes += Frame(kData, 0, s, std::string_view(half).substr(at, 16'000));
    }
    raw->Send(bytes);
  }
  ASSERT_TRUE(Until([&] {
    EXPECT_LE(server_->stats().budget_used, options_.connection_budget_bytes);
    return raw->frames.End(39) != nullptr;
  }));
  EXPECT_EQ(raw->frames.End(39)->headers.status, StatusCode::kResourceExhausted);
  EXPECT_EQ(raw->frames.End(1), nullptr);  // the first ones still have their place
  auto other = Client();
  EXPECT_EQ(Call(*other, "/t.T/Echo", "unharmed").message, "unharmed");
  other.reset();
  raw.reset();
  ExpectHealthy();
}

TEST_F(SmallBudgetTest, AnswersThatNobodyReadsAreBounded) {
  auto raw = Greeted();
  raw->parse = false;
  raw->SetReading(false);
  const std::string request = Message(std::string(100'000, 'x'));
  for (uint32_t s = 1; s < 400; s += 2) {
    std::string bytes = Headers(s, GrpcFields("/t.T/Echo"));
    for (size_t at = 0; at < request.size(); at += 16'000) {
      const bool last = at + 16'000 >= request.size();
      bytes += Frame(kData, last ? kEndStream : 0, s, std::string_view(request).substr(at, 16'000));
    }
    raw->Send(bytes);
  }
  auto other = Client();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(Call(*other, "/t.T/Echo", "unharmed").message, "unharmed");
    EXPECT_LE(server_->stats().budget_used, options_.connection_budget_bytes + 400'000);
  }
  other.reset();
  raw.reset();
  ExpectHealthy();
}

TEST_F(SmallBudgetTest, AStreamThatIsNotReadIsEnded) {
  auto raw = Raw();
  raw->Send(Hello() + Headers(1, GrpcFields("/t.T/Record")));
  ASSERT_TRUE(Until([&] { return !recorded_.cancelled(); }));
  for (int i = 0; i < 30; ++i) recorded_.Send(std::string(100'000, 'm'));
  EXPECT_TRUE(recorded_.cancelled());
  EXPECT_THAT(events_, IsEmpty());  // not from within Send
  ASSERT_TRUE(Until([&] { return events_.size() == 2; }));
  EXPECT_THAT(events_, ElementsAre("cancelled", "destroyed"));
  ASSERT_TRUE(Until([&] { return raw->frames.End(1) != nullptr; }));
  EXPECT_EQ(raw->frames.End(1)->headers.status, StatusCode::kResourceExhausted);
  raw.reset();
  ExpectHealthy();
}

TEST_F(SmallBudgetTest, LongTokensCountToo) {
  auto raw = Greeted();
  std::string bytes;
  for (uint32_t s = 1; s < 200; s += 2) {
    bytes += Headers(s, GrpcFields("/t.T/Later", {{"token", std::string(15'000, 't')}}));
  }
  raw->Send(bytes);
  ASSERT_TRUE(Until([&] { return raw->frames.Find(kRst, 199) != nullptr; }));
  EXPECT_EQ(raw->frames.Find(kRst, 199)->payload, U32(7));
  EXPECT_EQ(raw->frames.Find(kRst, 1), nullptr);
  EXPECT_LE(server_->stats().budget_used, options_.connection_budget_bytes);
  raw.reset();
  ExpectHealthy();
}

TEST_F(SmallBudgetTest, StreamsBeyondTheBudgetAreRefused) {
  auto raw = Raw();
  raw->Send(Hello());
  std::string bytes;
  for (uint32_t s = 1; s < 4000; s += 2) bytes += Headers(s, GrpcFields("/t.T/Later"));
  raw->Send(bytes);
  ASSERT_TRUE(Until([&] { return raw->frames.Find(kRst, 3999) != nullptr; }));
  EXPECT_EQ(raw->frames.Find(kRst, 3999)->payload, U32(7));  // REFUSED_STREAM
  EXPECT_EQ(raw->frames.Find(kRst, 1), nullptr);
  raw.reset();
  ExpectHealthy();
}

}  // namespace
}  // namespace cairn::http::testing
