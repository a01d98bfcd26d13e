#include "src/raft/core.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"

namespace cairn::raft {
namespace {

// The commit index at the start. The one in the HardState is a hint that may lag behind what was
// applied; after a torn tail it may also stand beyond the entries that are left.
LogIndex InitialCommit(const Restored& r) {
  return std::max(std::min(r.hard_state.commit, r.log.last), r.applied);
}

}  // namespace

RawNode::Core::Core(const Config& config_in, const Restored& restored)
    : config(config_in),
      conf(restored.conf),
      voters(tracker::Voters(restored.conf)),
      members(tracker::Members(restored.conf)),
      random(config_in.seed ^ config_in.id.value),
      term(restored.hard_state.term),
      vote(restored.hard_state.vote),
      log(restored.log, InitialCommit(restored), restored.applied),
      commit_written(restored.hard_state.commit) {
  CHECK_NE(config.id, kNobody);
  CHECK_GT(config.heartbeat_ticks, 0u);
  CHECK_GT(config.election_ticks, config.heartbeat_ticks);
  CHECK_GT(config.max_inflight_messages, 0u);
  CHECK_GE(term, log.last().term);
  ResetElectionTimer();
}

void RawNode::Core::SendInTerm(NodeId to, Term in_term, MessageBody body) {
  messages.push_back({config.id, to, in_term, std::move(body)});
}

void RawNode::Core::Promise(NodeId to, MessageBody body) {
  // They gather only while the disk is slow to take a new term, and may be lost like any message.
  constexpr size_t kMaxPromises = 1024;
  if (promises.size() < kMaxPromises) promises.push_back({config.id, to, term, std::move(body)});
}

NodeStatus RawNode::Core::status() const {
  NodeStatus s;
  s.id = config.id;
  s.term = term;
  s.vote = vote;
  s.leader = leader();
  s.role = role_kind();
  s.first_index = log.first_index();
  s.last_index = log.last_index();
  s.stable_index = log.stable_index();
  s.commit_index = log.commit_index();
  s.applying_index = log.applying_index();
  s.applied_index = log.applied_index();
  s.everywhere = everywhere;
  s.ignored_messages = ignored_messages;
  if (const auto* l = std::get_if<Leader>(&role)) {
    s.uncommitted_bytes = l->uncommitted_bytes;
    for (const tracker::Progress& p : l->tracker.all()) {
      const bool self = p.id == config.id;
      s.peers.push_back({p.id, p.match, self ? log.last_index().Next() : p.next,
                         self ? ProgressState::kReplicate : p.state,
                         self || now - p.last_heard < config.election_ticks,
                         p.state == ProgressState::kSnapshot});
    }
  }
  return s;
}

}  // namespace cairn::raft
