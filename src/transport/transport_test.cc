// The transport over real sockets: against another transport, and against raw bytes.
#include "src/transport/transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "src/base/log.h"
#include "src/env/posix/real_env.h"
#include "src/env/posix/test_loop.h"
#include "src/transport/wire.h"

namespace cairn::transport {
namespace {

using env::posix::TurnUntil;
using testing::Contains;
using testing::HasSubstr;

constexpr ClusterId kCluster{0xc1};

struct Recorder : Receiver {
  struct Got {
    NodeId from;
    uint8_t kind;
    std::string payload;
  };
  std::vector<Got> frames;
  std::map<NodeId, int> connects;
  std::map<NodeId, int> disconnects;
  std::function<void(NodeId, std::string_view)> on_frame;
  std::function<void(NodeId)> on_connected;
  std::function<void(NodeId)> on_disconnected;

  void OnFrame(NodeId from, uint8_t kind, SharedBytes payload) override {
    frames.push_back({from, kind, std::string(payload.view())});
    if (on_frame) on_frame(from, payload.view());
  }
  void OnPeerConnected(NodeId peer) override {
    ++connects[peer];
    if (on_connected) on_connected(peer);
  }
  void OnPeerDisconnected(NodeId peer, const Status& why) override {
    EXPECT_FALSE(why.ok());
    ++disconnects[peer];
    if (on_disconnected) on_disconnected(peer);
  }
};

// A stream driven by hand: the other end of a transport that does as it is told.
struct Raw : env::StreamHandler {
  std::unique_ptr<env::Stream> stream;
  std::string got;
  bool connected = false;
  bool closed = false;

  void OnConnected() override { connected = true; }
  void OnData(std::string_view bytes) override { got += bytes; }
  void OnWritable() override {}
  void OnClosed(const Status&) override { closed = true; }
  void Send(std::string_view bytes) {
    EXPECT_EQ(stream->Write(std::span<const std::string_view>(&bytes, 1)), bytes.size());
  }
  bool ReadAnswer(Answer* answer) const {
    HandshakeReader reader(HandshakeReader::Kind::kAnswer);
    std::string_view view = got;
    const auto whole = reader.Take(&view);
    return whole.ok() && *whole && reader.DecodeAnswer(answer);
  }
};

class TransportTest : public testing::Test {
 protected:
  struct Member {
    Recorder receiver;
    std::unique_ptr<Transport> transport;
    env::Address address() const { return transport->BoundTo().at(0); }
  };

  TransportTest() {
    log::SetSink(
        [this](log::Level, std::string_view message, std::span<const log::Field> fields) {
          std::string line(message);
          for (const log::Field& f : fields) line += " " + std::string(f.key) + "=" + f.value;
          log_.push_back(line);
        },
        log::Level::kWarn);
  }
  ~TransportTest() override { log::SetSink(nullptr, log::Level::kWarn); }

