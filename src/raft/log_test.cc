#include "src/raft/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "src/base/random.h"
#include "src/raft/writes.h"

namespace cairn::raft {
namespace {

Entry MakeEntry(Term term, LogIndex index, size_t size = 3) {
  return {term, index, EntryType::kNormal, SharedBytes::Copy(std::string(size, 'd'))};
}

// The twin: every entry in one vector, every question answered by looking at all of them.
struct DumbLog {
  EntryId base;
  std::vector<EntryId> entries;
  LogIndex stable, commit, applied;

  LogIndex last() const { return base.index + entries.size(); }
  std::optional<Term> TermAt(LogIndex index) const {
    if (index == base.index) return base.term;
    for (const EntryId& e : entries) {
      if (e.index == index) return e.term;
    }
    return std::nullopt;
  }
  std::optional<EntryId> LastAtOrBelow(EntryId bound) const {
    std::optional<EntryId> best;
    if (base.index <= bound.index && base.term <= bound.term) best = base;
    for (const EntryId& e : entries) {
      if (e.index <= bound.index && e.term <= bound.term) best = e;
    }
    return best;
  }
  void Truncate(LogIndex kept) {
    std::erase_if(entries, [&](const EntryId& e) { return e.index > kept; });
    stable = std::min(stable, kept);
  }
  void Compact(LogIndex upto) {
    if (upto <= base.index) return;
    base = {*TermAt(upto), upto};
    std::erase_if(entries, [&](const EntryId& e) { return e.index <= upto; });
  }
};

class LogTwins {
 public:
  explicit LogTwins(uint64_t seed) : random_(seed), log_(LogShape{}, LogIndex(0), LogIndex(0)) {}

  void Step() {
    const uint64_t roll = random_.Below(100);
    if (roll < 45) {
      if (random_.Chance(0.2)) term_ = Term(term_.value + random_.Between(1, 3));
      log_.Append(MakeEntry(term_, log_.last_index().Next(), random_.Below(50)));
      dumb_.entries.push_back({term_, dumb_.last().Next()});
    } else if (roll < 52 && log_.commit_index() < log_.last_index()) {
      const LogIndex kept(random_.Between(log_.commit_index().value, log_.last_index().value - 1));
      log_.TruncateAfter(kept);
      dumb_.Truncate(kept);
      term_ = std::max(term_, log_.last().term).Next();
    } else if (roll < 65) {
      log_.HandedTo(log_.last_index());
      const LogIndex to(random_.Between(log_.stable_index().value, log_.handed_index().value));
      log_.StableTo(to);
      dumb_.stable = to;
    } else if (roll < 75) {
      const LogIndex to(random_.Between(log_.commit_index().value, log_.last_index().value));
      log_.MaybeCommit(to);
      dumb_.commit = to;
    } else if (roll < 88) {
      const LogIndex to(random_.Between(log_.applied_index().value, log_.ApplicableTo().value));
      log_.ApplyingTo(to);
      log_.AppliedTo(to);
      dumb_.applied = to;
    } else if (roll < 94) {
      log_.Evict(LogIndex(random_.Below(log_.last_index().value + 1)), random_.Below(500));
    } else {
      const LogIndex upto(random_.Between(log_.base().index.value, log_.applied_index().value));
      log_.Compact(upto);
      dumb_.Compact(upto);
    }
  }

  void Compare() {
    ASSERT_EQ(log_.base(), dumb_.base);
    ASSERT_EQ(log_.last_index(), dumb_.last());
    ASSERT_EQ(log_.last(), (EntryId{*dumb_.TermAt(dumb_.last()), dumb_.last()}));
    ASSERT_EQ(log_.stable_index(), dumb_.stable);
    ASSERT_EQ(log_.commit_index(), dumb_.commit);
    ASSERT_EQ(log_.applied_index(), dumb_.applied);
    const LogIndex any(random_.Below(dumb_.last().value + 3));
    ASSERT_EQ(log_.TermAt(any), dumb_.TermAt(any));
    const EntryId bound{Term(random_.Below(term_.value + 2)), any};
    ASSERT_EQ(log_.LastAtOrBelow(bound), dumb_.LastAtOrBelow(bound));
    CompareCache();
  }

  size_t partly_cached() const { return partly_cached_; }

