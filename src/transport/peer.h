// Peer: another member as this one sees it: the two connections dialled to it, the two accepted
// from it, and whether it answers.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "src/env/env.h"
#include "src/transport/incoming.h"
#include "src/transport/outgoing.h"
#include "src/transport/transport.h"
#include "src/transport/wire.h"

namespace cairn::transport {

inline constexpr size_t kChannels = 2;

class Peer final : private Outgoing::Owner {
 public:
  Peer(env::Env env, const Options& options, NodeId id, std::vector<env::Address> addresses,
       Receiver* receiver);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  bool Send(Channel channel, Frame frame) {
    return outgoing(channel).Push(FrameClass::kMessage, std::move(frame));
  }
  void Flush();
  void SetAddresses(const std::vector<env::Address>& addresses);
  // A connection of the peer was accepted; gives the one that it replaces, if any, closed.
  std::unique_ptr<Incoming> SetIncoming(std::unique_ptr<Incoming> incoming);
  // Takes the connection out of the peer; null if it is not one of the peer's (any more).
  std::unique_ptr<Incoming> TakeIncoming(const Incoming& incoming);
  // Nothing is sent, received or told any more.
  void Close();

  // The peer's ping: answers it.
  void OnPing(const Ping& ping) {
    outgoing(Channel::kControl).Push(FrameClass::kPong, EncodePing(ping));
  }
  void OnPong(const Ping& pong);
  // Every ping interval: asks for a sign of life, or gives up a peer that shows none.
  void OnPingTime();

  PeerStats* mutable_stats() { return &stats_; }
  const PeerStats& stats() const { return stats_; }

 private:
  void OnOutgoingOpen(Channel channel) override;
  void OnOutgoingBroken(Channel channel, const Status& why) override;
  Outgoing& outgoing(Channel channel) { return *outgoing_[static_cast<size_t>(channel)]; }
  void SendPing();

  const env::Env env_;
  const Options& options_;
  const NodeId id_;
  Receiver* const receiver_;
  PeerStats stats_;
  std::array<std::unique_ptr<Outgoing>, kChannels> outgoing_;
  std::array<std::unique_ptr<Incoming>, kChannels> incoming_;
  uint64_t last_ping_ = 0;
  uint64_t last_pong_ = 0;
  int unanswered_pings_ =
      0;  // counted in ticks, so a member that was paused does not blame its peers
};

}  // namespace cairn::transport
