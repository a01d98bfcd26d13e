#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/http/test_server.h"

namespace cairn::http::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Http1Test : public ServerTest {
 protected:
  // Sends `bytes` and returns the first answer, head and body.
  std::string Ask(RawClient& client, std::string_view bytes) {
    client.parse = false;
    client.received.clear();
    client.Send(bytes);
    EXPECT_TRUE(Until([&] { return Whole(client.received) || client.closed; })) << client.received;
    return client.received;
  }
  static bool Whole(std::string_view text) {
    const size_t head = text.find("\r\n\r\n");
    if (head == text.npos) return false;
    const size_t length = text.find("Content-Length: ");
    if (length > head) return text.ends_with("0\r\n\r\n");
    return text.size() >= head + 4 + std::stoul(std::string(text.substr(length + 16)));
  }
};

TEST_F(Http1Test, GetAndPostOnOneConnection) {
  auto c = Raw();
  std::string r = Ask(*c, "GET /echo?a=b HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(r, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
  EXPECT_THAT(r, HasSubstr(" GMT\r\nContent-Type: text/plain\r\n"));
  EXPECT_THAT(r, HasSubstr("\r\n\r\nGET /echo a=b "));
  r = Ask(*c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
  EXPECT_THAT(r, HasSubstr("\r\n\r\nPOST /echo  body"));
  r = Ask(*c, "GET /sub/deep/path HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(r, HasSubstr("\r\n\r\nsub /sub/deep/path"));
  EXPECT_FALSE(c->closed);
}

TEST_F(Http1Test, BytesOneByOne) {
  auto c = Raw();
  c->parse = false;
  for (const char b :
       std::string("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) {
    c->Send(std::string(1, b));
    world_.loop().RunTurn(env::Duration(0));
  }
  ASSERT_TRUE(Until([&] { return Whole(c->received); }));
  EXPECT_THAT(c->received, HasSubstr("\r\n\r\nPOST /echo  abcde"));
}

TEST_F(Http1Test, PipelinedRequestsAreAnsweredInOrder) {
  auto c = Raw();
  c->parse = false;
  c->Send(
      "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nsecond"
      "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
      "GET /echo?last HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(Until([&] { return held_http_.size() == 1; }));
  EXPECT_EQ(c->received, "");
  held_http_[0].Reply(200, "text/plain", "first");
  ASSERT_TRUE(Until([&] { return c->received.find("GET /echo last") != std::string::npos; }));
  const size_t first = c->received.find("first");
  const size_t second = c->received.find("POST /echo  second");
  const size_t third = c->received.find("3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_LT(third, c->received.size());
  held_http_[0].Reply(200, "text/plain", "again");  // an old name
  EXPECT_TRUE(held_http_[0].cancelled());
}

TEST_F(Http1Test, StreamedAnswerIsChunked) {
  auto c = Raw();
  const std::string r = Ask(*c, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(
      r, HasSubstr(
             "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"));
}

TEST_F(Http1Test, Http10ClosesAfterTheAnswer) {
  auto c = Raw();
  c->parse = false;
  c->Send("GET /stream HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(Until([&] { return c->closed; }));
  EXPECT_THAT(c->received, HasSubstr("\r\n\r\nonetwothree"));
  EXPECT_THAT(c->received, Not(HasSubstr("chunked")));
  auto keep = Raw();
  const std::string r = Ask(*keep, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(r, HasSubstr("Connection: keep-alive\r\n"));
  EXPECT_THAT(Ask(*keep, "GET /echo HTTP/1.0\r\n\r\n"), HasSubstr("Connection: close\r\n"));
}

TEST_F(Http1Test, ConnectionClose) {
  auto c = Raw();
  const std::string r = Ask(*c, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(r, HasSubstr("Connection: close\r\n"));
  ASSERT_TRUE(Until([&] { return c->closed; }));
}

TEST_F(Http1Test, HeadHasNoBody) {
  auto c = Raw();
  c->parse = false;
  c->Send("HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\nGET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(Until([&] { return c->received.find("GET /echo") != std::string::npos; }));
  EXPECT_THAT(c->received, StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(c->received, HasSubstr("Content-Length: 12\r\n\r\nHTTP/1.1 200 OK"));
}

TEST_F(Http1Test, ExpectContinue) {
  auto c = Raw();
  c->parse = false;
  c->Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(Until([&] { return !c->received.empty(); }));
  EXPECT_EQ(c->received, "HTTP/1.1 100 Continue\r\n\r\n");
  c->Send("body");
  ASSERT_TRUE(Until([&] { return c->received.find("POST /echo  body") != std::string::npos; }));
  auto other = Raw();
  EXPECT_THAT(
      Ask(*other, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: magic\r\n\r\n"),
      StartsWith("HTTP/1.1 417 "));
}

TEST_F(Http1Test, Refusals) {
  const std::string many_headers = [] {
    std::string s = "GET /echo HTTP/1.1\r\nHost: x\r\n";
    for (int i = 0; i < 3000; ++i)
      s += "X-Header-" + std::to_string(i) + ": 0123456789012345678901\r\n";
    return s + "\r\n";
  }();
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"},
      {"BREW /echo HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed"},
      {"TRACE /echo HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed"},
      {"GET /echo HTTP/1.1\r\n\r\n", "400 Bad Request"},
      {"GET /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400 Bad Request"},
      {"GET /echo HTTP/9.9\r\nHost: x\r\n\r\n", "400 Bad Request"},
      {"nonsense\r\n\r\n", "400 Bad Request"},
      {std::string("\0\1\2\3 / HTTP/1.1\r\n\r\n", 19), "400 Bad Request"},
      {"GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
       "400 Bad Request"},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
       "400 Bad Request"},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501 Not Implemented"},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400 Bad Request"},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
       "400 Bad Request"},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
       "413 Payload Too Large"},
      {many_headers, "431 Request Header Fields Too Large"},
  };
  for (const auto& [request, answer] : cases) {
    auto c = Raw();
    EXPECT_THAT(Ask(*c, request), StartsWith("HTTP/1.1 " + answer)) << request.substr(0, 80);
    c.reset();
  }
  ExpectHealthy();
}

TEST_F(Http1Test, ChunkedBodyOverTheLimit) {
  auto c = Raw();
  c->parse = false;
  c->Send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  for (int i = 0; i < 40; ++i) c->Send(chunk);
  ASSERT_TRUE(Until([&] { return !c->received.empty(); }));
  EXPECT_THAT(c->received, StartsWith("HTTP/1.1 413 "));
  c.reset();
  ExpectHealthy();
}

TEST_F(Http1Test, PipelineIsBounded) {
  auto c = Raw();
  c->parse = false;
  c->Send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(Until([&] { return held_http_.size() == 1; }));
  std::string flood;
  for (int i = 0; i < 100'000; ++i) flood += "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n";
  c->Send(flood);
  auto other = Client();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Call(*other, "/t.T/Echo", "x").message, "x");
    EXPECT_LE(server_->stats().budget_used, size_t{1} << 20);
  }
  held_http_[0].Reply(200, "text/plain", "go");
  ASSERT_TRUE(Until([&] { return c->received.size() > 100'000 * 100; }));
  other.reset();
  c.reset();
  ExpectHealthy();
}

TEST_F(Http1Test, ShutdownClosesIdleConnections) {
  auto idle = Raw();
  Ask(*idle, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  auto busy = Raw();
  busy->parse = false;
  busy->Send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(Until([&] { return held_http_.size() == 1; }));
  bool done = false;
  server_->Shutdown(env::seconds(30), [&] { done = true; });
  ASSERT_TRUE(Until([&] { return idle->closed; }));
  EXPECT_FALSE(done);
  held_http_[0].Reply(200, "text/plain", "bye");
  ASSERT_TRUE(Until([&] { return done && busy->closed; }));
  EXPECT_THAT(busy->received, HasSubstr("Connection: close"));
  EXPECT_THAT(busy->received, HasSubstr("bye"));
}

}  // namespace
}  // namespace cairn::http::testing
