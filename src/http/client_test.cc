// The client against servers that the test plays by hand.
#include "src/http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/base/random.h"
#include "src/http/test_server.h"

namespace cairn::http::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Fields InflateAll(nghttp2_hd_inflater* inflater, std::string_view block) {
  Fields fields;
  const auto* p = reinterpret_cast<const uint8_t*>(block.data());
  size_t left = block.size();
  for (;;) {
    nghttp2_nv nv;
    int flags = 0;
    const ssize_t n = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, p, left, 1);
    EXPECT_GE(n, 0);
    if (n < 0) return fields;
    p += n;
    left -= static_cast<size_t>(n);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      fields.push_back({std::string(reinterpret_cast<char*>(nv.name), nv.namelen),
                        std::string(reinterpret_cast<char*>(nv.value), nv.valuelen)});
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
      nghttp2_hd_inflate_end_headers(inflater);
      return fields;
    }
    if (left == 0 && (flags & NGHTTP2_HD_INFLATE_EMIT) == 0) return fields;
  }
}

// What the encoder writes, read by nghttp2, over many methods and limits of the table.
TEST(RequestHeaderEncoder, BlocksInflateToTheirFields) {
  for (const uint32_t limit : {4096u, 4095u, 100u, 0u}) {
    nghttp2_hd_inflater* inflater = nullptr;
    ASSERT_EQ(nghttp2_hd_inflate_new(&inflater), 0);
    RequestHeaderEncoder encoder("host:1", {{"te", "trailers"}, {"token", std::string(300, 't')}});
    std::vector<uint32_t> paths;
    for (int i = 0; i < 100; ++i)
      paths.push_back(encoder.AddPath("/service/Method" + std::to_string(i)));
    Random random(limit);
    for (int i = 0; i < 1000; ++i) {
      if (i == 200 && limit < 4096) {
        encoder.SetTableLimit(limit);
        nghttp2_hd_inflate_change_table_size(inflater, limit);
      }
      const size_t n = random.Below(i < 500 ? 5 : paths.size());
      const std::string timeout = random.Chance(0.2) ? "5S" : "";
      std::string block;
      encoder.Append(paths[n], timeout, block);
      Fields expected = {{":method", "POST"},      {":scheme", "http"},
                         {":authority", "host:1"}, {":path", "/service/Method" + std::to_string(n)},
                         {"te", "trailers"},       {"token", std::string(300, 't')}};
      if (!timeout.empty()) expected.push_back({"grpc-timeout", "5S"});
      ASSERT_EQ(InflateAll(inflater, block), expected) << "limit " << limit << " round " << i;
    }
    std::string again;
    encoder.Append(paths[0], "", again);
    if (limit == 4096) {
      EXPECT_LE(again.size(), 11u);
    }
    nghttp2_hd_inflate_del(inflater);
  }
}

TEST(ResponseHeaderDecoder, KnownBlocksFollowTheTable) {
  nghttp2_hd_deflater* deflater = nullptr;
  ASSERT_EQ(nghttp2_hd_deflate_new(&deflater, 4096), 0);
  ResponseHeaderDecoder decoder;
  Random random(9);
  for (int i = 0; i < 2000; ++i) {
    Fields fields;
    const bool trailers = random.Chance(0.5);
    const int status = static_cast<int>(random.Below(17));
    if (!trailers) {
      fields.push_back({":status", "200"});
      fields.push_back({"content-type", "application/grpc"});
    } else {
      fields.push_back({"grpc-status", std::to_string(status)});
      if (random.Chance(0.3))
        fields.push_back({"grpc-message", "m" + std::to_string(random.Below(200))});
    }
    std::vector<nghttp2_nv> nv;
    for (auto& [name, value] : fields) {
      nv.push_back({reinterpret_cast<uint8_t*>(name.data()),
                    reinterpret_cast<uint8_t*>(value.data()), name.size(), value.size(),
                    NGHTTP2_NV_FLAG_NONE});
    }
    uint8_t buffer[512];
    const ssize_t n = nghttp2_hd_deflate_hd(deflater, buffer, sizeof buffer, nv.data(), nv.size());
    ASSERT_GT(n, 0);
    const ResponseHeaders* h =
        decoder.Decode({reinterpret_cast<char*>(buffer), static_cast<size_t>(n)});
    ASSERT_NE(h, nullptr);
    if (trailers) {
      EXPECT_TRUE(h->has_status);
      EXPECT_EQ(static_cast<int>(h->status), status);
      EXPECT_EQ(h->message, fields.size() > 1 ? fields[1].second : "");
    } else {
      EXPECT_EQ(h->http_status, 200);
      EXPECT_TRUE(h->grpc);
      EXPECT_FALSE(h->has_status);
    }
  }
  nghttp2_hd_deflate_del(deflater);
}

