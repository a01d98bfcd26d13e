// Every change of role.
#include "src/raft/roles.h"

#include <utility>

#include "src/base/check.h"
#include "src/raft/core.h"

namespace cairn::raft {

void Ballot::Record(NodeId id, bool granted) {
  if (!Of(id).has_value()) votes_.emplace_back(id, granted);
}

std::optional<bool> Ballot::Of(NodeId id) const {
  for (const auto& [voter, granted] : votes_) {
    if (voter == id) return granted;
  }
  return std::nullopt;
}

NodeId RawNode::Core::leader() const {
  if (std::holds_alternative<Leader>(role)) return config.id;
  if (const auto* f = std::get_if<Follower>(&role)) return f->leader;
  return kNobody;
}

void RawNode::Core::BecomeFollower(Term new_term, NodeId leader_id) {
  CHECK_GE(new_term, term);
  DropReads();
  // A follower that only learns of a new term goes on waiting: section 5.2 restarts the timer for a
  // leader's message or a granted vote, nothing else, so that the best candidate is not held up by
  // the others' attempts.
  if (!std::holds_alternative<Follower>(role) || leader_id != kNobody) ResetElectionTimer();
  if (new_term > term) {
    term = new_term;
    vote = kNobody;
    writes.TermOrVoteChanged();
  }
  Follower f;
  f.leader = leader_id;
  role = std::move(f);
}

void RawNode::Core::BecomePreCandidate() {
  DropReads();
  ResetElectionTimer();
  role = PreCandidate{};
  for (const NodeId id : members) {
    if (id != config.id && voters.contains(id)) {
      SendInTerm(id, term.Next(), RequestPreVote{.last = log.last()});
    }
  }
  std::get<PreCandidate>(role).ballot.Record(config.id, true);
  CountPreVotes();
}

void RawNode::Core::BecomeCandidate() {
  DropReads();
  ResetElectionTimer();
  term = term.Next();
  vote = config.id;
  writes.TermOrVoteChanged();
  role = Candidate{};
  for (const NodeId id : members) {
    if (id != config.id && voters.contains(id)) Promise(id, RequestVote{.last = log.last()});
  }
}

void RawNode::Core::BecomeLeader() {
  CHECK(std::holds_alternative<Candidate>(role) && vote == config.id);
  CHECK(writes.term_and_vote_durable());
  const LogIndex first = log.last_index().Next();
  Leader l{.tracker = tracker::ProgressTracker(conf, first, now, config),
           .term_start = first,
           .uncommitted_bytes = 0,
           .heartbeat_elapsed = 0,
           .heartbeat_due = false,
           .round = 1,
           .reads = {}};
  tracker::Progress* self = l.tracker.Find(config.id);
  self->MaybeUpdateMatch(log.stable_index());
  self->round_acked = l.round;
  Leader& leader_role = role.emplace<Leader>(std::move(l));
  // Nothing of earlier terms may be committed by counting (section 5.4.2), nor a read be served,
  // before an entry of this term is committed: the no-op brings that about at once.
  AppendOwn(leader_role, EntryType::kNoOp, SharedBytes());
}

Follower& RawNode::Core::FollowLeader(NodeId id) {
  CHECK(!std::holds_alternative<Leader>(role), "two leaders in one term");
  auto* f = std::get_if<Follower>(&role);
  if (f == nullptr) {
    BecomeFollower(term, id);
    return std::get<Follower>(role);
  }
  CHECK(f->leader == kNobody || f->leader == id, "two leaders in one term");
  f->leader = id;
  ResetElectionTimer();
  return *f;
}

}  // namespace cairn::raft