  static Options OptionsOf(uint64_t id) {
    Options options;
    options.cluster = kCluster;
    options.self = NodeId(id);
    options.self_name = "m" + std::to_string(id);
    options.listen = {env::Address{"127.0.0.1:0"}};
    options.min_backoff = env::milliseconds(2);
    options.max_backoff = env::milliseconds(20);
    return options;
  }
  void Start(Member& member, const Options& options) {
    auto made = Transport::Create(env_.env(), options, &member.receiver);
    ASSERT_TRUE(made.ok()) << made.status();
    member.transport = *std::move(made);
  }
  // a_ is node 1, b_ node 2, each the other's peer.
  void StartPair(Options a = OptionsOf(1), Options b = OptionsOf(2)) {
    Start(a_, a);
    Start(b_, b);
    a_.transport->AddPeer(NodeId(2), {b_.address()});
    b_.transport->AddPeer(NodeId(1), {a_.address()});
  }
  bool BothConnected() {
    return TurnUntil(loop(), [&] {
      return a_.transport->stats().at(0).connected && b_.transport->stats().at(0).connected;
    });
  }
  static Frame Message(uint8_t kind, std::string head, std::vector<std::string> body = {}) {
    Frame frame;
    frame.kind = kind;
    frame.head = std::move(head);
    for (const std::string& slice : body) frame.body.push_back(SharedBytes::Copy(slice));
    return frame;
  }
  static std::string Encode(const Frame& frame, uint64_t number,
                            FrameClass frame_class = FrameClass::kMessage) {
    const FrameHeader header = EncodeFrameHeader(frame_class, frame, PayloadBytes(frame), number);
    return std::string(header.data(), header.size()) + frame.head;
  }
  // A hello that member a_ accepts if it knows node 2.
  static Hello GoodHello(uint8_t channel = 0) {
    Hello hello;
    hello.cluster = kCluster;
    hello.from = NodeId(2);
    hello.to = NodeId(1);
    hello.channel = channel;
    hello.name = "raw";
    return hello;
  }
  void DialRaw(Raw& raw) {
    raw.stream = env_.env().network.Connect(a_.address());
    raw.stream->Start(&raw);
    ASSERT_TRUE(TurnUntil(loop(), [&] { return raw.connected; }));
  }
  void DialAccepted(Raw& raw, uint8_t channel = 0) {
    DialRaw(raw);
    raw.Send(EncodeHello(GoodHello(channel)));
    Answer answer;
    ASSERT_TRUE(TurnUntil(loop(), [&] { return raw.ReadAnswer(&answer); }));
    ASSERT_EQ(answer.verdict, Verdict::kAccepted);
  }
  // a_ with a peer, node 2, that nobody serves: `nowhere_` accepts nothing.
  void StartAlone(Options options = OptionsOf(1)) {
    Start(a_, options);
    a_.transport->AddPeer(NodeId(2), {env::Address{"127.0.0.1:1"}});
  }
  env::posix::Loop& loop() { return env_.loop(); }

