// What comes in: validation, terms, dispatch.
#include <algorithm>
#include <type_traits>
#include <utility>

#include "src/base/check.h"
#include "src/raft/core.h"

namespace cairn::raft {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

// Terms and indexes beyond this come from no honest node; below it, no sum of ours overflows.
constexpr uint64_t kAbsurd = uint64_t{1} << 62;

bool ValidId(EntryId id) {
  return id.index.value < kAbsurd && (id.index.value == 0) == (id.term.value == 0);
}

bool Valid(const Message& m, const AppendEntries& a) {
  if (!ValidId(a.prev) || a.commit.value >= kAbsurd) return false;
  EntryId before = a.prev;
  for (const Entry& e : a.entries) {
    if (e.index != before.index.Next() || e.term < before.term || e.term.value == 0) return false;
    before = e.id();
  }
  return before.term <= m.term;
}

bool Valid(const Message& m, const AppendEntriesReply& r) {
  if (r.accepted) return r.match.value < kAbsurd;
  return r.rejected.value > 0 && r.rejected.value < kAbsurd && ValidId(r.hint) &&
         r.hint.index <= r.rejected && r.hint.term <= m.term;
}

// A candidate's log is older than the term that it asks for.
bool Valid(const Message& m, const RequestVote& r) {
  return ValidId(r.last) && r.last.term < m.term;
}
bool Valid(const Message& m, const RequestPreVote& r) {
  return ValidId(r.last) && r.last.term < m.term;
}

template <class Body>
bool Valid(const Message&, const Body&) {
  return true;
}

}  // namespace

void RawNode::Core::Step(Event event) {
  std::visit(Overloaded{
                 [this](Message& m) { OnMessage(std::move(m)); },
                 [this](Tick) { OnTick(); },
                 [this](const Appended& e) { OnAppended(e); },
                 [this](const Applied& e) { OnApplied(e); },
                 [this](const ReadRequest& r) { OnReadRequest(r); },
                 [this](Campaign) { OnCampaign(); },
                 [this](LogReadDone& e) { OnLogReadDone(std::move(e)); },
             },
             event);
}

bool RawNode::Core::Admissible(const Message& m) const {
  if (m.to != config.id || m.from == config.id) return false;
  if (m.term.value == 0 || m.term.value >= kAbsurd) return false;
  if (!std::binary_search(members.begin(), members.end(), m.from)) return false;
  return std::visit([&](const auto& body) { return Valid(m, body); }, m.body);
}

void RawNode::Core::OnMessage(Message m) {
  if (!Admissible(m)) {
    ++ignored_messages;
    return;
  }
  // Pre-votes are about a term that nobody is in yet: they change no term by themselves.
  if (const auto* r = std::get_if<RequestPreVote>(&m.body)) return OnRequestPreVote(m, *r);
  if (const auto* r = std::get_if<RequestPreVoteReply>(&m.body))
    return OnRequestPreVoteReply(m, *r);

  if (m.term < term) return OnStaleTerm(m);
  if (m.term > term) {
    // Dissertation 4.2.3 and 6.2: while a live leader is heard of, a candidate does not unseat it.
    // Should the candidate's term stay higher, the leader learns of it from the answer to its next
    // heartbeat.
    const bool asks_vote = std::holds_alternative<RequestVote>(m.body);
    if (asks_vote && config.check_quorum && HeardFromLeader()) return;
    BecomeFollower(m.term, kNobody);
  }
  std::visit(Overloaded{
                 [](const RequestPreVote&) {},       // above
                 [](const RequestPreVoteReply&) {},  // above
                 [&](const RequestVote& r) { OnRequestVote(m, r); },
                 [&](const RequestVoteReply& r) { OnRequestVoteReply(m, r); },
                 [&](AppendEntries& a) { OnAppendEntries(m, a); },
                 [&](const AppendEntriesReply& r) { OnAppendEntriesReply(m, r); },
                 [&](const Heartbeat& h) { OnHeartbeat(m, h); },
                 [&](const HeartbeatReply& r) { OnHeartbeatReply(m, r); },
                 [&](const ReadIndex& r) { OnReadIndex(m, r); },
                 [&](const ReadIndexReply& r) { OnReadIndexReply(m, r); },
             },
             m.body);
}

// Figure 2: "reply false if term < currentTerm". Without the answer a leader or candidate of a
// lower term, whose own messages we ignore, would never learn why; a node that came back with a
// higher term could stay locked out for ever. Answers of older terms have nothing to say.
void RawNode::Core::OnStaleTerm(const Message& m) {
  if (std::holds_alternative<RequestVote>(m.body)) {
    Promise(m.from, RequestVoteReply{.granted = false});
  } else if (std::holds_alternative<AppendEntries>(m.body) ||
             std::holds_alternative<Heartbeat>(m.body)) {
    Promise(m.from, HeartbeatReply{.round = 0});
  }
}

void RawNode::Core::OnAppended(const Appended& e) {
  const std::optional<LogIndex> stable = writes.Complete(e.id, e.term);
  if (!stable.has_value()) return;
  log.StableTo(*stable);
  if (auto* l = std::get_if<Leader>(&role)) {
    // The leader's own disk is one vote among the others.
    if (tracker::Progress* self = l->tracker.Find(config.id);
        self != nullptr && self->MaybeUpdateMatch(log.stable_index())) {
      MaybeAdvanceCommit(*l);
      UpdateEverywhere(*l);
    }
  } else if (auto* c = std::get_if<Candidate>(&role);
             c != nullptr && writes.term_and_vote_durable()) {
    c->ballot.Record(config.id, true);
    CountVotes();
  }
}

void RawNode::Core::OnApplied(const Applied& e) {
  if (e.index <= log.applied_index()) return;
  log.AppliedTo(e.index);
  while (!applying.empty() && applying.front().last <= e.index) {
    applying_bytes -= applying.front().bytes;
    applying.pop_front();
  }
  log.Evict(everywhere, config.max_cache_bytes);
}

void RawNode::Core::OnLogReadDone(LogReadDone e) {
  if (e.id == 0 || e.entries.empty()) return;
  const LogIndex first = e.entries[0].index;
  if (e.id == apply_read_id) {
    apply_read_id = 0;
    CheckRead(e.entries);
    if (first == log.applying_index().Next()) apply_fetched = std::move(e.entries);
    return;
  }
  auto* l = std::get_if<Leader>(&role);
  if (l == nullptr) return;
  for (tracker::Progress& p : l->tracker.all()) {
    if (p.read_id != e.id) continue;
    p.read_id = 0;
    if (p.state != ProgressState::kReplicate || p.next != first) return;
    CheckRead(e.entries);
    p.fetched = std::move(e.entries);
    return;
  }
}

// Nothing that is asked for is truncated while the question is open (it is committed, or our own as
// a leader), so what comes back is what this log says it holds.
void RawNode::Core::CheckRead(const std::vector<Entry>& entries) const {
  for (size_t i = 0; i < entries.size(); ++i) {
    CHECK_EQ(entries[i].index, entries[0].index + i);
    CHECK(log.Holds(entries[i].id()), "the log on disk holds another entry than it said");
  }
}

}  // namespace cairn::raft
