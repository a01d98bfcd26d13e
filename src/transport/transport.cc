#include "src/transport/transport.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/transport/incoming.h"
#include "src/transport/log_limit.h"
#include "src/transport/peer.h"
#include "src/transport/wire.h"

namespace cairn::transport {
namespace {

// Accepted connections that have not said hello: more can only be strangers or an attack.
constexpr size_t kMaxPending = 64;

class TransportImpl final : public Transport, private Incoming::Owner {
 public:
  TransportImpl(env::Env env, Options options, Receiver* receiver)
      : env_(env),
        options_(std::move(options)),
        receiver_(receiver),
        flush_(env.executor, [this] { Flush(); }),
        bury_(env.executor, [this] { dead_incoming_.clear(), dead_peers_.clear(); }) {}

  ~TransportImpl() override { env_.executor.Cancel(ping_timer_); }

  Status Listen() {
    for (const env::Address& address : options_.listen) {
      auto listener = env_.network.Listen(
          address, [this](std::unique_ptr<env::Stream> stream) { OnAccept(std::move(stream)); });
      if (!listener.ok()) return listener.status();
      listeners_.push_back(*std::move(listener));
    }
    SchedulePings();
    return OkStatus();
  }

  bool Send(NodeId to, Channel channel, Frame frame) override {
    const auto peer = peers_.find(to);
    if (peer == peers_.end() || !peer->second->Send(channel, std::move(frame))) return false;
    flush_.Request();
    return true;
  }

  void Flush() override {
    for (auto& [id, peer] : peers_) peer->Flush();
  }

  void AddPeer(NodeId id, std::vector<env::Address> addresses) override {
    CHECK(id != options_.self && id != kNobody, "a member is no peer of itself");
    if (peers_.contains(id)) return UpdatePeer(id, std::move(addresses));
    peers_[id] = std::make_unique<Peer>(env_, options_, id, std::move(addresses), receiver_);
  }

  void UpdatePeer(NodeId id, std::vector<env::Address> addresses) override {
    const auto peer = peers_.find(id);
    CHECK(peer != peers_.end(), "the peer was added before");
    peer->second->SetAddresses(addresses);
  }

  void RemovePeer(NodeId id) override {
    const auto peer = peers_.find(id);
    if (peer == peers_.end()) return;
    peer->second->Close();
    dead_peers_.push_back(std::move(peer->second));
    peers_.erase(peer);
    bury_.Request();
  }

  std::vector<PeerStats> stats() const override {
    std::vector<PeerStats> all;
    for (const auto& [id, peer] : peers_) all.push_back(peer->stats());
    return all;
  }

  std::vector<env::Address> BoundTo() const override {
    std::vector<env::Address> all;
    for (const auto& listener : listeners_) all.push_back(listener->BoundTo());
    return all;
  }

 private:
  void OnAccept(std::unique_ptr<env::Stream> stream) {
    if (pending_.size() == kMaxPending) {
      LogIncoming(Log::kCrowded, *pending_.front(), "too many connections wait to say hello");
      pending_.front()->Close();
      Bury(std::move(pending_.front()));
      pending_.erase(pending_.begin());
    }
    pending_.push_back(std::make_unique<Incoming>(env_.executor, options_, std::move(stream),
                                                  static_cast<Incoming::Owner*>(this)));
    pending_.back()->Start();
  }

  bool OnHello(Incoming& from, const Hello& hello) override {
    std::unique_ptr<Incoming> incoming = TakePending(from);
    CHECK(incoming != nullptr);
    Answer answer;
    answer.cluster = options_.cluster;
    answer.node = options_.self;
    Judge(hello, &answer);
    if (answer.verdict != Verdict::kAccepted) {
      from.Refuse(answer);
      from.Close();
      LogRefusal(from, hello, answer);
      Bury(std::move(incoming));
      return false;
    }
    Peer& peer = *peers_.at(hello.from);
    from.Accept(hello.from, static_cast<Channel>(hello.channel), peer.mutable_stats(), answer);
    if (auto replaced = peer.SetIncoming(std::move(incoming))) Bury(std::move(replaced));
    return true;
  }

  // Fills in verdict, version and reason.
  void Judge(const Hello& hello, Answer* answer) const {
    auto refuse = [answer](Verdict verdict, std::string reason) {
      answer->verdict = verdict;
      answer->reason = std::move(reason);
    };
    const uint16_t version = std::min(hello.versions.highest, kMaxVersion);
    if (version < std::max(hello.versions.lowest, kMinVersion)) {
      return refuse(Verdict::kNoCommonVersion,
                    "this member speaks peer format versions " + Range({}) + ", the other " +
                        Range(hello.versions) + ": upgrade the older one");
    }
    if (hello.channel >= kChannels) {
      return refuse(Verdict::kMalformed, "the hello is too short or names an unknown channel");
    }
    if (hello.cluster != options_.cluster) {
      return refuse(Verdict::kWrongCluster,
                    "this member is of cluster " + log::Hex(options_.cluster.value) +
                        ", the other of cluster " + log::Hex(hello.cluster.value) +
                        ": check initial-cluster and initial-cluster-token of both");
    }
    if (hello.to != options_.self) {
      return refuse(Verdict::kWrongNode, "this member is " + log::Hex(options_.self.value) +
                                             ", the other looks for " + log::Hex(hello.to.value) +
                                             ": check the peer URLs of both");
    }
    if (!peers_.contains(hello.from)) {
      return refuse(Verdict::kUnknownNode,
                    hello.from == options_.self
                        ? "the other member uses this member's own id " +
                              log::Hex(hello.from.value) + ": is one configuration used twice?"
                        : "member " + log::Hex(hello.from.value) +
                              " is not in the cluster as this member knows it");
    }
    answer->version = version;
  }

