// AppendEntries and Heartbeat, both sides, and commit: sections 5.3, 5.4.2.
#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/raft/core.h"

namespace cairn::raft {

using tracker::Progress;

// ---- Follower ----

void RawNode::Core::OnAppendEntries(const Message& m, AppendEntries& a) {
  Follower& f = FollowLeader(m.from);
  if (a.prev.index > log.commit_index() && !log.Holds(a.prev))
    return Refuse(m.from, a.prev, a.round);
  const LogIndex last_new = a.prev.index + a.entries.size();
  AcceptEntries(a);
  f.verified = std::max(f.verified, last_new);
  f.ack_round = std::max(f.ack_round, a.round);
  f.ack_due = true;
  log.MaybeCommit(std::min(a.commit, f.verified));
}

// The log holds a.prev. Takes what is new and cuts what contradicts it, and nothing else: an old
// message that ends before our last entry does not shorten the log.
void RawNode::Core::AcceptEntries(AppendEntries& a) {
  const LogIndex commit = log.commit_index();
  if (const std::optional<Term> t = log.TermAt(a.prev.index); t.has_value()) {
    CHECK(*t == a.prev.term, "the leader lacks an entry that is committed here");
  }
  size_t i = 0;
  for (; i < a.entries.size() && a.entries[i].index <= log.last_index(); ++i) {
    const Entry& e = a.entries[i];
    const std::optional<Term> t = log.TermAt(e.index);
    if (!t.has_value() || *t == e.term) continue;  // cut, so committed; or the same entry
    CHECK(e.index > commit, "the leader contradicts an entry that is committed here");
    CHECK(e.index > std::get<Follower>(role).verified, "the leader contradicts its own log");
    log.TruncateAfter(e.index.Prev());
    writes.Truncated(e.index.Prev());
    break;
  }
  for (; i < a.entries.size(); ++i) log.Append(std::move(a.entries[i]));
}

void RawNode::Core::Refuse(NodeId to, EntryId prev, uint64_t round) {
  Promise(to, AppendEntriesReply{.accepted = false,
                                 .match = {},
                                 .rejected = prev.index,
                                 .hint = log.LastAtOrBelow(prev).value_or(log.base()),
                                 .round = round});
}

void RawNode::Core::OnHeartbeat(const Message& m, const Heartbeat& h) {
  FollowLeader(m.from);
  CHECK(
      h.commit <= log.last_index(),
      "the leader has our acknowledgement for entries that this log lacks: the disk has lost them");
  log.MaybeCommit(h.commit);
  if (h.everywhere > everywhere) {
    everywhere = std::min(h.everywhere, log.last_index());
    log.Evict(everywhere, config.max_cache_bytes);
  }
  if (h.round != 0) Promise(m.from, HeartbeatReply{.round = h.round});
}

// ---- Leader: proposals and answers ----

Result<EntryId> RawNode::Core::Propose(SharedBytes data) {
  auto* l = std::get_if<Leader>(&role);
  if (l == nullptr) return Status(StatusCode::kFailedPrecondition, "not the leader");
  const size_t bytes = data.size() + kEntryOverhead;
  if (l->uncommitted_bytes > 0 && l->uncommitted_bytes + bytes > config.max_uncommitted_bytes) {
    return Status(StatusCode::kResourceExhausted, "too much is proposed and not yet committed");
  }
  AppendOwn(*l, EntryType::kNormal, std::move(data));
  return log.last();
}

void RawNode::Core::AppendOwn(Leader& l, EntryType type, SharedBytes data) {
  Entry e{.term = term, .index = log.last_index().Next(), .type = type, .data = std::move(data)};
  l.uncommitted_bytes += EntryBytes(e);
  log.Append(std::move(e));
}

// Notes a sign of life. Null, and counted, when it cannot be true.
Progress* RawNode::Core::Heard(Leader& l, NodeId from, uint64_t round) {
  Progress* p = l.tracker.Find(from);
  if (p == nullptr || round > l.round) {
    ++ignored_messages;
    return nullptr;
  }
  p->last_heard = now;
  if (round > p->round_acked) {
    p->round_acked = round;
    ConfirmReads(l);
  }
  return p;
}

void RawNode::Core::OnAppendEntriesReply(const Message& m, const AppendEntriesReply& r) {
  auto* l = std::get_if<Leader>(&role);
  if (l == nullptr) return;
  Progress* p = Heard(*l, m.from, r.round);
  if (p == nullptr) return;
  if (!r.accepted) return OnRefused(*p, r);
  if (r.match > p->sent) {  // it cannot have verified what was never sent
    ++ignored_messages;
    return;
  }
  const bool news = p->MaybeUpdateMatch(r.match);
  if (p->state != ProgressState::kReplicate && r.match == p->match &&
      p->match >= log.base().index) {
    p->BecomeReplicate();
  }
  if (news) {
    MaybeAdvanceCommit(*l);
    UpdateEverywhere(*l);
  }
}

// It does not belong to what is under way now, so it says nothing.
bool RawNode::Core::IsStaleRefusal(const Progress& p, const AppendEntriesReply& r) {
  if (p.state == ProgressState::kProbe && r.rejected != p.next.Prev()) return true;
  return r.rejected <= p.match || r.rejected >= p.next;
}

// A refusal says where to look next.
void RawNode::Core::OnRefused(Progress& p, const AppendEntriesReply& r) {
  if (p.state == ProgressState::kSnapshot || IsStaleRefusal(p, r)) return;
  // Our last entry that may stand in its log: not above its hint, and of no later term (so whole
  // terms that either side lacks are skipped in one step).
  const std::optional<EntryId> at =
      log.LastAtOrBelow({r.hint.term, std::min(r.hint.index, r.rejected.Prev())});
  if (!at.has_value() && p.match < log.base().index) {
    p.BecomeSnapshot();
  } else {
    p.BecomeProbe(at.value_or(EntryId()).index.Next());
  }
}

void RawNode::Core::OnHeartbeatReply(const Message& m, const HeartbeatReply& r) {
  auto* l = std::get_if<Leader>(&role);
  if (l == nullptr) return;
  Progress* p = Heard(*l, m.from, r.round);
  if (p == nullptr || !p->stalled) return;
  p->stalled = false;
  if (p->state == ProgressState::kProbe) p->probe_sent = false;
  if (p->state == ProgressState::kReplicate) p->verify = true;
}

// Section 5.4.2: only an entry of the own term is committed by counting; those before it come
// along.
void RawNode::Core::MaybeAdvanceCommit(Leader& l) {
  const LogIndex before = log.commit_index();
  const LogIndex index = l.tracker.CommittedIndex();
  if (index <= before || index < l.term_start) return;
  log.MaybeCommit(index);
  l.uncommitted_bytes -= log.BytesOf(std::max(before, l.term_start.Prev()), index);
  if (before < l.term_start) ConfirmReads(l);
}

void RawNode::Core::UpdateEverywhere(const Leader& l) {
  const LogIndex least = l.tracker.Everywhere();
  if (least <= everywhere) return;
  everywhere = least;
  log.Evict(everywhere, config.max_cache_bytes);
}

// ---- Leader: sending ----

bool RawNode::Core::WantsAppend(const Progress& p) const {
  if (p.id == config.id || p.state == ProgressState::kSnapshot) return false;
  if (p.state == ProgressState::kProbe) return !p.probe_sent;
  if (p.verify) return true;
  if (p.next > log.last_index() || p.inflights.Full()) return false;
  return p.next >= log.cache_first() || !p.fetched.empty() || p.read_id == 0;
}

void RawNode::Core::SendAppends(Leader& l, Progress& p) {
  while (WantsAppend(p)) {
    const std::optional<Term> prev_term = log.TermAt(p.next.Prev());
    if (!prev_term.has_value()) return p.BecomeSnapshot();
    AppendEntries a{.prev = {*prev_term, p.next.Prev()},
                    .entries = {},
                    .commit = log.commit_index(),
                    .round = l.round};
    size_t bytes = 0;
    if (!p.fetched.empty() && p.fetched.front().index == p.next) {
      for (const Entry& e : p.fetched) bytes += EntryBytes(e);
      a.entries = std::exchange(p.fetched, {});
    } else if (p.next >= log.cache_first() && !p.inflights.Full()) {
      bytes = log.CopyTo(p.next, log.last_index(), config.max_append_bytes, &a.entries);
    } else if (p.state == ProgressState::kReplicate && !p.verify) {
      RequestLogRead(p);
      return;
    }
    p.verify = false;
    const LogIndex last = a.prev.index + a.entries.size();
    p.sent = std::max(p.sent, last);
    p.commit_sent = std::max(p.commit_sent, std::min(a.commit, last));
    if (p.state == ProgressState::kProbe) {
      p.probe_sent = true;
    } else if (!a.entries.empty()) {
      p.next = last.Next();
      p.inflights.Add(last, bytes);
    }
    Send(p.id, std::move(a));
  }
}

void RawNode::Core::RequestLogRead(Progress& p) {
  p.fetched.clear();
  p.read_id = ++last_log_read_id;
  p.read_first = p.next;
  log_reads.push_back({p.read_id, p.next, log.cache_first().Prev(), config.max_append_bytes});
}

void RawNode::Core::SendHeartbeat(Progress& p, uint64_t round) {
  const LogIndex commit = std::min(log.commit_index(), p.match);
  p.commit_sent = std::max(p.commit_sent, commit);
  Send(p.id, Heartbeat{.commit = commit, .everywhere = everywhere, .round = round});
}

bool RawNode::Core::OwesCommit(const Progress& p) const {
  return p.id != config.id && std::min(log.commit_index(), p.match) > p.commit_sent;
}

bool RawNode::Core::LeaderHasMessages(const Leader& l) const {
  if (l.heartbeat_due || (!l.reads.empty() && l.reads.back().round > l.round)) return true;
  for (const Progress& p : l.tracker.all()) {
    if (WantsAppend(p) || OwesCommit(p)) return true;
  }
  return false;
}

// Made as late as possible, so that everything proposed, read and acknowledged in one turn goes out
// in one message to each peer.
void RawNode::Core::MakeLeaderMessages(Leader& l) {
  const bool new_round = !l.reads.empty() && l.reads.back().round > l.round;
  if (new_round) {
    ++l.round;
    if (Progress* self = l.tracker.Find(config.id)) self->round_acked = l.round;
  }
  for (Progress& p : l.tracker.all()) {
    if (p.id == config.id) continue;
    if (new_round || l.heartbeat_due) SendHeartbeat(p, l.round);
    SendAppends(l, p);
    if (OwesCommit(p)) SendHeartbeat(p, 0);
  }
  l.heartbeat_due = false;
  if (new_round) ConfirmReads(l);  // a group of one voter has confirmed it already
}

void RawNode::Core::Compact(LogIndex upto) {
  log.Compact(upto);
  std::erase_if(log_reads, [&](const LogRead& r) { return r.first <= upto; });
  if (auto* l = std::get_if<Leader>(&role)) {
    for (Progress& p : l->tracker.all()) {
      // What is being read for it is gone from the disk: no answer will come.
      if (p.read_id != 0 && p.read_first <= upto) p.read_id = 0;
      if (p.id != config.id && p.next <= upto) p.BecomeSnapshot();
    }
  }
}

}  // namespace cairn::raft
