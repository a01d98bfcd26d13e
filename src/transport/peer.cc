#include "src/transport/peer.h"

#include <utility>

namespace cairn::transport {

Peer::Peer(env::Env env, const Options& options, NodeId id, std::vector<env::Address> addresses,
           Receiver* receiver)
    : env_(env), options_(options), id_(id), receiver_(receiver) {
  stats_.peer = id;
  for (size_t c = 0; c < kChannels; ++c) {
    outgoing_[c] = std::make_unique<Outgoing>(env, options, id, static_cast<Channel>(c), addresses,
                                              &stats_, static_cast<Outgoing::Owner*>(this));
  }
}

void Peer::Flush() {
  for (auto& outgoing : outgoing_) outgoing->Flush();
}

void Peer::SetAddresses(const std::vector<env::Address>& addresses) {
  for (auto& outgoing : outgoing_) outgoing->SetAddresses(addresses);
}

std::unique_ptr<Incoming> Peer::SetIncoming(std::unique_ptr<Incoming> incoming) {
  auto& place = incoming_[static_cast<size_t>(incoming->channel())];
  if (place != nullptr) place->Close();
  auto replaced = std::exchange(place, std::move(incoming));
  for (auto& outgoing : outgoing_) outgoing->DialSoon();  // it lives, so it may be reached
  return replaced;
}

std::unique_ptr<Incoming> Peer::TakeIncoming(const Incoming& incoming) {
  auto& place = incoming_[static_cast<size_t>(incoming.channel())];
  if (place.get() != &incoming) return nullptr;
  return std::move(place);
}

void Peer::Close() {
  for (auto& incoming : incoming_) {
    if (incoming != nullptr) incoming->Close();
  }
  for (auto& outgoing : outgoing_) outgoing->Close();
  stats_.connected = false;
}

void Peer::OnOutgoingOpen(Channel channel) {
  if (channel == Channel::kControl) {
    unanswered_pings_ = 0;
    SendPing();
  }
  if (!outgoing_[0]->open() || !outgoing_[1]->open()) return;
  stats_.connected = true;
  receiver_->OnPeerConnected(id_);
}

void Peer::OnOutgoingBroken(Channel channel, const Status& why) {
  if (channel == Channel::kControl) stats_.round_trip = {};
  if (!std::exchange(stats_.connected, false)) return;
  receiver_->OnPeerDisconnected(id_, why);
}

void Peer::SendPing() {
  Ping ping;
  ping.number = ++last_ping_;
  ping.sent_nanos = static_cast<uint64_t>(env_.executor.NowExact().since_start.count());
  outgoing(Channel::kControl).Push(FrameClass::kPing, EncodePing(ping));
  outgoing(Channel::kControl).Flush();
}

void Peer::OnPong(const Ping& pong) {
  if (pong.number <= last_pong_ || pong.number > last_ping_) return;  // of an earlier life
  last_pong_ = pong.number;
  unanswered_pings_ = 0;
  const env::Time sent{env::Duration(static_cast<int64_t>(pong.sent_nanos))};
  const env::Duration took = env_.executor.NowExact() - sent;
  if (took > env::Duration(0)) stats_.round_trip = took;
}

void Peer::OnPingTime() {
  if (!outgoing(Channel::kControl).open()) return;
  if (++unanswered_pings_ <= options_.max_unanswered_pings) return SendPing();
  const Status why(StatusCode::kUnavailable,
                   "none of " + std::to_string(options_.max_unanswered_pings) + " pings answered");
  unanswered_pings_ = 0;
  for (auto& outgoing : outgoing_) outgoing->Break(why);
}

}  // namespace cairn::transport