 private:
  void CompareCache() {
    ASSERT_LE(log_.cache_first(), std::min(log_.applied_index(), log_.stable_index()).Next());
    size_t bytes = 0;
    for (LogIndex i = log_.cache_first(); i <= log_.last_index(); i = i.Next()) {
      ASSERT_EQ(log_.Cached(i).id(), (EntryId{*dumb_.TermAt(i), i}));
      bytes += EntryBytes(log_.Cached(i));
    }
    ASSERT_EQ(log_.cache_bytes(), bytes);
    if (log_.cache_first() > log_.first_index()) ++partly_cached_;
    if (log_.cache_first() > log_.last_index()) return;
    std::vector<Entry> copy;
    const LogIndex first(random_.Between(log_.cache_first().value, log_.last_index().value));
    const size_t limit = random_.Below(300);
    const size_t copied = log_.CopyTo(first, log_.last_index(), limit, &copy);
    ASSERT_FALSE(copy.empty());
    ASSERT_EQ(copied, log_.BytesOf(first.Prev(), copy.back().index));
    ASSERT_EQ(copy.front().index, first);
    // It stopped because the limit was reached, and not before; or the log ended.
    ASSERT_TRUE(copied >= limit || copy.back().index == log_.last_index());
    ASSERT_TRUE(copy.size() == 1 || copied - EntryBytes(copy.back()) < limit);
  }

  Random random_;
  Log log_;
  DumbLog dumb_;
  Term term_{1};
  size_t partly_cached_ = 0;
};

TEST(LogTest, AgreesWithTheTwin) {
  size_t partly_cached = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    LogTwins twins(seed);
    for (int i = 0; i < 200; ++i) {
      twins.Step();
      twins.Compare();
      if (::testing::Test::HasFatalFailure()) FAIL() << "seed " << seed;
    }
    partly_cached += twins.partly_cached();
  }
  EXPECT_GT(partly_cached, 1000u);
}

TEST(LogTest, StartsFromAShape) {
  const LogShape shape{.base = {Term(2), LogIndex(10)},
                       .last = LogIndex(20),
                       .runs = {{Term(2), LogIndex(11)}, {Term(5), LogIndex(15)}}};
  const Log log(shape, LogIndex(12), LogIndex(11));
  EXPECT_EQ(log.stable_index(), LogIndex(20));
  EXPECT_EQ(log.cache_first(), LogIndex(21));
  EXPECT_EQ(log.TermAt(LogIndex(9)), std::nullopt);
  EXPECT_EQ(log.TermAt(LogIndex(10)), Term(2));
  EXPECT_EQ(log.TermAt(LogIndex(14)), Term(2));
  EXPECT_EQ(log.TermAt(LogIndex(15)), Term(5));
  EXPECT_EQ(log.TermAt(LogIndex(21)), std::nullopt);
}

// The durable index is rolled back when the log is truncated under writes.
TEST(WritesTest, TruncationTakesBackWhatIsUnderWay) {
  Writes writes;
  const WriteId a = writes.Begin(Term(1), LogIndex(10), false);
  writes.Truncated(LogIndex(4));
  const WriteId b = writes.Begin(Term(2), LogIndex(6), true);
  EXPECT_FALSE(writes.term_and_vote_durable());
  EXPECT_EQ(writes.Complete(a, Term(1)), LogIndex(4));
  EXPECT_EQ(writes.Complete(a, Term(1)), std::nullopt);  // twice
  EXPECT_EQ(writes.Complete(b, Term(2)), LogIndex(6));
  EXPECT_TRUE(writes.term_and_vote_durable());
}

TEST(WritesTest, ACompletionCoversAllBeforeIt) {
  Writes writes;
  const WriteId a = writes.Begin(Term(1), LogIndex(1), true);
  const WriteId b = writes.Begin(Term(1), LogIndex(2), false);
  EXPECT_EQ(writes.Complete(b, Term(1)), LogIndex(2));
  EXPECT_EQ(writes.Complete(a, Term(1)), std::nullopt);
  EXPECT_TRUE(writes.term_and_vote_durable());
  writes.TermOrVoteChanged();
  EXPECT_FALSE(writes.term_and_vote_durable());
}

}  // namespace
}  // namespace cairn::raft