  static std::string Range(VersionRange versions) {
    return std::to_string(versions.lowest) + " to " + std::to_string(versions.highest);
  }

  void OnIncomingFrame(Incoming& from, ReceivedFrame frame) override {
    Peer& peer = *peers_.at(from.peer());
    if (frame.frame_class == FrameClass::kMessage) {
      ++peer.mutable_stats()->frames_received;
      receiver_->OnFrame(from.peer(), frame.kind, std::move(frame.payload));
      return;
    }
    Ping ping;
    if (from.channel() != Channel::kControl || !DecodePing(frame.payload.view(), &ping)) {
      from.Close();
      return OnIncomingBroken(from, Status(StatusCode::kDataLoss, "malformed ping"));
    }
    if (frame.frame_class == FrameClass::kPong) return peer.OnPong(ping);
    peer.OnPing(ping);
    flush_.Request();
  }

  void OnIncomingBroken(Incoming& from, const Status& why) override {
    if (from.peer() == kNobody) {
      LogIncoming(Log::kStranger, from, why.message());
      Bury(TakePending(from));
      return;
    }
    // An end is the dialler's to report; damage is seen here only.
    if (why.code() == StatusCode::kDataLoss) {
      LogIncoming(Log::kDamage, from, why.message());
      peers_.at(from.peer())->mutable_stats()->last_error = why.message();
    }
    Bury(peers_.at(from.peer())->TakeIncoming(from));
  }

  std::unique_ptr<Incoming> TakePending(const Incoming& incoming) {
    auto at = std::find_if(pending_.begin(), pending_.end(),
                           [&](const auto& p) { return p.get() == &incoming; });
    CHECK(at != pending_.end());
    std::unique_ptr<Incoming> taken = std::move(*at);
    pending_.erase(at);
    return taken;
  }

  // What ended is kept until the turn ends: a call of it may still be on the stack.
  void Bury(std::unique_ptr<Incoming> incoming) {
    dead_incoming_.push_back(std::move(incoming));
    bury_.Request();
  }

  void SchedulePings() {
    ping_timer_ = env_.executor.Schedule(env_.executor.Now() + options_.ping_interval, [this] {
      SchedulePings();
      // A peer that is given up is told to the receiver, which may add and remove peers.
      std::vector<NodeId> ids;
      for (const auto& [id, peer] : peers_) ids.push_back(id);
      for (const NodeId id : ids) {
        if (const auto peer = peers_.find(id); peer != peers_.end()) peer->second->OnPingTime();
      }
    });
  }

  enum class Log { kRefused, kStranger, kDamage, kCrowded, kCount };

  void LogRefusal(const Incoming& from, const Hello& hello, const Answer& answer) {
    const auto left_out = Limit(Log::kRefused).Allow(env_.executor.Now());
    if (!left_out) return;
    log::Warn("refused a peer connection", {{"reason", answer.reason},
                                            {"node", hello.from},
                                            {"name", hello.name},
                                            {"address", from.RemoteName()},
                                            {"left-out", *left_out}});
  }

  void LogIncoming(Log kind, const Incoming& from, const std::string& error) {
    const auto left_out = Limit(kind).Allow(env_.executor.Now());
    if (!left_out) return;
    log::Warn(kind == Log::kDamage ? "closed a peer connection that brought damaged bytes"
                                   : "closed a connection to the peer port",
              {{"error", error},
               {"peer", from.peer()},
               {"address", from.RemoteName()},
               {"left-out", *left_out}});
  }

  LogLimit& Limit(Log kind) { return log_limits_[static_cast<size_t>(kind)]; }

  const env::Env env_;
  const Options options_;
  Receiver* const receiver_;
  std::map<NodeId, std::unique_ptr<Peer>> peers_;
  std::vector<std::unique_ptr<Incoming>> pending_;  // no hello yet, oldest first
  std::vector<std::unique_ptr<Incoming>> dead_incoming_;
  std::vector<std::unique_ptr<Peer>> dead_peers_;
  std::vector<std::unique_ptr<env::Listener>> listeners_;
  std::array<LogLimit, static_cast<size_t>(Log::kCount)> log_limits_;
  env::TimerId ping_timer_;
  env::TurnTask flush_;
  env::TurnTask bury_;
};

}  // namespace

Result<std::unique_ptr<Transport>> Transport::Create(env::Env env, Options options,
                                                     Receiver* receiver) {
  CHECK(options.self != kNobody && receiver != nullptr);
  CHECK(options.min_backoff > env::Duration(0) && options.min_backoff <= options.max_backoff);
  auto transport = std::make_unique<TransportImpl>(env, std::move(options), receiver);
  if (Status s = transport->Listen(); !s.ok()) return s;
  return std::unique_ptr<Transport>(std::move(transport));
}

}  // namespace cairn::transport
