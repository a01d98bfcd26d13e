#include "src/raft/invariants.h"

#include <algorithm>

#include "src/base/check.h"
#include "src/raft/core.h"

namespace cairn::raft {

void Invariants::Check(const RawNode::Core& core) {
  CheckLog(core);
  CheckRole(core);
  CheckProgress(core);
  if (before_.valid) CheckDelta(core);
  Remember(core);
}

void Invariants::CheckLog(const RawNode::Core& core) {
  const Log& log = core.log;
  CHECK_LE(log.base().index, log.applied_index());
  CHECK_LE(log.applied_index(), log.applying_index());
  CHECK_LE(log.applying_index(), log.commit_index());
  CHECK_LE(log.applying_index(), log.stable_index());
  CHECK_LE(log.commit_index(), log.last_index());
  CHECK_LE(log.stable_index(), log.handed_index());
  CHECK_LE(log.handed_index(), log.last_index());
  CHECK_LE(core.everywhere, log.last_index());

  LogIndex covered = log.base().index;
  Term before = log.base().term;
  for (const TermRun& run : log.runs()) {
    CHECK(run.first == log.base().index.Next() ? run.term >= before : run.term > before);
    CHECK(covered == log.base().index ? run.first == covered.Next() : run.first > covered);
    before = run.term;
    covered = run.first;
  }
  CHECK_LE(before, core.term);
  CHECK_EQ(log.runs().empty(), log.base().index == log.last_index());

  // The cache is a suffix of the log and holds all that is not durable. Its middle was checked when
  // it was its end.
  CHECK_LE(log.cache_first(), log.handed_index().Next());
  CHECK_LE(log.cache_first(), log.stable_index().Next());
  CHECK_GT(log.cache_first(), log.base().index);
  if (log.cache_first() <= log.last_index()) {
    CHECK(log.TermAt(log.cache_first()) == log.Cached(log.cache_first()).term);
    CHECK_EQ(log.Cached(log.cache_first()).index, log.cache_first());
    CHECK(log.TermAt(log.last_index()) == log.Cached(log.last_index()).term);
    CHECK_EQ(log.Cached(log.last_index()).index, log.last_index());
  }
}

void Invariants::CheckRole(const RawNode::Core& core) {
  if (const auto* f = std::get_if<Follower>(&core.role)) {
    CHECK_NE(f->leader, core.config.id);
    CHECK_LE(f->promised, f->verified);
    CHECK_LE(f->verified, core.log.last_index());
  } else if (std::holds_alternative<PreCandidate>(core.role)) {
    CHECK(core.config.pre_vote);
  } else if (std::holds_alternative<Candidate>(core.role)) {
    CHECK_EQ(core.vote, core.config.id);
  } else {
    const Leader& l = std::get<Leader>(core.role);
    CHECK_EQ(core.vote, core.config.id);
    CHECK(core.writes.term_and_vote_durable());
    if (l.term_start > core.log.base().index) {  // not cut
      CHECK(core.log.TermAt(l.term_start) == core.term);
      CHECK(core.log.TermAt(l.term_start.Prev()) != core.term);
    }
    for (size_t i = 1; i < l.reads.size(); ++i) CHECK_LE(l.reads[i - 1].round, l.reads[i].round);
    if (!l.reads.empty()) CHECK_LE(l.reads.back().round, l.round + 1);
  }
}

void Invariants::CheckProgress(const RawNode::Core& core) {
  const auto* l = std::get_if<Leader>(&core.role);
  if (l == nullptr) return;
  const LogIndex last = core.log.last_index();
  for (const tracker::Progress& p : l->tracker.all()) {
    CHECK_LE(p.round_acked, l->round);
    CHECK_LT(p.match, p.next);
    CHECK_LE(p.next, last.Next());
    if (p.id == core.config.id) {
      CHECK_EQ(p.match, core.log.stable_index());
      continue;
    }
    CHECK_LE(p.match, p.sent);
    CHECK_LE(p.sent, last);
    CHECK_LE(p.inflights.messages(), core.config.max_inflight_messages);
    if (p.state != ProgressState::kReplicate) CHECK_EQ(p.inflights.messages(), 0u);
  }
  // Section 5.4.2: what this leader committed itself is held by a quorum and of its own term.
  if (core.log.commit_index() >= l->term_start) {
    CHECK_LE(core.log.commit_index(), l->tracker.CommittedIndex());
  }
}

void Invariants::CheckDelta(const RawNode::Core& core) const {
  const Log& log = core.log;
  const Before& b = before_;
  CHECK_LE(b.term, core.term);
  if (b.term == core.term && b.vote != kNobody) CHECK_EQ(b.vote, core.vote);  // one vote a term
  CHECK_LE(b.base, log.base().index);
  CHECK_LE(b.commit, log.commit_index());
  CHECK_LE(b.applying, log.applying_index());
  CHECK_LE(b.applied, log.applied_index());
  CHECK_LE(b.everywhere, core.everywhere);
  if (b.commit >= log.base().index)
    CHECK(log.TermAt(b.commit) == b.term_at_commit, "committed entries never change");

  const auto* l = std::get_if<Leader>(&core.role);
  if (l == nullptr || b.term != core.term) return;
  CHECK(b.role == Role::kLeader || b.role == Role::kCandidate);
  CHECK_LE(b.last, log.last_index());  // figure 3, leader append-only
  CHECK_LE(b.stable, log.stable_index());
  if (b.role != Role::kLeader) return;
  CHECK_EQ(b.matches.size(), l->tracker.all().size());
  for (size_t i = 0; i < b.matches.size(); ++i) CHECK_LE(b.matches[i], l->tracker.all()[i].match);
}

void Invariants::Remember(const RawNode::Core& core) {
  const Log& log = core.log;
  before_.valid = true;
  before_.term = core.term;
  before_.vote = core.vote;
  before_.role = core.role_kind();
  before_.base = log.base().index;
  before_.last = log.last_index();
  before_.stable = log.stable_index();
  before_.commit = log.commit_index();
  before_.applying = log.applying_index();
  before_.applied = log.applied_index();
  before_.everywhere = core.everywhere;
  before_.term_at_commit = *log.TermAt(log.commit_index());
  before_.matches.clear();
  if (const auto* l = std::get_if<Leader>(&core.role)) {
    for (const tracker::Progress& p : l->tracker.all()) before_.matches.push_back(p.match);
  }
}

}  // namespace cairn::raft