// Listens, keeps its last connection and reads the client's frames.
class ScriptedServer final : public env::StreamHandler {
 public:
  explicit ScriptedServer(const env::Env& env) {
    auto made = env.network.Listen({"127.0.0.1:0"}, [this](std::unique_ptr<env::Stream> s) {
      stream = std::move(s);
      stream->Start(this);
    });
    CHECK(made.ok());
    listener_ = *std::move(made);
  }
  env::Address address() const { return listener_->BoundTo(); }
  void Send(std::string_view bytes) { EXPECT_EQ(stream->Write({&bytes, 1}), bytes.size()); }
  void OnData(std::string_view bytes) override {
    received += bytes;
    if (received.size() >= kPreface.size()) {
      frames.Add(std::string_view(received).substr(std::max(parsed_, kPreface.size())));
      parsed_ = received.size();
    }
  }
  void OnWritable() override {}
  void OnClosed(const Status&) override { closed = true; }

  std::unique_ptr<env::Stream> stream;
  std::string received;
  FrameReader frames;
  bool closed = false;

 private:
  size_t parsed_ = 0;
  std::unique_ptr<env::Listener> listener_;
};

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() : server_(world_.env()) {
    ClientOptions options;
    options.authority = "test";
    client_ =
        std::make_unique<GrpcClient>(world_.env(), world_.env().network.Connect(server_.address()),
                                     options, [this](const Status& why) { closed_ = why; });
    method_ = client_->AddMethod("/t.T/M");
  }
  template <class Condition>
  bool Until(Condition condition) {
    return env::posix::TurnUntil(world_.loop(), condition);
  }
  static std::string Ok() {
    return Headers(1, {{":status", "200"}, {"content-type", "application/grpc"}});
  }
  static std::string End(uint32_t stream, std::string code = "0", std::string message = "") {
    Fields fields = {{"grpc-status", std::move(code)}};
    if (!message.empty()) fields.push_back({"grpc-message", std::move(message)});
    return Headers(stream, fields, true);
  }
  // Starts one call and waits until the server has it whole.
  void Start() {
    client_->Unary(method_, "request", &result_, 1);
    ASSERT_TRUE(Until([&] { return server_.frames.Find(kData, 1, kEndStream) != nullptr; }));
  }
  Status Answered(std::string_view bytes) {
    Start();
    server_.Send(Frame(kSettings, 0, 0) + std::string(bytes));
    EXPECT_TRUE(Until([&] { return result_.replies > 0; }));
    return result_.status;
  }

  env::posix::RealEnv world_;
  ScriptedServer server_;
  Status closed_;
  UnaryResult result_;
  StreamResult stream_;
  ClientMethod method_;
  std::unique_ptr<GrpcClient> client_;
};

TEST_F(ClientTest, AnswerInPieces) {
  Start();
  EXPECT_EQ(server_.frames.Data(1), Message("request"));
  const std::string bytes =
      Frame(kSettings, 0, 0) + Ok() + Frame(kData, 0, 1, Message("answer").substr(0, 3)) +
      Frame(kData, 0x8, 1, std::string(1, 4) + Message("answer").substr(3) + "pad!") + End(1);
  for (const char b : bytes) {
    server_.Send(std::string(1, b));
    world_.loop().RunTurn(env::Duration(0));
  }
  ASSERT_TRUE(Until([&] { return result_.replies > 0; }));
  EXPECT_EQ(result_.status, OkStatus());
  EXPECT_EQ(result_.message, "answer");
}

TEST_F(ClientTest, TrailersOnlyError) {
  const Status s = Answered(Headers(1,
                                    {{":status", "200"},
                                     {"content-type", "application/grpc"},
                                     {"grpc-status", "9"},
                                     {"grpc-message", "etcdserver: no%20space"}},
                                    true));
  EXPECT_EQ(s, Status(StatusCode::kFailedPrecondition, "etcdserver: no space"));
}

TEST_F(ClientTest, HttpErrors) {
  const Status s = Answered(Headers(1, {{":status", "503"}}, true));
  EXPECT_EQ(s.code(), StatusCode::kUnavailable);
  EXPECT_THAT(s.message(), HasSubstr("503"));
}

