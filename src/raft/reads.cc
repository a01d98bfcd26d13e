// ReadIndex (dissertation 6.4): a read is linearizable at the leader's commit index once a majority
// has confirmed, after the read was registered, that it still leads. One round of heartbeats
// confirms all reads registered before it began.
#include <algorithm>

#include "src/raft/core.h"

namespace cairn::raft {

void RawNode::Core::OnReadRequest(const ReadRequest& r) {
  if (auto* l = std::get_if<Leader>(&role)) return RegisterRead(*l, r.id, config.id);
  auto* f = std::get_if<Follower>(&role);
  if (f == nullptr || f->leader == kNobody || f->reads.size() >= config.max_pending_reads) {
    dropped_reads.push_back(r.id);
    return;
  }
  f->reads.push_back({r.id, now});
  Send(f->leader, ReadIndex{.id = r.id});
}

void RawNode::Core::OnReadIndex(const Message& m, const ReadIndex& r) {
  if (auto* l = std::get_if<Leader>(&role)) RegisterRead(*l, r.id, m.from);
}

void RawNode::Core::OnReadIndexReply(const Message& m, const ReadIndexReply& r) {
  auto* f = std::get_if<Follower>(&role);
  if (f == nullptr || f->leader != m.from) return;
  // Answers come in the order of the questions, so this looks at the first; what stands before it
  // was lost and will expire.
  for (size_t i = 0; i < f->reads.size(); ++i) {
    if (f->reads[i].id != r.id) continue;
    for (; i > 0; --i) f->reads[i] = f->reads[i - 1];
    f->reads.pop_front();
    reads.push_back({r.id, r.index});
    return;
  }
}

void RawNode::Core::RegisterRead(Leader& l, ReadId id, NodeId from) {
  if (l.reads.size() >= config.max_pending_reads) {
    if (from == config.id) dropped_reads.push_back(id);
    return;
  }
  // Entries committed in earlier terms stand before our no-op, even where our commit index does not
  // show them yet.
  const LogIndex index = std::max(log.commit_index(), l.term_start);
  l.reads.push_back({id, from, index, l.round + 1});
}

void RawNode::Core::ConfirmReads(Leader& l) {
  if (l.reads.empty() || log.commit_index() < l.term_start) return;
  const uint64_t confirmed = l.tracker.ConfirmedRound();
  while (!l.reads.empty() && l.reads.front().round <= confirmed) {
    const PendingRead& r = l.reads.front();
    if (r.from == config.id) {
      reads.push_back({r.id, r.index});
    } else {
      Send(r.from, ReadIndexReply{.id = r.id, .index = r.index});
    }
    l.reads.pop_front();
  }
}

// A question or its answer that was lost is not asked again under the same id: the caller may ask
// anew.
void RawNode::Core::ExpireForwardedReads(Follower& f) {
  while (!f.reads.empty() && now - f.reads.front().since >= config.election_ticks) {
    dropped_reads.push_back(f.reads.front().id);
    f.reads.pop_front();
  }
}

void RawNode::Core::DropReads() {
  if (auto* l = std::get_if<Leader>(&role)) {
    for (; !l->reads.empty(); l->reads.pop_front()) {
      if (l->reads.front().from == config.id) dropped_reads.push_back(l->reads.front().id);
    }
  } else if (auto* f = std::get_if<Follower>(&role)) {
    for (; !f->reads.empty(); f->reads.pop_front()) dropped_reads.push_back(f->reads.front().id);
  }
}

}  // namespace cairn::raft
