// Timers and votes: section 5.2, 5.4.1; dissertation 4.2.3, 6.2, 9.6.
#include <algorithm>

#include "src/raft/core.h"

namespace cairn::raft {

void RawNode::Core::OnTick() {
  ++now;
  // The commit index is only a hint on disk: written now and then when nothing else takes it along.
  if (now % config.heartbeat_ticks == 0 && log.commit_index() > commit_written)
    commit_write_due = true;

  if (auto* l = std::get_if<Leader>(&role)) {
    if (++l->heartbeat_elapsed >= config.heartbeat_ticks) {
      l->heartbeat_elapsed = 0;
      l->heartbeat_due = true;
      for (tracker::Progress& p : l->tracker.all()) {
        p.stalled = p.match == p.match_at_heartbeat && p.match < log.last_index();
        p.match_at_heartbeat = p.match;
      }
    }
    // Dissertation 6.2. What counts is what was heard, not what was sent: a leader whose incoming
    // side is dead would otherwise keep its followers quiet for ever.
    if (config.check_quorum && now >= config.election_ticks &&
        !l->tracker.QuorumActive(config.id, now - config.election_ticks)) {
      BecomeFollower(term, kNobody);
    }
    return;
  }
  if (auto* f = std::get_if<Follower>(&role)) ExpireForwardedReads(*f);
  if (++election_elapsed >= election_timeout && Promotable()) OnCampaign();
}

void RawNode::Core::OnCampaign() {
  if (std::holds_alternative<Leader>(role) || !Promotable()) return;
  if (config.pre_vote) {
    BecomePreCandidate();
  } else {
    BecomeCandidate();
  }
}

bool RawNode::Core::HeardFromLeader() const {
  if (std::holds_alternative<Leader>(role)) return true;
  return leader() != kNobody && election_elapsed < config.election_ticks;
}

void RawNode::Core::ResetElectionTimer() {
  election_elapsed = 0;
  election_timeout = random.Between(config.election_ticks,
                                    uint64_t{config.election_ticks} + config.election_spread_ticks);
}

// Says what our vote would be in the term asked for, without giving it.
void RawNode::Core::OnRequestPreVote(const Message& m, const RequestPreVote& r) {
  if (HeardFromLeader()) return;  // dissertation 9.6: not while the leader lives
  const bool free = m.term > term ||
                    (m.term == term && leader() == kNobody && (vote == kNobody || vote == m.from));
  if (free && r.last >= log.last()) {
    SendInTerm(m.from, m.term, RequestPreVoteReply{.granted = true});
  } else {
    // Our term, when higher, brings the asking node up to it, so that its next election can win.
    SendInTerm(m.from, std::max(term, Term(m.term.value - 1)),
               RequestPreVoteReply{.granted = false});
  }
}

void RawNode::Core::OnRequestPreVoteReply(const Message& m, const RequestPreVoteReply& r) {
  if (!r.granted && m.term > term) return BecomeFollower(m.term, kNobody);
  auto* c = std::get_if<PreCandidate>(&role);
  if (c == nullptr || m.term != (r.granted ? term.Next() : term)) return;
  c->ballot.Record(m.from, r.granted);
  CountPreVotes();
}

void RawNode::Core::OnRequestVote(const Message& m, const RequestVote& r) {
  const bool free = vote == m.from || (vote == kNobody && leader() == kNobody);
  const bool granted = free && r.last >= log.last();  // section 5.4.1
  if (granted) {
    if (vote != m.from) {
      vote = m.from;
      writes.TermOrVoteChanged();
    }
    ResetElectionTimer();
  }
  Promise(m.from, RequestVoteReply{.granted = granted});
}

void RawNode::Core::OnRequestVoteReply(const Message& m, const RequestVoteReply& r) {
  auto* c = std::get_if<Candidate>(&role);
  if (c == nullptr) return;
  c->ballot.Record(m.from, r.granted);
  CountVotes();
}

void RawNode::Core::CountPreVotes() {
  switch (std::get<PreCandidate>(role).ballot.Result(voters)) {
    case quorum::VoteResult::kWon:
      return BecomeCandidate();
    case quorum::VoteResult::kLost:
      return BecomeFollower(term, kNobody);
    case quorum::VoteResult::kPending:
      return;
  }
}

void RawNode::Core::CountVotes() {
  // Without our own durable vote there is no leader of this term, whatever the others said: what we
  // append as a leader must not outlive the knowledge that the term is taken.
  const Ballot& ballot = std::get<Candidate>(role).ballot;
  switch (ballot.Result(voters)) {
    case quorum::VoteResult::kWon:
      if (ballot.Of(config.id).has_value()) BecomeLeader();
      return;
    case quorum::VoteResult::kLost:
      return BecomeFollower(term, kNobody);
    case quorum::VoteResult::kPending:
      return;
  }
}

}  // namespace cairn::raft
