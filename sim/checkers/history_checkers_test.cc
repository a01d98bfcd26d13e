// The checkers of what clients saw, each shown good and bad histories.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/checkers/exactly_once.h"
#include "sim/checkers/linearizability.h"
#include "sim/checkers/revisions.h"
#include "src/base/random.h"

namespace cairn::sim {
namespace {

using Kind = RegisterOp::Kind;

RegisterOp Write(Value v, uint64_t from, uint64_t to) {
  return {
      .kind = Kind::kWrite, .argument = v, .known = to != kNever, .invoked = from, .returned = to};
}
RegisterOp Read(Value v, uint64_t from, uint64_t to) {
  return {.kind = Kind::kRead, .known = true, .read = v, .invoked = from, .returned = to};
}
RegisterOp Delete(bool there, uint64_t from, uint64_t to) {
  return {.kind = Kind::kDelete,
          .known = to != kNever,
          .succeeded = there,
          .invoked = from,
          .returned = to};
}
RegisterOp Swap(Value expected, Value v, bool done, Value read, uint64_t from, uint64_t to) {
  return {.kind = Kind::kSwap,
          .argument = v,
          .expected = expected,
          .known = to != kNever,
          .succeeded = done,
          .read = read,
          .invoked = from,
          .returned = to};
}

bool Ok(const std::vector<RegisterOp>& ops) { return CheckRegister(ops) == Verdict::kLinearizable; }

TEST(LinearizabilityTest, ReadAfterWrite) {
  EXPECT_TRUE(Ok({Write(1, 1, 2), Read(1, 3, 4)}));
  EXPECT_FALSE(Ok({Write(1, 1, 2), Read(0, 3, 4)}));                  // lost, or stale
  EXPECT_FALSE(Ok({Write(1, 1, 2), Write(2, 3, 4), Read(1, 5, 6)}));  // stale
  EXPECT_FALSE(Ok({Read(1, 1, 2), Write(1, 3, 4)}));                  // from the future
}

TEST(LinearizabilityTest, ConcurrentReadsMustAgreeOnTheOrder) {
  EXPECT_TRUE(Ok({Write(1, 1, 10), Read(0, 2, 3), Read(1, 4, 5)}));
  EXPECT_FALSE(Ok({Write(1, 1, 10), Read(1, 2, 3), Read(0, 4, 5)}));
  EXPECT_TRUE(Ok({Write(1, 1, 10), Write(2, 2, 11), Read(2, 12, 13)}));
  EXPECT_TRUE(Ok({Write(1, 1, 10), Write(2, 2, 11), Read(1, 12, 13)}));
  EXPECT_FALSE(Ok({Write(1, 1, 10), Write(2, 2, 11), Read(1, 12, 13), Read(2, 14, 15)}));
}

TEST(LinearizabilityTest, UnknownOutcomeMayHappenLateOrNever) {
  EXPECT_TRUE(Ok({Write(1, 1, kNever), Read(0, 2, 3), Read(0, 4, 5)}));
  EXPECT_TRUE(Ok({Write(1, 1, kNever), Read(0, 2, 3), Read(1, 4, 5)}));
  EXPECT_FALSE(Ok({Write(1, 1, kNever), Read(0, 2, 3), Read(1, 4, 5), Read(0, 6, 7)}));
  EXPECT_FALSE(Ok({Read(1, 1, 2), Write(1, 3, kNever)}));
  // Applied twice: 1, then 2 over it, then 1 again.
  EXPECT_FALSE(
      Ok({Write(1, 1, kNever), Read(1, 2, 3), Write(2, 4, 5), Read(2, 6, 7), Read(1, 8, 9)}));
}

TEST(LinearizabilityTest, SwapsAndDeletes) {
  EXPECT_TRUE(
      Ok({Swap(0, 1, true, 0, 1, 2), Swap(1, 2, true, 0, 3, 4), Swap(1, 3, false, 2, 5, 6)}));
  EXPECT_FALSE(Ok({Swap(0, 1, true, 0, 1, 5), Swap(0, 2, true, 0, 2, 6)}));  // both from nothing
  EXPECT_FALSE(Ok({Write(1, 1, 2), Swap(1, 2, false, 1, 3, 4)}));
  EXPECT_TRUE(Ok({Write(1, 1, 2), Delete(true, 3, 4), Read(0, 5, 6), Delete(false, 7, 8)}));
  EXPECT_FALSE(Ok({Write(1, 1, 2), Delete(true, 3, 4), Delete(true, 5, 6)}));
  EXPECT_TRUE(Ok({Write(1, 1, 2), Delete(false, 3, kNever), Read(1, 5, 6), Read(0, 7, 8)}));
}

// A right history: each operation takes effect at a moment between its call and its return. One
// write in 30 never returns, and as many again never happen.
std::vector<RegisterOp> RightHistory(size_t count) {
  Random random(1);
  std::vector<RegisterOp> ops;
  Value value = 0, next = 0;
  uint64_t now = 100;
  while (ops.size() < count) {
    now += 10;
    const uint64_t from = now - random.Below(30), to = now + 1 + random.Below(30);
    if (random.Chance(0.3)) {
      value = ++next;
      ops.push_back(Write(value, from, random.Chance(0.03) ? kNever : to));
    } else if (random.Chance(0.02)) {
      ops.push_back(Write(++next, from, kNever));  // never happens
    } else if (random.Chance(0.1)) {
      ops.push_back(Delete(value != 0, from, to));
      value = 0;
    } else {
      ops.push_back(Read(value, from, to));
    }
    ops.back().number = ops.size() - 1;
  }
  return ops;
}

TEST(LinearizabilityTest, ThousandsOfConcurrentOperationsAreDecided) {
  EXPECT_EQ(CheckRegister(RightHistory(4000)), Verdict::kLinearizable);
}

TEST(LinearizabilityTest, OneStaleReadAmongHundredsIsFound) {
  std::vector<RegisterOp> ops = RightHistory(200);
  size_t read = ops.size() - 20;
  while (ops[read].kind != Kind::kRead) --read;
  ops[read].read = 1;  // overwritten long ago
  size_t stuck_at = 0;
  EXPECT_EQ(CheckRegister(ops, 20'000'000, &stuck_at), Verdict::kNotLinearizable);
  EXPECT_EQ(stuck_at, read);
}

Operation Op(OpKind kind, const std::string& key, Value argument, uint64_t from, uint64_t to,
             int64_t revision) {
  Operation op;
  op.kind = kind;
  op.key = key;
  op.argument = argument;
  op.invoked = from;
  op.returned = to;
  op.outcome = Outcome::kOk;
  op.revision = revision;
  op.succeeded = true;
  return op;
}

Operation Saw(const std::string& key, Found found, uint64_t from, uint64_t to, int64_t revision) {
  Operation op = Op(OpKind::kGet, key, 0, from, to, revision);
  if (found.value != 0) op.found[key] = found;
  return op;
}

// Each operation is a client's own; moments follow the order given, one after another.
bool RevisionsOk(std::vector<Operation> ops) {
  History history;
  for (const Operation& op : ops) {
    const size_t number = history.Invoke(op);
    if (op.returned != kNever) history.Return(number, Outcome::kOk);
  }
  Violations found;
  CheckRevisions(history, found);
  return found.empty();
}

TEST(RevisionsTest, EachChangeHasItsOwnAndTheyRise) {
  EXPECT_TRUE(RevisionsOk({Op(OpKind::kPut, "a", 1, 0, 0, 2), Op(OpKind::kPut, "b", 2, 0, 0, 3)}));
  EXPECT_FALSE(RevisionsOk({Op(OpKind::kPut, "a", 1, 0, 0, 2), Op(OpKind::kPut, "b", 2, 0, 0, 2)}));
  EXPECT_FALSE(RevisionsOk({Op(OpKind::kPut, "a", 1, 0, 0, 3), Op(OpKind::kPut, "b", 2, 0, 0, 2)}));
}

TEST(RevisionsTest, ReadOfAnotherKeyMustNotBeOlder) {
  // Fine for each key alone, yet the second client reads the store as it was before the first one's
  // write.
  EXPECT_FALSE(RevisionsOk({Op(OpKind::kPut, "a", 1, 0, 0, 2), Saw("b", {}, 0, 0, 1)}));
}

TEST(RevisionsTest, ReadsShowWhatTheRevisionHolds) {
  const Operation put = Op(OpKind::kPut, "a", 1, 0, 0, 2);
  EXPECT_TRUE(RevisionsOk({put, Saw("a", {1, 2, 1}, 0, 0, 2)}));
  EXPECT_FALSE(RevisionsOk({put, Saw("a", {9, 2, 1}, 0, 0, 2)}));  // another value
  EXPECT_FALSE(RevisionsOk({put, Saw("a", {}, 0, 0, 2)}));         // lost
  EXPECT_FALSE(RevisionsOk({put, Op(OpKind::kPut, "a", 2, 0, 0, 3), Saw("a", {1, 2, 1}, 0, 0, 3)}));
  EXPECT_FALSE(RevisionsOk({put, Saw("a", {3, 7, 2}, 0, 0, 2)}));  // from the future
  EXPECT_FALSE(
      RevisionsOk({put, Op(OpKind::kPut, "a", 2, 0, 0, 3), Saw("a", {2, 3, 2}, 0, 0, 3),
                   Op(OpKind::kPut, "a", 3, 0, 0, 4), Saw("a", {3, 4, 2}, 0, 0, 4)}));  // version
  EXPECT_TRUE(RevisionsOk({put, Op(OpKind::kDelete, "a", 0, 0, 0, 3), Saw("a", {}, 0, 0, 3)}));
}

TEST(ExactlyOnceTest, LostRefusedAndDoubled) {
  const auto check = [](Outcome outcome, int times) {
    History history;
    const size_t number = history.Invoke(Op(OpKind::kPut, "a", 5, 0, kNever, 0));
    history.Return(number, outcome);
    Violations found;
    CheckExactlyOnce(history,
                     times == 0 ? std::map<Value, int>{} : std::map<Value, int>{{5, times}}, found);
    return found.empty();
  };
  EXPECT_TRUE(check(Outcome::kOk, 1));
  EXPECT_FALSE(check(Outcome::kOk, 0));
  EXPECT_FALSE(check(Outcome::kOk, 2));
  EXPECT_TRUE(check(Outcome::kFailed, 0));
  EXPECT_FALSE(check(Outcome::kFailed, 1));
  EXPECT_TRUE(check(Outcome::kUnknown, 0));
  EXPECT_TRUE(check(Outcome::kUnknown, 1));
  EXPECT_FALSE(check(Outcome::kUnknown, 2));
}

TEST(HistoryTest, ValuesAreFoundWithinOtherBytes) {
  EXPECT_EQ(ParseValue(ValueText(42)), 42u);
  EXPECT_EQ(ParseValue("no value"), 0u);
  EXPECT_EQ(FindValues("xx" + ValueText(7) + "\0y" + ValueText(8) + "value<9"),
            (std::vector<Value>{7, 8}));
}

}  // namespace
}  // namespace cairn::sim
