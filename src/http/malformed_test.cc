// What no client should send: each case ends in the documented answer or a closed connection, and
// nobody else notices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/base/random.h"
#include "src/http/test_server.h"

namespace cairn::http::testing {
namespace {

class MalformedTest : public ServerTest {
 protected:
  // Sends preface, SETTINGS and `bytes`; waits for stream 1 to end.
  const ReceivedFrame* Trailers(RawClient& raw, std::string_view bytes) {
    raw.Send(Hello() + std::string(bytes));
    EXPECT_TRUE(Until([&] { return raw.frames.End(1) != nullptr; }));
    static const ReceivedFrame kNone;
    return raw.frames.End(1) != nullptr ? raw.frames.End(1) : &kNone;
  }
};

TEST_F(MalformedTest, GrpcFraming) {
  const struct {
    std::string data;
    StatusCode code;
  } cases[] = {
      {"", StatusCode::kInternal},
      {"abc", StatusCode::kInternal},
      {Message("whole").substr(0, 8), StatusCode::kInternal},
      {Message("one") + Message("two"), StatusCode::kInternal},
      {Message("one") + "x", StatusCode::kInternal},
      {Message("packed", 1), StatusCode::kUnimplemented},
      {Message("odd", 7), StatusCode::kInternal},
      {std::string("\0\xff\xff\xff\xff", 5), StatusCode::kResourceExhausted},
  };
  for (const auto& c : cases) {
    for (const bool split : {false, true}) {
      auto raw = Raw();
      std::string bytes = Headers(1, GrpcFields("/t.T/Echo"));
      if (split) {
        for (const char b : c.data) bytes += Frame(kData, 0, 1, std::string(1, b));
        bytes += Frame(kData, kEndStream, 1);
      } else {
        bytes += Frame(kData, kEndStream, 1, c.data);
      }
      const ReceivedFrame* end = Trailers(*raw, bytes);
      EXPECT_EQ(end->headers.http_status, 200);
      EXPECT_EQ(end->headers.status, c.code) << c.data.size() << " bytes, split " << split;
    }
  }
  ExpectHealthy();
}

TEST_F(MalformedTest, GrpcFramingOnAStream) {
  const struct {
    std::string data;
    StatusCode code;
  } cases[] = {
      {Message("whole") + "ab", StatusCode::kInternal},
      {Message("whole") + Message("packed", 1), StatusCode::kUnimplemented},
      {Message("whole") + std::string("\0\x7f\xff\xff\xff", 5), StatusCode::kResourceExhausted},
  };
  for (const auto& c : cases) {
    for (const bool split : {false, true}) {
      events_.clear();
      auto raw = Raw();
      std::string bytes = Headers(1, GrpcFields("/t.T/Record"));
      if (split) {
        for (const char b : c.data) bytes += Frame(kData, 0, 1, std::string(1, b));
        bytes += Frame(kData, kEndStream, 1);
      } else {
        bytes += Frame(kData, kEndStream, 1, c.data);
      }
      EXPECT_EQ(Trailers(*raw, bytes)->headers.status, c.code);
      ASSERT_TRUE(Until([&] { return events_.size() == 3; }));
      EXPECT_THAT(events_, ::testing::ElementsAre("message whole", "cancelled", "destroyed"));
    }
  }
  ExpectHealthy();
}

TEST_F(MalformedTest, MessagesCutAnywhereArriveWhole) {
  auto raw = Raw();
  std::string data;
  for (int i = 0; i < 20; ++i) data += Message(std::string(static_cast<size_t>(i * 7), 'a'));
  Random random(5);
  std::string bytes = Headers(1, GrpcFields("/t.T/Bidi"));
  for (size_t at = 0; at < data.size();) {
    const size_t n = std::min<size_t>(random.Between(1, 30), data.size() - at);
    bytes += Frame(kData, 0, 1, std::string_view(data).substr(at, n));
    at += n;
  }
  bytes += Frame(kData, kEndStream, 1);
  EXPECT_EQ(Trailers(*raw, bytes)->headers.status, StatusCode::kOk);
  EXPECT_EQ(raw->frames.Data(1), data);
}

TEST_F(MalformedTest, RequestHeaders) {
  const struct {
    Fields more;
    StatusCode code;
  } cases[] = {
      {{{"grpc-encoding", "gzip"}}, StatusCode::kUnimplemented},
      {{{"grpc-encoding", "identity"}}, StatusCode::kOk},
      {{{"grpc-timeout", "soon"}}, StatusCode::kInternal},
      {{{"grpc-timeout", "99999999H"}}, StatusCode::kOk},
  };
  for (const auto& c : cases) {
    auto raw = Raw();
    const ReceivedFrame* end = Trailers(*raw, Headers(1, GrpcFields("/t.T/Echo", c.more)) +
                                                  Frame(kData, kEndStream, 1, Message("x")));
    EXPECT_EQ(end->headers.status, c.code) << c.more[0].second;
  }
}

TEST_F(MalformedTest, HeadersTooLarge) {
  auto raw = Raw();
  Fields fields = GrpcFields("/t.T/Echo");
  for (int i = 0; i < 80; ++i) fields.push_back({"x-" + std::to_string(i), std::string(1000, 'y')});
  const std::string block = Block(fields);
  std::string bytes = Frame(kHeaders, 0, 1, std::string_view(block).substr(0, 16'000));
  for (size_t at = 16'000; at < block.size(); at += 16'000) {
    bytes += Frame(kContinuation, at + 16'000 >= block.size() ? kEndHeaders : 0, 1,
                   std::string_view(block).substr(at, 16'000));
  }
  raw->Send(Hello() + bytes);
  ASSERT_TRUE(Until([&] { return raw->frames.Find(kHeaders, 1) != nullptr || raw->closed; }));
  if (!raw->closed) {
    EXPECT_EQ(raw->frames.Find(kHeaders, 1)->headers.http_status, 431);
  }
  raw.reset();
  ExpectHealthy();
}

TEST_F(MalformedTest, EndlessHeadersCloseTheConnection) {
  auto raw = Raw();
  raw->Send(Hello() + Frame(kHeaders, 0, 1, Block(GrpcFields("/t.T/Echo"))));
  for (int i = 0; i < 1000; ++i) {
    raw->Send(Frame(kContinuation, 0, 1, Block({{"x", std::string(15'000, 'y')}})));
  }
  ASSERT_TRUE(Until([&] { return raw->closed; }));
  ExpectHealthy();
}

TEST_F(MalformedTest, ClientMayStopSendingEarly) {
  auto raw = Raw();
  // The answer is there before the request has ended: the server takes it back (NO_ERROR).
  raw->Send(Hello() + Headers(1, GrpcFields("/t.T/Unknown")) + Frame(kData, 0, 1, Message("x")));
  ASSERT_TRUE(Until([&] { return raw->frames.Find(kRst, 1) != nullptr; }));
  EXPECT_EQ(raw->frames.End(1)->headers.status, StatusCode::kUnimplemented);
  EXPECT_EQ(raw->frames.Find(kRst, 1)->payload, U32(0));
  raw->Send(Frame(kData, kEndStream, 1, Message("y")));
  raw->Send(Headers(3, GrpcFields("/t.T/Echo")) + Frame(kData, kEndStream, 3, Message("z")));
  ASSERT_TRUE(Until([&] { return raw->frames.End(3) != nullptr; }));
}

TEST_F(MalformedTest, ConnectionErrorsCloseOnlyTheConnection) {
  const std::string cases[] = {
      Frame(kData, 0, 0, "x"),                                          // DATA on stream 0
      Frame(kData, 0, 1, "x"),                                          // on an idle stream
      Frame(kHeaders, kEndHeaders, 2, Block(GrpcFields("/t"))),         // even stream
      Frame(kHeaders, kEndHeaders, 1, "\xff\xff\xff\xff\xff\xff\xff"),  // bad HPACK
      Frame(kHeaders, 0, 1, "") + Frame(kPing, 0, 0, "12345678"),       // block interrupted
      Frame(kContinuation, 0, 1, "x"),
      Frame(kPing, 0, 0, "short"),
      Frame(kSettings, 0, 0, "abc"),
      Frame(kSettings, 0, 1, ""),
      Frame(kSettings, 0, 0, std::string("\0\4\xff\xff\xff\xff", 6)),  // window beyond 2^31
      Frame(kWindowUpdate, 0, 0, U32(0)),
      Frame(kWindowUpdate, 0, 0, U32(0x7fffffff)) + Frame(kWindowUpdate, 0, 0, U32(0x7fffffff)),
      std::string("\xff\xff\xff\0\0\0\0\0\1", 9) + std::string(100'000, 'x'),  // too long
      Frame(kRst, 0, 7, U32(8)),                                               // of an idle stream
      "GET / HTTP/1.1\r\n\r\n",
  };
  auto bystander = Client();
  for (const std::string& bytes : cases) {
    auto raw = Raw();
    raw->Send(Hello() + bytes);
    EXPECT_TRUE(Until([&] { return raw->closed; }))
        << ::testing::PrintToString(bytes.substr(0, 40));
    EXPECT_EQ(Call(*bystander, "/t.T/Echo", "x").message, "x");
  }
  bystander.reset();
  ExpectHealthy();
}

TEST_F(MalformedTest, Floods) {
  std::string pings, settings, resets, empties, windows;
  for (int i = 0; i < 20'000; ++i) {
    pings += Frame(kPing, 0, 0, "12345678");
    settings += Frame(kSettings, 0, 0, U32(0x0003'0000 | 100).substr(0, 2) + U32(100));
    const auto stream = static_cast<uint32_t>(2 * i + 1);
    resets += Headers(stream, GrpcFields("/t.T/Later")) + Frame(kRst, 0, stream, U32(8));
    empties += Headers(stream, GrpcFields("/t.T/Later"));
    windows += Frame(kWindowUpdate, 0, 0, U32(1));
  }
  for (const std::string* flood : {&pings, &settings, &resets, &empties, &windows}) {
    auto raw = Raw();
    raw->parse = false;
    raw->Send(Hello() + *flood);
    raw->SetReading(false);
    auto other = Client();
    for (int i = 0; i < 30; ++i) {
      EXPECT_EQ(Call(*other, "/t.T/Echo", "x").message, "x");
      EXPECT_LE(server_->stats().budget_used, options_.connection_budget_bytes);
    }
    other.reset();
    raw.reset();
    ExpectHealthy();
  }
}

TEST_F(MalformedTest, PrefaceInPiecesAndWrongPrefaces) {
  auto raw = Raw();
  for (const char b : Hello()) {
    raw->Send(std::string(1, b));
    world_.loop().RunTurn(env::Duration(0));
  }
  raw->Send(Headers(1, GrpcFields("/t.T/Echo")) + Frame(kData, kEndStream, 1, Message("x")));
  ASSERT_TRUE(Until([&] { return raw->frames.End(1) != nullptr; }));
  EXPECT_EQ(raw->frames.Data(1), Message("x"));
  raw.reset();
  for (const char* wrong :
       {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI / HTTP/2.0\r\n\r\n", "\x16\x03\x01"}) {
    auto other = Raw();
    other->parse = false;
    other->Send(wrong);
    other->Send("\r\n\r\n");
    ASSERT_TRUE(Until([&] { return other->closed || !other->received.empty(); })) << wrong;
  }
  ExpectHealthy();
}

// Thousands of sessions, each a good one with some bytes changed, cut, doubled or moved.
TEST_F(MalformedTest, MutatedStreamsHarmNobody) {
  std::string good =
      Hello() + Headers(1, GrpcFields("/t.T/Echo", {{"grpc-timeout", "1S"}})) +
      Frame(kData, kEndStream, 1, Message("hello")) + Headers(3, GrpcFields("/t.T/Bidi")) +
      Frame(kData, 0, 3, Message("one") + std::string(2, 0)) + Frame(kPing, 0, 0, "12345678") +
      Frame(kWindowUpdate, 0, 3, U32(1000)) +
      Frame(kHeaders, 0, 5, Block(GrpcFields("/t.T/Later"))) +
      Frame(kContinuation, kEndHeaders, 5, Block({{"token", "abc"}})) + Frame(kRst, 0, 3, U32(8)) +
      Headers(7, {{":method", "POST"}, {":scheme", "http"}, {":path", "/echo"}}) +
      Frame(kData, kEndStream, 7, "body");
  const std::string good1 =
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
      "GET /stream HTTP/1.1\r\nHost: x\r\n\r\nHEAD /none HTTP/1.1\r\nHost: y\r\n\r\n";
  Random random(20'26);
  auto bystander = Client();
  std::vector<std::unique_ptr<RawClient>> clients;
  constexpr int kSessions = 4000;
  for (int i = 0; i < kSessions; ++i) {
    std::string bytes = random.Chance(0.75) ? good : good1;
    for (uint64_t n = random.Between(1, 6); n > 0; --n) {
      const size_t at = random.Below(bytes.size());
      switch (random.Below(5)) {
        case 0:
          bytes[at] = static_cast<char>(random.Next());
          break;
        case 1:
          bytes.erase(at, random.Between(1, 20));
          break;
        case 2:
          bytes.insert(at, bytes.substr(random.Below(bytes.size()), random.Below(60)));
          break;
        case 3:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.Below(8)));
          break;
        case 4:
          bytes.resize(at + 1);
          break;
      }
      if (bytes.empty()) bytes = "x";
    }
    auto raw = Raw();
    raw->parse = false;
    const size_t cut = random.Below(bytes.size());
    raw->Send(std::string_view(bytes).substr(0, cut));
    world_.loop().RunTurn(env::Duration(0));
    raw->Send(std::string_view(bytes).substr(cut));
    clients.push_back(std::move(raw));
    world_.loop().RunTurn(env::Duration(0));
    if (clients.size() < 50) continue;
    EXPECT_EQ(Call(*bystander, "/t.T/Echo", "still here").message, "still here");
    clients.clear();
    held_.clear();
    held_http_.clear();
  }
  clients.clear();
  bystander.reset();
  ExpectHealthy();
}

}  // namespace
}  // namespace cairn::http::testing