TEST_F(ClientTest, AnswerWithoutStatusOrMessage) {
  EXPECT_EQ(Answered(Ok() + Frame(kData, kEndStream, 1, Message("x"))).code(),
            StatusCode::kInternal);
}

TEST_F(ClientTest, TruncatedMessage) {
  EXPECT_EQ(Answered(Ok() + Frame(kData, 0, 1, std::string(3, 0)) + End(1)).code(),
            StatusCode::kInternal);
}

TEST_F(ClientTest, RefusedStreamIsDefinite) {
  const Status s = Answered(Frame(kRst, 0, 1, U32(7)));
  EXPECT_EQ(s.code(), StatusCode::kUnavailable);
  EXPECT_FALSE(s.outcome_unknown());
}

TEST_F(ClientTest, GoawayEndsWhatTheServerHasNotSeen) {
  Start();
  StreamResult second;
  client_->OpenStream(method_, &second);
  UnaryResult third;
  client_->Unary(method_, "x", &third, 3);
  server_.Send(Frame(kSettings, 0, 0) + Frame(kGoaway, 0, 0, U32(3) + U32(11) + "too_many_pings"));
  ASSERT_TRUE(Until([&] { return third.replies > 0; }));
  EXPECT_EQ(third.status.code(), StatusCode::kUnavailable);
  EXPECT_FALSE(third.status.outcome_unknown());
  EXPECT_THAT(third.status.message(), HasSubstr("too_many_pings"));
  EXPECT_FALSE(client_->open());
  EXPECT_FALSE(second.done);
}

