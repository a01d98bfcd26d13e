// What goes out.
#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/raft/core.h"

namespace cairn::raft {

bool RawNode::Core::MustSync() const {
  return log.handed_index() < log.last_index() || writes.term_and_vote_unwritten();
}

bool RawNode::Core::HasPersist() const { return MustSync() || commit_write_due; }

// An answer to AppendEntries can be given: one is due, or more became durable than was said; and
// what it says either is durable or goes out with a write that makes it so.
bool RawNode::Core::AckReady(const Follower& f) const {
  if (f.leader == kNobody) return false;
  if (!f.ack_due && std::min(f.verified, log.stable_index()) <= f.promised) return false;
  return writes.term_and_vote_durable() || MustSync();
}

bool RawNode::Core::HasReady() const {
  if (!messages.empty() || !reads.empty() || !dropped_reads.empty() || !log_reads.empty())
    return true;
  if (HasPersist() || CanDeliver() || CommittedWaitsForRead()) return true;
  if (!promises.empty() && writes.term_and_vote_durable()) return true;
  if (soft_state() != told) return true;
  if (const auto* l = std::get_if<Leader>(&role)) return LeaderHasMessages(*l);
  if (const auto* f = std::get_if<Follower>(&role)) return AckReady(*f);
  return false;
}

Ready RawNode::Core::TakeReady() {
  Ready ready;
  if (auto* l = std::get_if<Leader>(&role)) MakeLeaderMessages(*l);
  ready.messages = std::exchange(messages, {});
  TakePersist(ready);
  TakePromises(ready);
  if (auto* f = std::get_if<Follower>(&role)) TakeAck(*f, ready);
  TakeCommitted(ready);
  ready.reads = std::exchange(reads, {});
  ready.dropped_reads = std::exchange(dropped_reads, {});
  ready.log_reads = std::exchange(log_reads, {});
  if (const SoftState s = soft_state(); s != told) {
    told = s;
    ready.soft_state = s;
  }
  return ready;
}

void RawNode::Core::TakePersist(Ready& ready) {
  if (!HasPersist()) return;
  Persist p;
  p.must_sync = MustSync();
  p.term = term;
  log.CopyTo(log.handed_index().Next(), log.last_index(), SIZE_MAX, &p.entries);
  log.HandedTo(log.last_index());
  const bool term_and_vote = writes.term_and_vote_unwritten();
  if (term_and_vote || commit_write_due) {
    p.hard_state = HardState{term, vote, log.commit_index()};
    commit_written = log.commit_index();
    commit_write_due = false;
  }
  p.id = writes.Begin(term, log.last_index(), term_and_vote);
  ready.persist = std::move(p);
}

// Promises rest on the term and vote alone. When those are in a write under way and nothing new is
// written, they wait for its completion.
void RawNode::Core::TakePromises(Ready& ready) {
  if (promises.empty()) return;
  std::vector<Message>* to = nullptr;
  if (writes.term_and_vote_durable()) {
    to = &ready.messages;
  } else if (ready.persist.has_value() && ready.persist->must_sync) {
    to = &ready.persist->messages;
  }
  if (to == nullptr) return;
  to->insert(to->end(), std::make_move_iterator(promises.begin()),
             std::make_move_iterator(promises.end()));
  promises.clear();
}

// One answer for all AppendEntries of the turn. It promises `match` durable: with a write in this
// Ready it goes after that write and promises everything; without, it promises what is durable, and
// Appended brings the rest.
void RawNode::Core::TakeAck(Follower& f, Ready& ready) {
  const LogIndex durable = std::min(f.verified, log.stable_index());
  if (f.leader == kNobody || (!f.ack_due && durable <= f.promised)) return;
  const bool term_durable = writes.term_and_vote_durable();
  const bool after_write = ready.persist.has_value() && ready.persist->must_sync &&
                           (!term_durable || durable < f.verified);
  if (!after_write && !term_durable) return;
  const LogIndex match = after_write ? f.verified : durable;
  f.promised = std::max(f.promised, match);
  f.ack_due = false;
  Message m{
      config.id, f.leader, term,
      AppendEntriesReply{
          .accepted = true, .match = match, .rejected = {}, .hint = {}, .round = f.ack_round}};
  (after_write ? ready.persist->messages : ready.messages).push_back(std::move(m));
}

bool RawNode::Core::CanDeliver() const {
  if (log.applying_index() >= log.ApplicableTo() || applying_bytes >= config.max_committed_bytes)
    return false;
  return !apply_fetched.empty() || log.applying_index().Next() >= log.cache_first();
}

bool RawNode::Core::CommittedWaitsForRead() const {
  return log.applying_index() < log.ApplicableTo() && applying_bytes < config.max_committed_bytes &&
         apply_read_id == 0 && apply_fetched.empty() &&
         log.applying_index().Next() < log.cache_first();
}

void RawNode::Core::TakeCommitted(Ready& ready) {
  if (CommittedWaitsForRead()) {
    apply_read_id = ++last_log_read_id;
    const LogIndex last = std::min(log.ApplicableTo(), log.cache_first().Prev());
    log_reads.push_back({apply_read_id, log.applying_index().Next(), last,
                         config.max_committed_bytes - applying_bytes});
    return;
  }
  if (!CanDeliver()) return;
  size_t bytes = 0;
  if (!apply_fetched.empty()) {
    ready.committed = std::exchange(apply_fetched, {});
    for (const Entry& e : ready.committed) bytes += EntryBytes(e);
  } else {
    bytes = log.CopyTo(log.applying_index().Next(), log.ApplicableTo(),
                       config.max_committed_bytes - applying_bytes, &ready.committed);
  }
  const LogIndex last = ready.committed.back().index;
  log.ApplyingTo(last);
  applying.push_back({last, bytes});
  applying_bytes += bytes;
}

}  // namespace cairn::raft
