#include "src/env/posix/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "src/base/log.h"
#include "src/env/posix/address.h"
#include "src/env/posix/test_loop.h"

namespace cairn::env::posix {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// A handler that keeps what it sees; tests hook in where they need to act.
struct Recorder : StreamHandler {
  std::string data;
  int connected = 0;
  int writable = 0;
  bool closed = false;
  Status why;
  std::function<void(std::string_view)> on_data;
  std::function<void()> on_connected;
  std::function<void()> on_writable;
  std::function<void()> on_closed;

  void OnConnected() override {
    ++connected;
    if (on_connected) on_connected();
  }
  void OnData(std::string_view bytes) override {
    data += bytes;
    if (on_data) on_data(bytes);
  }
  void OnWritable() override {
    ++writable;
    if (on_writable) on_writable();
  }
  void OnClosed(const Status& status) override {
    EXPECT_FALSE(closed) << "OnClosed is the last event, and comes once";
    closed = true;
    why = status;
    if (on_closed) on_closed();
  }
};

size_t Write(Stream& stream, std::string_view bytes) {
  return stream.Write(std::span<const std::string_view>(&bytes, 1));
}

// Loopback TCP and a unix socket must behave alike.
class NetworkTest : public testing::TestWithParam<const char*> {
 protected:
  NetworkTest() {
    std::string pattern = testing::TempDir() + "/cairn-net-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    const std::string kind = GetParam();
    listen_on_.text = kind == "unix" ? "unix:" + folder_ + "/s" : kind;
    auto listener = network_.Listen(listen_on_, [this](std::unique_ptr<Stream> s) {
      accepted_ = std::move(s);
      if (start_accepted_) accepted_->Start(&server_);
    });
    EXPECT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
  }
  ~NetworkTest() override { std::filesystem::remove_all(folder_); }

  // A connected pair: client_stream_ and accepted_.
  void ConnectPair() {
    client_stream_ = network_.Connect(listener_->BoundTo());
    client_stream_->Start(&client_);
    ASSERT_TRUE(TurnUntil(loop_, [&] { return client_.connected == 1 && accepted_ != nullptr; }));
  }
  void Turns(int n) {
    for (int i = 0; i < n; ++i) loop_.RunTurn(Duration(0));
  }

