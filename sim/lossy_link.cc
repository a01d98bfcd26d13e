#include "sim/lossy_link.h"

#include <variant>

#include "src/raft/codec.h"
#include "src/replica/forward.h"

namespace cairn::sim {

bool LossyLink::Send(NodeId to, transport::Channel channel, transport::Frame frame) {
  if (!process_.alive()) return false;
  Listen(frame);
  Random& random = process_.random();
  if (random.Chance(faults_.lose)) return true;
  if (random.Chance(faults_.duplicate)) Later(to, channel, frame);
  if (random.Chance(faults_.delay)) {
    Later(to, channel, std::move(frame));
    return true;
  }
  return to_.Send(to, channel, std::move(frame));
}

void LossyLink::Later(NodeId to, transport::Channel channel, transport::Frame frame) {
  const auto delay = process_.random().Below(static_cast<uint64_t>(faults_.max_delay.count()) + 1);
  process_.Schedule(
      process_.Now() + env::Duration(delay),
      [this, to, channel, frame = std::move(frame), alive = std::weak_ptr<bool>(alive_)]() mutable {
        if (!alive.expired()) to_.Send(to, channel, std::move(frame));
      });
}

void LossyLink::Listen(const transport::Frame& frame) {
  if (frame.kind != static_cast<uint8_t>(replica::FrameKind::kRaft)) return;
  std::string bytes = frame.head;
  for (const SharedBytes& piece : frame.body) bytes.append(piece.view());
  const auto decoded = raft::Decode(SharedBytes::Copy(bytes));
  CHECK(decoded.ok(), "a member sends what it cannot read: " + decoded.status().ToString());
  const raft::Message& m = decoded->message;
  if (std::holds_alternative<raft::RequestPreVote>(m.body) ||
      std::holds_alternative<raft::RequestPreVoteReply>(m.body)) {
    return;  // these speak of a term that may never begin
  }
  if (std::holds_alternative<raft::ReadIndex>(m.body)) return;  // a question promises nothing
  listeners_.promises.OnTermSent(self_, m.term);
  if (std::holds_alternative<raft::RequestVote>(m.body)) {
    listeners_.elections.OnVote(self_, m.term, self_);
  } else if (const auto* vote = std::get_if<raft::RequestVoteReply>(&m.body); vote != nullptr) {
    if (vote->granted) listeners_.elections.OnVote(self_, m.term, listeners_.number(m.to));
  } else if (std::holds_alternative<raft::AppendEntries>(m.body) ||
             std::holds_alternative<raft::Heartbeat>(m.body)) {
    listeners_.elections.OnLeader(self_, m.term);
  } else if (const auto* reply = std::get_if<raft::AppendEntriesReply>(&m.body); reply != nullptr) {
    if (reply->accepted) listeners_.promises.OnMatchSent(self_, m.term, reply->match);
  }
}

}  // namespace cairn::sim
