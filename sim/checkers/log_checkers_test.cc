// The checkers of figure 3, each shown a good and a bad history.
#include <gtest/gtest.h>

#include "sim/checkers/committed_log.h"
#include "sim/checkers/election_safety.h"
#include "sim/checkers/leader_append_only.h"
#include "sim/checkers/log_matching.h"
#include "sim/checkers/promises.h"
#include "sim/checkers/replica_hashes.h"

namespace cairn::sim {
namespace {

using Log = std::vector<LogEntry>;

// A log of entries with these terms; the contents follow from the term and the index.
Log Of(std::initializer_list<uint64_t> terms) {
  Log log;
  for (const uint64_t t : terms) {
    const raft::EntryId id{Term(t), LogIndex(log.size() + 1)};
    log.push_back({id, t * 1000 + log.size()});
  }
  return log;
}

struct Shown {
  size_t node = 0;
  uint64_t term = 1;
  raft::Role role = raft::Role::kFollower;
  uint64_t commit = 0;
  uint64_t changed_from = 1;
  uint64_t life = 1;
  bool restarted = false;
  raft::EntryId applied = {};
};

NodeView View(const Log& log, const Shown& s) {
  NodeView v;
  v.node = s.node;
  v.life = s.life;
  v.restarted = s.restarted;
  v.term = Term(s.term);
  v.role = s.role;
  v.commit = LogIndex(s.commit);
  v.applied = s.applied;
  v.changed_from = LogIndex(s.changed_from);
  v.log = &log;
  return v;
}

constexpr raft::Role kLeader = raft::Role::kLeader;

TEST(ElectionSafetyTest, TwoLeadersInOneTerm) {
  Violations found;
  ElectionSafety checker(found);
  const Log log;
  checker.OnView(View(log, {.node = 0, .term = 2, .role = kLeader}));
  checker.OnView(View(log, {.node = 1, .term = 3, .role = kLeader}));
  checker.OnView(View(log, {.node = 2, .term = 3}));
  EXPECT_TRUE(found.empty());
  checker.OnView(View(log, {.node = 2, .term = 3, .role = kLeader}));
  EXPECT_FALSE(found.empty());
}

TEST(ElectionSafetyTest, TwoVotesInOneTerm) {
  Violations found;
  ElectionSafety checker(found);
  checker.OnVote(0, Term(2), 1);
  checker.OnVote(0, Term(2), 1);
  checker.OnVote(0, Term(3), 2);
  checker.OnVote(1, Term(3), 1);
  EXPECT_TRUE(found.empty());
  checker.OnVote(0, Term(3), 1);
  EXPECT_FALSE(found.empty());
}

TEST(LeaderAppendOnlyTest, LeaderThatReplacesItsEntries) {
  Violations found;
  LeaderAppendOnly checker(found);
  checker.OnView(View(Of({1, 1, 2}), {.term = 2, .role = kLeader}));
  checker.OnView(View(Of({1, 1, 2, 2}), {.term = 2, .role = kLeader, .changed_from = 4}));
  EXPECT_TRUE(found.empty());
  checker.OnView(View(Of({1, 1, 2}), {.term = 2, .role = kLeader, .changed_from = 4}));
  EXPECT_FALSE(found.empty());
}

TEST(LeaderAppendOnlyTest, FollowerAndNextTermMayReplace) {
  Violations found;
  LeaderAppendOnly checker(found);
  checker.OnView(View(Of({1, 2, 2}), {.term = 2, .role = kLeader}));
  checker.OnView(View(Of({1, 3}), {.term = 3, .changed_from = 2}));
  checker.OnView(View(Of({1, 3, 4}), {.term = 4, .role = kLeader, .changed_from = 3}));
  EXPECT_TRUE(found.empty());
}

TEST(LogMatchingTest, SameIdOtherContents) {
  Violations found;
  LogMatching checker(found);
  Log other = Of({1, 1, 2});
  checker.OnView(View(Of({1, 1, 2}), {.node = 0}));
  checker.OnView(View(other, {.node = 1}));
  EXPECT_TRUE(found.empty());
  other[2].digest ^= 1;
  checker.OnView(View(other, {.node = 1, .changed_from = 3}));
  EXPECT_FALSE(found.empty());
}

TEST(LogMatchingTest, SameIdAfterAnotherEntry) {
  Violations found;
  LogMatching checker(found);
  Log one = Of({1, 1, 3});
  Log two = Of({1, 2, 3});
  two[2] = one[2];
  checker.OnView(View(one, {.node = 0}));
  checker.OnView(View(two, {.node = 1}));
  EXPECT_FALSE(found.empty());
}

// Figure 8: an entry of term 2 is committed by counting, then overwritten by the leader of term 3.
TEST(CommittedLogTest, CommittedEntryIsReplaced) {
  Violations found;
  CommittedLog checker(found);
  checker.OnView(View(Of({1, 2}), {.node = 0, .term = 4, .role = kLeader, .commit = 2}));
  checker.OnView(View(Of({1, 2}), {.node = 1, .term = 4, .commit = 1}));
  EXPECT_TRUE(found.empty());
  checker.OnView(View(Of({1, 3}), {.node = 1, .term = 5, .commit = 2, .changed_from = 2}));
  EXPECT_FALSE(found.empty());
}

TEST(CommittedLogTest, CommittedEntryChangesUnderTheSameNode) {
  Violations found;
  CommittedLog checker(found);
  checker.OnView(View(Of({1, 2}), {.term = 2, .commit = 2}));
  checker.OnView(View(Of({1, 3}), {.term = 3, .commit = 2, .changed_from = 2}));
  EXPECT_FALSE(found.empty());
}

TEST(CommittedLogTest, LeaderWithoutACommittedEntry) {
  Violations found;
  CommittedLog checker(found);
  checker.OnView(View(Of({1, 2}), {.node = 0, .term = 2, .role = kLeader, .commit = 2}));
  // One of an earlier term, seen late, may lack it; one of the same log is fine.
  checker.OnView(View(Of({1}), {.node = 1, .term = 1, .role = kLeader}));
  checker.OnView(View(Of({1, 2, 3}), {.node = 2, .term = 3, .role = kLeader}));
  EXPECT_TRUE(found.empty());
  checker.OnView(View(Of({1}), {.node = 1, .term = 4, .role = kLeader}));
  ASSERT_EQ(found.found().size(), 1u);
  EXPECT_EQ(found.found()[0].checker, "leader completeness");
}

TEST(CommittedLogTest, AppliedWhatNobodyCommittedOrAnother) {
  for (const raft::EntryId applied :
       {raft::EntryId{Term(2), LogIndex(3)}, raft::EntryId{Term(9), LogIndex(2)}}) {
    Violations found;
    CommittedLog checker(found);
    checker.OnView(
        View(Of({1, 2, 2}), {.term = 2, .commit = 2, .applied = {Term(2), LogIndex(2)}}));
    EXPECT_TRUE(found.empty());
    checker.OnView(
        View(Of({1, 2, 2}), {.term = 2, .commit = 2, .changed_from = 4, .applied = applied}));
    EXPECT_FALSE(found.empty());
  }
}

TEST(CommittedLogTest, CommitBeyondTheLog) {
  Violations found;
  CommittedLog checker(found);
  checker.OnView(View(Of({1}), {.commit = 2}));
  EXPECT_FALSE(found.empty());
}

TEST(PromisesTest, AcknowledgedEntryLostInACrash) {
  Violations found;
  Promises checker(found);
  checker.OnView(View(Of({1, 1, 1}), {.term = 1}));
  checker.OnMatchSent(0, Term(1), LogIndex(2));
  checker.OnView(View(Of({1, 1}), {.term = 1, .changed_from = 3, .life = 2, .restarted = true}));
  EXPECT_TRUE(found.empty());
  checker.OnView(View(Of({1}), {.term = 1, .changed_from = 2, .life = 3, .restarted = true}));
  EXPECT_FALSE(found.empty());
}

TEST(PromisesTest, EntryThatALeaderReplacedIsNoPromiseAnyMore) {
  Violations found;
  Promises checker(found);
  checker.OnView(View(Of({1, 1, 1}), {.term = 1}));
  checker.OnMatchSent(0, Term(1), LogIndex(3));
  checker.OnView(View(Of({1, 2}), {.term = 2, .changed_from = 2}));
  checker.OnView(View(Of({1}), {.term = 2, .changed_from = 2, .life = 2, .restarted = true}));
  EXPECT_TRUE(found.empty());
}

TEST(PromisesTest, DoubtTakesBackWhatIsNotCommitted) {
  for (const uint64_t upto : {1, 2}) {
    Violations found;
    Promises checker(found);
    checker.OnView(View(Of({1, 1, 1}), {.term = 1}));
    checker.OnMatchSent(0, Term(1), LogIndex(3));
    checker.Doubt(0, LogIndex(upto));
    checker.OnView(View(Of({1}), {.term = 2, .changed_from = 2, .life = 2, .restarted = true}));
    EXPECT_EQ(found.empty(), upto == 1);
  }
}

TEST(PromisesTest, TermGoesBack) {
  Violations found;
  Promises checker(found);
  checker.OnTermSent(0, Term(5));
  checker.OnView(View(Of({1}), {.term = 5}));
  EXPECT_TRUE(found.empty());
  checker.OnView(View(Of({1}), {.term = 4, .changed_from = 2, .life = 2, .restarted = true}));
  EXPECT_FALSE(found.empty());
}

TEST(ReplicaHashesTest, OtherHashOrRevisionAtTheSameIndex) {
  for (const bool hash_differs : {true, false}) {
    Violations found;
    ReplicaHashes checker(found);
    checker.OnState(0, {Term(1), LogIndex(5)}, 77, 3);
    checker.OnState(1, {Term(1), LogIndex(6)}, 78, 4);
    checker.OnState(1, {Term(1), LogIndex(5)}, 77, 3);
    EXPECT_TRUE(found.empty());
    EXPECT_EQ(checker.compared(), 1u);
    checker.OnState(2, {Term(1), LogIndex(5)}, hash_differs ? 70 : 77, hash_differs ? 3 : 4);
    EXPECT_FALSE(found.empty());
  }
}

TEST(ReplicaHashesTest, RevisionGoesBack) {
  Violations found;
  ReplicaHashes checker(found);
  checker.OnState(0, {Term(1), LogIndex(5)}, 77, 3);
  checker.OnState(0, {Term(1), LogIndex(6)}, 78, 2);
  EXPECT_FALSE(found.empty());
}

}  // namespace
}  // namespace cairn::sim