TEST_F(ClientTest, LostConnectionEndsEveryCallWithUnknownOutcome) {
  Start();
  server_.stream.reset();
  ASSERT_TRUE(Until([&] { return result_.replies > 0; }));
  EXPECT_EQ(result_.status.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(result_.status.outcome_unknown());
  EXPECT_EQ(closed_.code(), StatusCode::kUnavailable);
  // A receiver that calls again at once is told so in a later turn, not in an endless one.
  int left = 3;
  UnaryResult again;
  again.on_reply = [&](uint64_t) {
    if (left-- > 0) client_->Unary(method_, "x", &again, 0);
  };
  client_->Unary(method_, "x", &again, 0);
  EXPECT_EQ(again.replies, 0);
  ASSERT_TRUE(Until([&] { return again.replies == 4; }));
}

TEST_F(ClientTest, MalformedServersAreLeft) {
  const std::string cases[] = {
      Frame(kData, 0, 0, "x"),
      Frame(kHeaders, kEndHeaders, 2, ""),
      Frame(kHeaders, kEndHeaders, 9, ""),
      Frame(kHeaders, kEndHeaders, 1, "\xff\xff\xff\xff\xff\xff\xff"),
      Frame(kSettings, 0, 0, "abc"),
      Frame(kSettings, 0, 1, ""),
      Frame(kPing, 0, 0, "short"),
      Frame(kWindowUpdate, 0, 0, U32(0)),
      Frame(kContinuation, kEndHeaders, 1, ""),
      Frame(kHeaders, 0, 1, "") + Frame(kPing, 0, 0, "12345678"),
      Frame(5, kEndHeaders, 1, U32(2)),  // PUSH_PROMISE
      Frame(kData, 0x8, 1, "\xff"),
      std::string("\xff\xff\xff\0\0\0\0\0\1", 9),
      Ok() + Ok(),
      "HTTP/1.1 400 Bad Request\r\n\r\n",
  };
  for (const std::string& bytes : cases) {
    env::posix::RealEnv world;
    ScriptedServer server(world.env());
    Status closed;
    UnaryResult result;
    GrpcClient client(world.env(), world.env().network.Connect(server.address()), {},
                      [&](const Status& why) { closed = why; });
    client.Unary(client.AddMethod("/t.T/M"), "x", &result, 0);
    ASSERT_TRUE(env::posix::TurnUntil(world.loop(), [&] { return server.stream != nullptr; }));
    server.Send(bytes);
    ASSERT_TRUE(env::posix::TurnUntil(world.loop(), [&] { return result.replies > 0; }))
        << ::testing::PrintToString(bytes);
    EXPECT_FALSE(result.status.ok());
    EXPECT_FALSE(closed.ok());
    EXPECT_FALSE(client.open());
  }
}

TEST_F(ClientTest, WindowsAndFrameSizesOfTheServerAreKept) {
  const ClientCallId call = client_->OpenStream(method_, &stream_);
  ASSERT_TRUE(Until([&] { return server_.frames.Find(kHeaders, 1) != nullptr; }));
  std::string message(100'000, 'm');
  EXPECT_GT(client_->Send(call, message), 0u);
  client_->HalfClose(call);
  ASSERT_TRUE(Until([&] { return server_.frames.Data(1).size() == 65'535; }));
  for (const ReceivedFrame& f : server_.frames.frames) EXPECT_LE(f.payload.size(), 16'384u);
  // The stream's window alone is not enough; nor is SETTINGS that takes some of it back.
  server_.Send(Frame(kSettings, 0, 0, std::string("\0\4", 2) + U32(60'000)) +
               Frame(kWindowUpdate, 0, 1, U32(5'535 + 10'000)));
  ASSERT_TRUE(Until([&] { return server_.frames.Find(kSettings, 0, kAck) != nullptr; }));
  EXPECT_EQ(server_.frames.Data(1).size(), 65'535u);
  server_.Send(Frame(kWindowUpdate, 0, 0, U32(20'000)));
  ASSERT_TRUE(Until([&] { return server_.frames.Data(1).size() == 75'535; }));
  server_.Send(Frame(kWindowUpdate, 0, 1, U32(100'000)) + Frame(kWindowUpdate, 0, 0, U32(100'000)));
  ASSERT_TRUE(Until([&] { return server_.frames.Find(kData, 1, kEndStream) != nullptr; }));
  EXPECT_EQ(server_.frames.Data(1), Message(message));
}

TEST_F(ClientTest, CallsBeyondTheServersLimitWait) {
  server_.frames.frames.clear();
  ASSERT_TRUE(Until([&] { return server_.stream != nullptr; }));
  server_.Send(Frame(kSettings, 0, 0, std::string("\0\3", 2) + U32(2)));
  ASSERT_TRUE(Until([&] { return server_.frames.Find(kSettings, 0, kAck) != nullptr; }));
  std::vector<UnaryResult> results(5);
  for (size_t i = 0; i < 5; ++i) client_->Unary(method_, "m" + std::to_string(i), &results[i], i);
  ASSERT_TRUE(Until([&] { return server_.frames.Find(kData, 3, kEndStream) != nullptr; }));
  EXPECT_EQ(server_.frames.Find(kHeaders, 5), nullptr);
  server_.Send(Ok() + Frame(kData, 0, 1, Message("a")) + End(1));
  ASSERT_TRUE(Until([&] { return server_.frames.Find(kData, 5, kEndStream) != nullptr; }));
  EXPECT_EQ(server_.frames.Data(5), Message("m2"));
  EXPECT_EQ(results[0].message, "a");
  EXPECT_EQ(server_.frames.Find(kHeaders, 7), nullptr);
}

TEST_F(ClientTest, PingsAreAnswered) {
  ASSERT_TRUE(Until([&] { return server_.stream != nullptr; }));
  server_.Send(Frame(kSettings, 0, 0) + Frame(kPing, 0, 0, "12345678"));
  ASSERT_TRUE(Until([&] { return server_.frames.Find(kPing, 0, kAck) != nullptr; }));
  EXPECT_EQ(server_.frames.Find(kPing, 0, kAck)->payload, "12345678");
}

TEST_F(ClientTest, StreamMessagesCutAnywhere) {
  client_->OpenStream(method_, &stream_);
  ASSERT_TRUE(Until([&] { return server_.frames.Find(kHeaders, 1) != nullptr; }));
  const std::string data =
      Message("one") + Message("") + Message(std::string(1000, 'x')) + Message("four");
  std::string bytes = Frame(kSettings, 0, 0) + Ok();
  for (size_t at = 0; at < data.size(); at += 7) {
    bytes += Frame(kData, 0, 1, std::string_view(data).substr(at, 7));
  }
  server_.Send(bytes + End(1));
  ASSERT_TRUE(Until([&] { return stream_.done; }));
  EXPECT_EQ(stream_.status, OkStatus());
  EXPECT_THAT(stream_.messages, ElementsAre("one", "", std::string(1000, 'x'), "four"));
}

TEST(ClientConnect, NobodyListens) {
  env::posix::RealEnv world;
  env::Address nobody;
  {
    ScriptedServer gone(world.env());
    nobody = gone.address();
  }
  UnaryResult result;
  GrpcClient client(world.env(), world.env().network.Connect(nobody), {}, {});
  client.Unary(client.AddMethod("/t.T/M"), "x", &result, 0);
  ASSERT_TRUE(env::posix::TurnUntil(world.loop(), [&] { return result.replies > 0; }));
  EXPECT_EQ(result.status.code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace cairn::http::testing