  std::vector<std::string> log_;
  env::posix::RealEnv env_;
  Member a_;
  Member b_;
};

TEST_F(TransportTest, ConnectsAndDeliversOnBothChannels) {
  StartPair();
  ASSERT_TRUE(BothConnected());
  EXPECT_EQ(a_.receiver.connects[NodeId(2)], 1);
  EXPECT_TRUE(
      a_.transport->Send(NodeId(2), Channel::kControl, Message(1, "head", {"and", "body"})));
  EXPECT_TRUE(a_.transport->Send(NodeId(2), Channel::kBulk, Message(2, "")));
  EXPECT_TRUE(b_.transport->Send(NodeId(1), Channel::kBulk, Message(3, std::string(1 << 20, 'x'))));
  ASSERT_TRUE(TurnUntil(
      loop(), [&] { return b_.receiver.frames.size() == 2 && a_.receiver.frames.size() == 1; }));
  for (const auto& got : b_.receiver.frames) {
    EXPECT_EQ(got.from, NodeId(1));
    EXPECT_EQ(got.payload, got.kind == 1 ? "headandbody" : "");
  }
  EXPECT_EQ(a_.receiver.frames[0].payload, std::string(1 << 20, 'x'));
  const PeerStats stats = b_.transport->stats().at(0);
  EXPECT_EQ(stats.peer, NodeId(1));
  EXPECT_EQ(stats.frames_received, 2u);
  EXPECT_GT(stats.bytes_sent, 1u << 20);
}

TEST_F(TransportTest, MeasuresTheRoundTrip) {
  StartPair();
  ASSERT_TRUE(TurnUntil(loop(), [&] {
    return a_.transport->stats().at(0).round_trip > env::Duration(0) &&
           b_.transport->stats().at(0).round_trip > env::Duration(0);
  }));
  EXPECT_LT(a_.transport->stats().at(0).round_trip, env::seconds(1));
}

TEST_F(TransportTest, ManyFramesStayInOrderThroughFullSockets) {
  StartPair();
  ASSERT_TRUE(BothConnected());
  constexpr uint64_t kFrames = 50'000;
  Random random(5);
  uint64_t sent = 0;
  uint64_t next = 0;
  b_.receiver.on_frame = [&](NodeId, std::string_view payload) {
    EXPECT_EQ(std::stoull(std::string(payload.substr(0, payload.find('.')))), next);
    ++next;
    b_.receiver.frames.clear();
  };
  ASSERT_TRUE(TurnUntil(
      loop(),
      [&] {
        // More at once than the sockets hold; what the queue refuses is offered again.
        while (sent < kFrames) {
          const std::string number = std::to_string(sent) + ".";
          if (!a_.transport->Send(NodeId(2), Channel::kBulk,
                                  Message(1, number, {std::string(random.Below(4'000), 'x')}))) {
            break;
          }
          ++sent;
        }
        return next == kFrames;
      },
      env::seconds(60)));
}

TEST_F(TransportTest, FlushWritesWithinTheTurn) {
  StartAlone();
  Raw raw;  // serves node 2
  std::vector<std::unique_ptr<Raw>> accepted;
  auto listener = *env_.env().network.Listen(
      env::Address{"127.0.0.1:0"}, [&](std::unique_ptr<env::Stream> stream) {
        accepted.push_back(std::make_unique<Raw>());
        accepted.back()->stream = std::move(stream);
        accepted.back()->stream->Start(accepted.back().get());
        Answer answer;
        answer.version = 1;
        answer.cluster = kCluster;
        answer.node = NodeId(2);
        accepted.back()->Send(EncodeAnswer(answer));
      });
  a_.transport->UpdatePeer(NodeId(2), {listener->BoundTo()});
  ASSERT_TRUE(TurnUntil(loop(), [&] { return a_.transport->stats().at(0).connected; }));
  const uint64_t before = a_.transport->stats().at(0).bytes_sent;
  ASSERT_TRUE(a_.transport->Send(NodeId(2), Channel::kControl, Message(1, "x")));
  ASSERT_TRUE(a_.transport->Send(NodeId(2), Channel::kControl, Message(1, "y")));
  EXPECT_EQ(a_.transport->stats().at(0).bytes_sent, before);
  a_.transport->Flush();
  EXPECT_EQ(a_.transport->stats().at(0).bytes_sent, before + 2 * (kFrameHeaderBytes + 1));
}

TEST_F(TransportTest, SendToUnknownOrUnconnectedIsRefusedAndCounted) {
  StartAlone();
  EXPECT_FALSE(a_.transport->Send(NodeId(9), Channel::kControl, Message(1, "x")));
  EXPECT_FALSE(a_.transport->Send(NodeId(2), Channel::kControl, Message(1, "x")));
  EXPECT_EQ(a_.transport->stats().at(0).frames_dropped, 1u);
  EXPECT_FALSE(a_.transport->stats().at(0).connected);
}

TEST_F(TransportTest, FullQueueDropsAndCountsOnItsChannelOnly) {
  Options options = OptionsOf(1);
  options.max_bulk_queue_bytes = 10'000;
  options.max_frame_bytes = 20'000;
  StartPair(options);
  ASSERT_TRUE(BothConnected());
  EXPECT_FALSE(a_.transport->Send(NodeId(2), Channel::kBulk, Message(1, std::string(20'001, 'x'))));
  // Larger than the queue, but the queue is empty: it must be possible to send it.
  EXPECT_TRUE(a_.transport->Send(NodeId(2), Channel::kBulk, Message(1, std::string(20'000, 'x'))));
  EXPECT_FALSE(a_.transport->Send(NodeId(2), Channel::kBulk, Message(1, "x")));
  EXPECT_TRUE(a_.transport->Send(NodeId(2), Channel::kControl, Message(1, "x")));
  EXPECT_EQ(a_.transport->stats().at(0).frames_dropped, 2u);
  ASSERT_TRUE(TurnUntil(loop(), [&] { return b_.receiver.frames.size() == 2; }));
  EXPECT_TRUE(a_.transport->Send(NodeId(2), Channel::kBulk, Message(1, "x")));
}

TEST_F(TransportTest, ReconnectsToAMemberThatComesBack) {
  StartPair();
  ASSERT_TRUE(BothConnected());
  Options again = OptionsOf(2);
  again.listen = {b_.address()};
  b_.transport.reset();
  ASSERT_TRUE(TurnUntil(loop(), [&] { return a_.receiver.disconnects[NodeId(2)] == 1; }));
  EXPECT_FALSE(a_.transport->stats().at(0).connected);
  Start(b_, again);
  b_.transport->AddPeer(NodeId(1), {a_.address()});
  ASSERT_TRUE(BothConnected());
  EXPECT_EQ(a_.receiver.connects[NodeId(2)], 2);
  EXPECT_EQ(a_.receiver.disconnects[NodeId(2)], 1);
  EXPECT_TRUE(a_.transport->Send(NodeId(2), Channel::kControl, Message(1, "again")));
  ASSERT_TRUE(TurnUntil(loop(), [&] { return b_.receiver.frames.size() == 1; }));
}

TEST_F(TransportTest, AddressesAreTriedInTurn) {
  Start(a_, OptionsOf(1));
  Start(b_, OptionsOf(2));
  b_.transport->AddPeer(NodeId(1),
                        {env::Address{"127.0.0.1:1"}, env::Address{"bad address"}, a_.address()});
  a_.transport->AddPeer(NodeId(2), {b_.address()});
  EXPECT_TRUE(BothConnected());
}

TEST_F(TransportTest, WrongClusterIsRefusedAndBothSidesSaySo) {
  Options other = OptionsOf(2);
  other.cluster = ClusterId(0xbad);
  StartPair(OptionsOf(1), other);
  ASSERT_TRUE(TurnUntil(loop(), [&] {
    return a_.transport->stats().at(0).last_error.find("is of cluster bad") != std::string::npos;
  }));
  EXPECT_FALSE(a_.transport->stats().at(0).connected);
  EXPECT_THAT(log_, Contains(HasSubstr("refused a peer connection")));
  EXPECT_THAT(log_, Contains(testing::AllOf(HasSubstr("cannot connect to a peer"),
                                            HasSubstr("check initial-cluster"))));
}

TEST_F(TransportTest, WrongNodeIsRefused) {
  Start(a_, OptionsOf(1));
  Start(b_, OptionsOf(2));
  a_.transport->AddPeer(NodeId(3), {b_.address()});
  b_.transport->AddPeer(NodeId(1), {env::Address{"127.0.0.1:1"}});
  ASSERT_TRUE(TurnUntil(loop(), [&] {
    return a_.transport->stats().at(0).last_error.find("looks for 3") != std::string::npos;
  }));
}

TEST_F(TransportTest, UnknownNodeIsRefusedUntilItIsAdded) {
  Start(a_, OptionsOf(1));
  Start(b_, OptionsOf(2));
  a_.transport->AddPeer(NodeId(2), {b_.address()});
  ASSERT_TRUE(TurnUntil(loop(), [&] {
    return a_.transport->stats().at(0).last_error.find("not in the cluster") != std::string::npos;
  }));
  b_.transport->AddPeer(NodeId(1), {a_.address()});
  EXPECT_TRUE(BothConnected());
}

TEST_F(TransportTest, OwnIdIsRefused) {
  StartAlone();
  Raw raw;
  DialRaw(raw);
  Hello hello = GoodHello();
  hello.from = NodeId(1);
  raw.Send(EncodeHello(hello));
  ASSERT_TRUE(TurnUntil(loop(), [&] { return raw.closed; }));
  Answer answer;
  ASSERT_TRUE(raw.ReadAnswer(&answer));
  EXPECT_EQ(answer.verdict, Verdict::kUnknownNode);
  EXPECT_THAT(answer.reason, HasSubstr("used twice"));
}

TEST_F(TransportTest, VersionsWithoutOverlapAreRefusedAndOverlapsNegotiated) {
  StartAlone();
  Raw future;
  DialRaw(future);
  Hello hello = GoodHello();
  hello.versions = {kMaxVersion + 1, kMaxVersion + 5};
  future.Send(EncodeHello(hello));
  ASSERT_TRUE(TurnUntil(loop(), [&] { return future.closed; }));
  Answer answer;
  ASSERT_TRUE(future.ReadAnswer(&answer));
  EXPECT_EQ(answer.verdict, Verdict::kNoCommonVersion);
  EXPECT_EQ(answer.version, 0);
  EXPECT_THAT(answer.reason, HasSubstr("2 to 6"));

  Raw wide;
  DialRaw(wide);
  hello.versions = {0, kMaxVersion + 5};
  wide.Send(EncodeHello(hello));
  ASSERT_TRUE(TurnUntil(loop(), [&] { return wide.ReadAnswer(&answer); }));
  EXPECT_EQ(answer.verdict, Verdict::kAccepted);
  EXPECT_EQ(answer.version, kMaxVersion);
}

TEST_F(TransportTest, UnknownChannelIsRefused) {
  StartAlone();
  Raw raw;
  DialRaw(raw);
  raw.Send(EncodeHello(GoodHello(2)));
  ASSERT_TRUE(TurnUntil(loop(), [&] { return raw.closed; }));
  Answer answer;
  ASSERT_TRUE(raw.ReadAnswer(&answer));
  EXPECT_EQ(answer.verdict, Verdict::kMalformed);
}

TEST_F(TransportTest, GarbageIsClosedWithoutAnAnswer) {
  StartAlone();
  for (const char* garbage : {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", "x"}) {
    Raw raw;
    DialRaw(raw);
    raw.Send(garbage);
    ASSERT_TRUE(TurnUntil(loop(), [&] { return raw.closed; }));
    EXPECT_EQ(raw.got, "");
  }
  EXPECT_THAT(log_, Contains(HasSubstr("does not speak the peer protocol")));
  // Three of them, but one line: strangers cannot fill the log.
  EXPECT_EQ(std::count_if(log_.begin(), log_.end(),
                          [](const std::string& line) {
                            return line.find("peer protocol") != std::string::npos;
                          }),
            1);
}

TEST_F(TransportTest, SilentStrangerIsClosedInTime) {
  Options options = OptionsOf(1);
  options.handshake_timeout = env::milliseconds(30);
  StartAlone(options);
  Raw raw;
  DialRaw(raw);
  raw.Send(EncodeHello(GoodHello()).substr(0, 30));
  EXPECT_TRUE(TurnUntil(loop(), [&] { return raw.closed; }));
  EXPECT_EQ(raw.got, "");
}

TEST_F(TransportTest, CrowdOfStrangersDoesNotKeepMembersOut) {
  StartAlone();
  std::vector<std::unique_ptr<Raw>> crowd;
  for (int i = 0; i < 80; ++i) {
    crowd.push_back(std::make_unique<Raw>());
    DialRaw(*crowd.back());
  }
  ASSERT_TRUE(TurnUntil(loop(), [&] { return crowd[0]->closed; }));
  Raw raw;
  DialAccepted(raw);
  EXPECT_FALSE(crowd.back()->closed);
}

TEST_F(TransportTest, ByteByByteDeliveryGivesTheSameFrames) {
  StartAlone();
  Raw raw;
  DialRaw(raw);
  const std::string bytes = EncodeHello(GoodHello()) + Encode(Message(4, "one"), 0) +
                            Encode(Message(5, ""), 1) + Encode(Message(6, "three"), 2);
  for (const char& byte : bytes) {
    raw.Send({&byte, 1});
    loop().RunTurn(env::Duration(0));
  }
  ASSERT_TRUE(TurnUntil(loop(), [&] { return a_.receiver.frames.size() == 3; }));
  EXPECT_EQ(a_.receiver.frames[0].payload, "one");
  EXPECT_EQ(a_.receiver.frames[1].kind, 5);
  EXPECT_EQ(a_.receiver.frames[2].payload, "three");
}

TEST_F(TransportTest, DamagedBytesCloseTheConnectionAndDeliverNothing) {
  StartAlone();
  const std::string good = Encode(Message(4, "first"), 0) + Encode(Message(4, "second"), 1);
  for (const size_t at : {size_t{0}, size_t{5}, size_t{16}, size_t{26}, size_t{29}, size_t{55}}) {
    a_.receiver.frames.clear();
    Raw raw;
    DialAccepted(raw);
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x40);
    raw.Send(bad);
    ASSERT_TRUE(TurnUntil(loop(), [&] { return raw.closed; })) << at;
    EXPECT_EQ(a_.receiver.frames.size(), at < 29 ? 0u : 1u) << at;
  }
  EXPECT_THAT(log_, Contains(testing::AllOf(HasSubstr("damaged bytes"), HasSubstr("checksum"))));
}

TEST_F(TransportTest, OversizeFrameClosesTheConnection) {
  Options options = OptionsOf(1);
  options.max_frame_bytes = 1000;
  StartAlone(options);
  Raw raw;
  DialAccepted(raw);
  raw.Send(Encode(Message(4, std::string(1001, 'x')), 0));
  ASSERT_TRUE(TurnUntil(loop(), [&] { return raw.closed; }));
  EXPECT_TRUE(a_.receiver.frames.empty());
  EXPECT_THAT(log_, Contains(HasSubstr("limit of 1000")));
}

TEST_F(TransportTest, PingOnTheBulkChannelAndMalformedPingsCloseTheConnection) {
  StartAlone();
  Raw bulk;
  DialAccepted(bulk, 1);
  bulk.Send(Encode(EncodePing({1, 1}), 0, FrameClass::kPing));
  EXPECT_TRUE(TurnUntil(loop(), [&] { return bulk.closed; }));
  Raw control;
  DialAccepted(control, 0);
  control.Send(Encode(Message(0, "not sixteen"), 0, FrameClass::kPong));
  EXPECT_TRUE(TurnUntil(loop(), [&] { return control.closed; }));
}

TEST_F(TransportTest, NewerConnectionReplacesTheOlderOfItsChannel) {
  StartAlone();
  Raw first;
  Raw bulk;
  Raw second;
  DialAccepted(first, 0);
  DialAccepted(bulk, 1);
  DialAccepted(second, 0);
  ASSERT_TRUE(TurnUntil(loop(), [&] { return first.closed; }));
  second.Send(Encode(Message(4, "on the new one"), 0));
  bulk.Send(Encode(Message(5, "bulk still there"), 0));
  ASSERT_TRUE(TurnUntil(loop(), [&] { return a_.receiver.frames.size() == 2; }));
  EXPECT_FALSE(second.closed);
  EXPECT_FALSE(bulk.closed);
}

// What a transport meets when it dials somebody who answers in a way of his own.
class BadAcceptorTest : public TransportTest {
 protected:
  void DialInto(const std::string& answer) {
    listener_ = *env_.env().network.Listen(env::Address{"127.0.0.1:0"},
                                           [this, answer](std::unique_ptr<env::Stream> stream) {
                                             accepted_.push_back(std::make_unique<Raw>());
                                             Raw& raw = *accepted_.back();
                                             raw.stream = std::move(stream);
                                             raw.stream->Start(&raw);
                                             raw.Send(answer);
                                           });
    Options options = OptionsOf(1);
    options.handshake_timeout = env::milliseconds(30);
    Start(a_, options);
    a_.transport->AddPeer(NodeId(2), {listener_->BoundTo()});
  }
  testing::AssertionResult FailsWith(const std::string& error) {
    const bool seen = TurnUntil(loop(), [&] {
      return a_.transport->stats().at(0).last_error.find(error) != std::string::npos &&
             accepted_.size() > 2;  // and it tries again
    });
    if (seen && a_.receiver.connects.empty()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << a_.transport->stats().at(0).last_error;
  }
  static Answer GoodAnswer() {
    Answer answer;
    answer.version = 1;
    answer.cluster = kCluster;
    answer.node = NodeId(2);
    return answer;
  }

  std::unique_ptr<env::Listener> listener_;
  std::vector<std::unique_ptr<Raw>> accepted_;
};

TEST_F(BadAcceptorTest, Garbage) {
  DialInto("HTTP/1.1 400 Bad Request\r\n");
  EXPECT_TRUE(FailsWith("does not speak the peer protocol"));
}

TEST_F(BadAcceptorTest, OtherCluster) {
  Answer answer = GoodAnswer();
  answer.cluster = ClusterId(7);
  DialInto(EncodeAnswer(answer));
  EXPECT_TRUE(FailsWith("is of cluster 7"));
}

TEST_F(BadAcceptorTest, OtherNode) {
  Answer answer = GoodAnswer();
  answer.node = NodeId(7);
  DialInto(EncodeAnswer(answer));
  EXPECT_TRUE(FailsWith("is node 7, not 2"));
}

TEST_F(BadAcceptorTest, UnknownVersion) {
  Answer answer = GoodAnswer();
  answer.version = 9;
  DialInto(EncodeAnswer(answer));
  EXPECT_TRUE(FailsWith("chose format version 9"));
}

TEST_F(BadAcceptorTest, Refusal) {
  Answer answer = GoodAnswer();
  answer.verdict = Verdict::kUnknownNode;
  answer.reason = "go away";
  DialInto(EncodeAnswer(answer));
  EXPECT_TRUE(FailsWith("refused by the other side: go away"));
}

TEST_F(BadAcceptorTest, Silence) {
  DialInto("");
  EXPECT_TRUE(FailsWith("no answer to the handshake in time"));
}

TEST_F(BadAcceptorTest, BytesAfterTheAnswer) {
  DialInto(EncodeAnswer(GoodAnswer()) + "x");
  EXPECT_TRUE(FailsWith("where it only receives"));
}

TEST_F(BadAcceptorTest, PeerThatAnswersNoPingIsDialledAgain) {
  listener_ = *env_.env().network.Listen(env::Address{"127.0.0.1:0"},
                                         [this](std::unique_ptr<env::Stream> stream) {
                                           accepted_.push_back(std::make_unique<Raw>());
                                           Raw& raw = *accepted_.back();
                                           raw.stream = std::move(stream);
                                           raw.stream->Start(&raw);
                                           raw.Send(EncodeAnswer(GoodAnswer()));
                                         });
  Options options = OptionsOf(1);
  options.ping_interval = env::milliseconds(5);
  options.max_unanswered_pings = 3;
  Start(a_, options);
  a_.transport->AddPeer(NodeId(2), {listener_->BoundTo()});
  ASSERT_TRUE(TurnUntil(loop(), [&] { return a_.receiver.disconnects[NodeId(2)] > 0; }));
  EXPECT_THAT(a_.transport->stats().at(0).last_error, HasSubstr("none of 3 pings answered"));
  ASSERT_TRUE(TurnUntil(loop(), [&] { return a_.receiver.connects[NodeId(2)] > 1; }));
  EXPECT_EQ(accepted_[0]->closed && accepted_[1]->closed, true);
}

TEST_F(TransportTest, PeerThatAnswersPingsIsKept) {
  Options a = OptionsOf(1);
  a.ping_interval = env::milliseconds(2);
  a.max_unanswered_pings = 50;
  StartPair(a);
  ASSERT_TRUE(BothConnected());
  const uint64_t sent = a_.transport->stats().at(0).frames_sent;
  ASSERT_TRUE(
      TurnUntil(loop(), [&] { return a_.transport->stats().at(0).frames_sent > sent + 150; }));
  EXPECT_EQ(a_.receiver.disconnects[NodeId(2)], 0);
}

TEST_F(TransportTest, RemovedPeerIsClosedOnBothWaysAndStaysOut) {
  StartPair();
  ASSERT_TRUE(BothConnected());
  a_.transport->RemovePeer(NodeId(2));
  EXPECT_TRUE(a_.transport->stats().empty());
  ASSERT_TRUE(TurnUntil(loop(), [&] { return b_.receiver.disconnects[NodeId(1)] == 1; }));
  ASSERT_TRUE(TurnUntil(loop(), [&] {
    return b_.transport->stats().at(0).last_error.find("not in the cluster") != std::string::npos;
  }));
  EXPECT_EQ(a_.receiver.disconnects[NodeId(2)], 0);
}

TEST_F(TransportTest, PeersMayBeRemovedAndAddedInEveryCallOfTheReceiver) {
  StartPair();
  ASSERT_TRUE(BothConnected());
  int rounds = 0;
  auto again = [&](NodeId peer) {
    a_.transport->RemovePeer(peer);
    a_.transport->AddPeer(peer, {b_.address()});
    ++rounds;
  };
  a_.receiver.on_frame = [&](NodeId from, std::string_view) { again(from); };
  EXPECT_TRUE(b_.transport->Send(NodeId(1), Channel::kControl, Message(1, "x")));
  EXPECT_TRUE(b_.transport->Send(NodeId(1), Channel::kControl, Message(1, "never seen")));
  ASSERT_TRUE(TurnUntil(loop(), [&] { return rounds == 1; }));
  ASSERT_TRUE(BothConnected());
  EXPECT_EQ(a_.receiver.frames.size(), 1u);

  a_.receiver.on_disconnected = [&](NodeId peer) { again(peer); };
  b_.transport->RemovePeer(NodeId(1));
  ASSERT_TRUE(TurnUntil(loop(), [&] { return rounds == 2; }));
  b_.transport->AddPeer(NodeId(1), {a_.address()});
  a_.receiver.on_connected = [&](NodeId peer) {
    if (rounds < 4) again(peer);
  };
  ASSERT_TRUE(TurnUntil(loop(), [&] { return rounds == 4; }));
  EXPECT_TRUE(BothConnected());
}

TEST_F(TransportTest, UpdatePeerKeepsAnAddressThatStaysAndLeavesOneThatIsGone) {
  StartPair();
  ASSERT_TRUE(BothConnected());
  a_.transport->UpdatePeer(NodeId(2), {env::Address{"127.0.0.1:1"}, b_.address()});
  EXPECT_TRUE(a_.transport->stats().at(0).connected);
  a_.transport->UpdatePeer(NodeId(2), {env::Address{"127.0.0.1:1"}});
  EXPECT_FALSE(a_.transport->stats().at(0).connected);
  a_.transport->UpdatePeer(NodeId(2), {b_.address()});
  EXPECT_TRUE(BothConnected());
}

TEST_F(TransportTest, ListenAddressThatIsTakenIsAnError) {
  Start(a_, OptionsOf(1));
  Options second = OptionsOf(2);
  second.listen = {a_.address()};
  const auto made = Transport::Create(env_.env(), second, &b_.receiver);
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(made.status().message(), HasSubstr(a_.address().text));
}

}  // namespace
}  // namespace cairn::transport