  Loop loop_;
  PosixNetwork network_{loop_};
  std::string folder_;
  Address listen_on_;
  Recorder server_;
  Recorder client_;
  bool start_accepted_ = true;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Stream> accepted_;
  std::unique_ptr<Stream> client_stream_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, NetworkTest, testing::Values("127.0.0.1:0", "localhost:0", "unix"),
                         [](const auto& kind) {
                           return std::string(kind.param[0] == '1'   ? "Tcp"
                                              : kind.param[0] == 'l' ? "Localhost"
                                                                     : "Unix");
                         });

TEST_P(NetworkTest, BytesGoBothWays) {
  ConnectPair();
  EXPECT_EQ(Write(*client_stream_, "ping"), 4u);
  ASSERT_TRUE(TurnUntil(loop_, [&] { return server_.data == "ping"; }));
  EXPECT_EQ(Write(*accepted_, "pong"), 4u);
  ASSERT_TRUE(TurnUntil(loop_, [&] { return client_.data == "pong"; }));
  EXPECT_EQ(server_.connected, 0);
  EXPECT_EQ(client_stream_->PeerName(), listener_->BoundTo().text);
  EXPECT_FALSE(accepted_->PeerName().empty());
}

TEST_P(NetworkTest, OrderlyCloseIsTheLastEventAfterAllBytes) {
  ConnectPair();
  Write(*client_stream_, "last words");
  client_stream_.reset();
  ASSERT_TRUE(TurnUntil(loop_, [&] { return server_.closed; }));
  EXPECT_TRUE(server_.why.ok()) << server_.why;
  EXPECT_EQ(server_.data, "last words");
  EXPECT_EQ(Write(*accepted_, "to nobody"), 9u);
  EXPECT_FALSE(client_.closed);  // no event for what the owner closes
}

TEST_P(NetworkTest, LargeTransferWithBackpressureArrivesWhole) {
  ConnectPair();
  std::string sent;
  Random random(3);
  while (sent.size() < (16u << 20)) sent += static_cast<char>(random.Next());
  size_t at = 0;
  bool was_full = false;
  client_.on_writable = [&] {
    while (at < sent.size()) {
      // Odd pieces, so that the boundaries of pieces and of socket buffers do not meet.
      const std::string_view rest = std::string_view(sent).substr(at);
      const std::string_view pieces[] = {
          rest.substr(0, 10'007), rest.substr(std::min<size_t>(rest.size(), 10'007), 299'993)};
      const size_t n = client_stream_->Write(pieces);
      at += n;
      if (n < pieces[0].size() + pieces[1].size()) {
        was_full = true;
        return;
      }
    }
  };
  accepted_->SetReading(false);
  client_.on_writable();
  Turns(10);
  EXPECT_TRUE(was_full);
  EXPECT_TRUE(server_.data.empty());
  EXPECT_LT(at, sent.size());
  accepted_->SetReading(true);
  ASSERT_TRUE(TurnUntil(loop_, [&] { return server_.data.size() == sent.size(); }));
  EXPECT_TRUE(server_.data == sent);
  EXPECT_GT(client_.writable, 0);
}

TEST_P(NetworkTest, BusyConnectionDoesNotKeepATurnToItself) {
  ConnectPair();
  accepted_->SetReading(false);
  const std::string block(4 << 20, 'x');
  size_t taken = 0;
  client_.on_writable = [&] {
    taken += Write(*client_stream_, std::string_view(block).substr(taken));
  };
  client_.on_writable();
  // The handler writes more whenever it is given something, so the socket is never found empty.
  size_t most_in_a_turn = 0;
  size_t in_this_turn = 0;
  server_.on_data = [&](std::string_view bytes) {
    in_this_turn += bytes.size();
    taken = 0;
    client_.on_writable();
  };
  accepted_->SetReading(true);
  ASSERT_TRUE(TurnUntil(loop_, [&] {
    most_in_a_turn = std::max(most_in_a_turn, std::exchange(in_this_turn, 0));
    return server_.data.size() > (64u << 20);
  }));
  EXPECT_LT(most_in_a_turn, 2u << 20);
}

TEST_P(NetworkTest, ManyPiecesInOneWrite) {
  ConnectPair();
  std::vector<std::string> texts;
  std::string expected;
  for (int i = 0; i < 5'000; ++i) {
    texts.push_back(i % 5 == 0 ? "" : std::to_string(i));
    expected += texts.back();
  }
  const std::vector<std::string_view> pieces(texts.begin(), texts.end());
  EXPECT_EQ(client_stream_->Write(pieces), expected.size());
  ASSERT_TRUE(TurnUntil(loop_, [&] { return server_.data.size() == expected.size(); }));
  EXPECT_EQ(server_.data, expected);
}

TEST_P(NetworkTest, NothingIsReadBeforeStart) {
  start_accepted_ = false;
  ConnectPair();
  Write(*client_stream_, "early");
  client_stream_.reset();
  Turns(5);
  EXPECT_EQ(server_.data, "");
  accepted_->Start(&server_);
  ASSERT_TRUE(TurnUntil(loop_, [&] { return server_.closed; }));
  EXPECT_EQ(server_.data, "early");
}

TEST_P(NetworkTest, WriteBeforeConnectedIsRefusedAndOnWritableFollows) {
  client_stream_ = network_.Connect(listener_->BoundTo());
  EXPECT_EQ(Write(*client_stream_, "x"), 0u);
  client_stream_->Start(&client_);
  ASSERT_TRUE(TurnUntil(loop_, [&] { return client_.writable == 1; }));
  EXPECT_EQ(client_.connected, 1);
  EXPECT_EQ(Write(*client_stream_, "x"), 1u);
}

TEST_P(NetworkTest, StreamMayBeDestroyedInEachOfItsEvents) {
  ConnectPair();
  server_.on_data = [&](std::string_view) { accepted_.reset(); };
  Write(*client_stream_, std::string(300'000, 'x'));  // more than one read
  ASSERT_TRUE(TurnUntil(loop_, [&] { return accepted_ == nullptr; }));
  client_.on_closed = [&] { client_stream_.reset(); };
  ASSERT_TRUE(TurnUntil(loop_, [&] { return client_stream_ == nullptr; }));

  client_ = {};
  client_stream_ = network_.Connect(listener_->BoundTo());
  client_.on_connected = [&] { client_stream_.reset(); };
  client_stream_->Start(&client_);
  ASSERT_TRUE(TurnUntil(loop_, [&] { return client_stream_ == nullptr; }));

  client_ = {};
  client_stream_ = network_.Connect(listener_->BoundTo());
  client_.on_writable = [&] { client_stream_.reset(); };
  Write(*client_stream_, "x");
  client_stream_->Start(&client_);
  ASSERT_TRUE(TurnUntil(loop_, [&] { return client_stream_ == nullptr; }));
}

TEST_P(NetworkTest, HandlersMayDestroyEachOthersStreams) {
  // Both are ready in one turn; whoever comes first destroys the other, whose event must vanish.
  ConnectPair();
  auto first = std::move(accepted_);
  auto first_client = std::move(client_stream_);
  Recorder second_client;
  Recorder second;
  start_accepted_ = false;
  client_stream_ = network_.Connect(listener_->BoundTo());
  client_stream_->Start(&second_client);
  ASSERT_TRUE(
      TurnUntil(loop_, [&] { return accepted_ != nullptr && second_client.connected == 1; }));
  accepted_->Start(&second);
  server_.on_data = [&](std::string_view) { accepted_.reset(); };
  second.on_data = [&](std::string_view) { first.reset(); };
  Write(*first_client, "a");
  Write(*client_stream_, "b");
  ASSERT_TRUE(TurnUntil(loop_, [&] { return first == nullptr || accepted_ == nullptr; }));
  Turns(3);
  EXPECT_EQ(server_.data.size() + second.data.size(), 1u);
}

TEST_P(NetworkTest, BrokenConnectionTakesEverythingAndSaysSoOnce) {
  ConnectPair();
  accepted_.reset();
  const std::string block(1 << 20, 'x');
  // The first write meets a socket that only knows of the end of the other's bytes; its answer
  // breaks it.
  bool all_taken = false;
  for (int i = 0; i < 1'000'000 && !all_taken; ++i) {
    all_taken = Write(*client_stream_, block) == block.size() &&
                Write(*client_stream_, block) == block.size();
  }
  EXPECT_TRUE(all_taken);
  EXPECT_FALSE(client_.closed);
  ASSERT_TRUE(TurnUntil(loop_, [&] { return client_.closed; }));
  EXPECT_EQ(Write(*client_stream_, block), block.size());
  Turns(3);
}

TEST_P(NetworkTest, ErrorIsToldThoughReadingIsOff) {
  ConnectPair();
  client_stream_->SetReading(false);
  Write(*client_stream_, "unread");
  Turns(1);
  accepted_->SetReading(false);
  Write(*client_stream_, "unread too");
  accepted_.reset();  // with unread bytes: the system resets the connection
  const std::string block(1 << 20, 'x');
  ASSERT_TRUE(TurnUntil(loop_, [&] {
    if (!client_.closed) Write(*client_stream_, block);
    return client_.closed;
  }));
  EXPECT_EQ(client_.why.code(), StatusCode::kUnavailable);
}

TEST_P(NetworkTest, ListenerCanBeDestroyedInItsHandlerAndStreamsLiveOn) {
  ConnectPair();
  listener_.reset();
  Write(*client_stream_, "still here");
  ASSERT_TRUE(TurnUntil(loop_, [&] { return server_.data == "still here"; }));

  std::unique_ptr<Listener> own;
  std::unique_ptr<Stream> got;
  own = *network_.Listen(listen_on_, [&](std::unique_ptr<Stream> s) {
    got = std::move(s);
    own.reset();
  });
  Recorder r;
  auto stream = network_.Connect(own->BoundTo());
  stream->Start(&r);
  ASSERT_TRUE(TurnUntil(loop_, [&] { return own == nullptr; }));
  EXPECT_NE(got, nullptr);
}

TEST_P(NetworkTest, ConnectionRefusedIsAnEvent) {
  const Address nobody = listener_->BoundTo();
  listener_.reset();
  client_stream_ = network_.Connect(nobody);
  EXPECT_FALSE(client_.closed);
  client_stream_->Start(&client_);
  EXPECT_FALSE(client_.closed);  // never inside a call
  ASSERT_TRUE(TurnUntil(loop_, [&] { return client_.closed; }));
  EXPECT_EQ(client_.connected, 0);
  EXPECT_EQ(client_.why.code(), StatusCode::kUnavailable);
  EXPECT_THAT(client_.why.message(), HasSubstr(nobody.text));
}

TEST_P(NetworkTest, AddressInUseIsNamed) {
  const Address taken = listener_->BoundTo();
  const auto second = network_.Listen(taken, [](std::unique_ptr<Stream>) {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(second.status().message(), HasSubstr(taken.text));
  EXPECT_THAT(second.status().message(), HasSubstr("Address already in use"));
}

TEST(PosixNetworkTest, SocketLeftBehindByADeadProcessIsReplaced) {
  Loop loop;
  PosixNetwork network(loop);
  std::string pattern = testing::TempDir() + "/cairn-net-XXXXXX";
  const std::string folder = ::mkdtemp(pattern.data());
  const std::string path = folder + "/s";
  {
    auto listener = network.Listen(Address{"unix:" + path}, [](std::unique_ptr<Stream>) {});
    ASSERT_TRUE(listener.ok());
    std::filesystem::create_hard_link(path, path + ".kept");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  std::filesystem::rename(path + ".kept", path);
  EXPECT_TRUE(network.Listen(Address{"unix:" + path}, [](std::unique_ptr<Stream>) {}).ok());
  std::filesystem::remove_all(folder);
}

TEST(PosixNetworkTest, NamesAreResolvedBesideTheLoop) {
  Loop loop;
  PosixNetwork network(loop);
  Recorder r;
  // RFC 6761: "invalid" never resolves.
  auto stream = network.Connect(Address{"nowhere.invalid:1"});
  stream->Start(&r);
  ASSERT_TRUE(TurnUntil(loop, [&] { return r.closed; }));
  EXPECT_THAT(r.why.message(), HasSubstr("nowhere.invalid"));
  // And one that is destroyed while it is being resolved.
  auto gone = network.Connect(Address{"nowhere.invalid:1"});
  gone->Start(&r);
  gone.reset();
  loop.RunTurn(milliseconds(1));
}

TEST(PosixNetworkTest, OutOfDescriptorsPausesAcceptingAndSaysSoOnce) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer opens pipes to look at memory, and has no descriptors either";
#endif
  int warnings = 0;
  log::SetSink([&](log::Level, std::string_view, std::span<const log::Field>) { ++warnings; },
               log::Level::kWarn);
  Loop loop;
  PosixNetwork network(loop);
  std::vector<std::unique_ptr<Stream>> accepted;
  auto listener = *network.Listen(
      Address{"127.0.0.1:0"}, [&](std::unique_ptr<Stream> s) { accepted.push_back(std::move(s)); });
  Recorder r;
  auto client = network.Connect(listener->BoundTo());
  client->Start(&r);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 3;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_TRUE(TurnUntil(loop, [&] { return warnings > 0; }));
  // It looks away in between: turns that wait are few, and the warning is not repeated.
  const Time end = loop.NowExact() + milliseconds(250);
  int turns = 0;
  while (loop.NowExact() < end) {
    loop.RunTurn(end - loop.NowExact());
    ++turns;
  }
  EXPECT_LT(turns, 20);
  EXPECT_EQ(warnings, 1);
  EXPECT_TRUE(accepted.empty());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(TurnUntil(loop, [&] { return accepted.size() == 1; }));
  log::SetSink(nullptr, log::Level::kWarn);
}

TEST(AddressTest, Parses) {
  EXPECT_EQ(ParseAddress(Address{"127.0.0.1:80"})->host, "127.0.0.1");
  EXPECT_EQ(ParseAddress(Address{"[::1]:80"})->host, "::1");
  EXPECT_EQ(ParseAddress(Address{"host.example:65535"})->port, "65535");
  EXPECT_EQ(ParseAddress(Address{":80"})->host, "");
  EXPECT_EQ(ParseAddress(Address{"unix:/a/b"})->unix_path, "/a/b");
  EXPECT_EQ(ParseAddress(Address{"unix:///a/b"})->unix_path, "/a/b");
  for (const char* bad : {"", "host", "host:", "host:x", "host:65536", "host:-1", "::1:80",
                          "[::1:80", "unix:", "host:80x"}) {
    const auto parsed = ParseAddress(Address{bad});
    EXPECT_FALSE(parsed.ok()) << bad;
    EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(ParseAddress(Address{"unix:/" + std::string(200, 'x')}).ok());
}

TEST(AddressTest, ShowsWhatTheSystemGave) {
  auto text = [](const char* address) {
    return ResolveAtOnce(*ParseAddress(Address{address}), false).at(0).ToText();
  };
  EXPECT_EQ(text("127.0.0.1:80"), "127.0.0.1:80");
  EXPECT_EQ(text("[::1]:80"), "[::1]:80");
  EXPECT_EQ(text("[::ffff:1.2.3.4]:80"), "1.2.3.4:80");
  EXPECT_EQ(text("unix:/a"), "unix:/a");
  EXPECT_TRUE(ResolveAtOnce(*ParseAddress(Address{"a.name:80"}), false).empty());
}

}  // namespace
}  // namespace cairn::env::posix
