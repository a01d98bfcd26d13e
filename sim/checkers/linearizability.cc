#include "sim/checkers/linearizability.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

namespace cairn::sim {
namespace {

// The value after `op` took effect at `value`; nothing when its answer would be wrong then.
std::optional<Value> Apply(const RegisterOp& op, Value value) {
  switch (op.kind) {
    case RegisterOp::Kind::kWrite:
      return op.argument;
    case RegisterOp::Kind::kRead:
      if (op.known && op.read != value) return std::nullopt;
      return value;
    case RegisterOp::Kind::kDelete:
      if (op.known && op.succeeded != (value != 0)) return std::nullopt;
      return 0;
    case RegisterOp::Kind::kSwap:
      if (!op.known) {  // where it would change nothing it needs no place
        if (value != op.expected) return std::nullopt;
        return op.argument;
      }
      if (op.succeeded != (value == op.expected)) return std::nullopt;
      if (op.succeeded) return op.argument;
      if (op.read != value) return std::nullopt;
      return value;
  }
  return std::nullopt;
}

// Calls and returns in order of time, as a list from which operations are lifted and put back.
struct Event {
  size_t op = 0;
  bool is_call = false;
  Event* partner = nullptr;  // of a call: its return; null when it never returns
  Event* before = nullptr;
  Event* after = nullptr;
};

class Search {
 public:
  explicit Search(const std::vector<RegisterOp>& ops) : ops_(ops), done_((ops.size() + 63) / 64) {
    for (const RegisterOp& op : ops) {
      if (op.known && op.read != 0) seen_.insert(op.read);
      if (op.kind == RegisterOp::Kind::kSwap) seen_.insert(op.expected);
    }
    struct At {
      uint64_t moment;
      Event* event;
    };
    std::vector<At> line;
    for (size_t i = 0; i < ops.size(); ++i) {
      events_.push_back(std::make_unique<Event>(Event{i, true}));
      Event* call = events_.back().get();
      line.push_back({ops[i].invoked, call});
      if (ops[i].returned == kNever) continue;
      ++to_return_;
      events_.push_back(std::make_unique<Event>(Event{i, false}));
      call->partner = events_.back().get();
      line.push_back({ops[i].returned, call->partner});
    }
    std::sort(line.begin(), line.end(),
              [](const At& a, const At& b) { return a.moment < b.moment; });
    Event* last = &head_;
    for (const At& at : line) {
      at.event->before = last;
      last->after = at.event;
      last = at.event;
    }
  }

  // Depth first. Operations that returned are tried before those that never did: these need a place
  // only when somebody saw them, and trying them first would double the work for each.
  Verdict Run(uint64_t max_steps, size_t* stuck_at) {
    Event* at = head_.after;
    bool open_ones = false;
    size_t deepest = 0;
    while (to_return_ > 0) {
      if (max_steps-- == 0) return Verdict::kGaveUp;
      if (at != nullptr && at->is_call) {
        const bool is_open = at->partner == nullptr;
        if (is_open == open_ones && !(is_open && !Wanted(at)) && TryPlace(at)) {
          at = head_.after;
          open_ones = false;
        } else {
          at = at->after;
        }
        continue;
      }
      // Here an operation returns that has no place yet: nothing after this moment may come before
      // it.
      if (!open_ones) {
        open_ones = true;
        FindWanted();
        at = head_.after;
        continue;
      }
      if (at != nullptr && stuck_at != nullptr && stack_.size() >= deepest) {
        deepest = stack_.size();
        *stuck_at = ops_[at->op].number;
      }
      if (stack_.empty()) return Verdict::kNotLinearizable;
      open_ones = stack_.back().call->partner == nullptr;
      at = TakeBack();
      if (open_ones) FindWanted();
    }
    return Verdict::kLinearizable;
  }

 private:
  struct Placed {
    Event* call;
    Value before;
  };

  // Open writes whose value nobody ever saw are as good as one another, and so are open deletes: of
  // those that have no place yet only the earliest is tried.
  int TwinClass(const Event* call) const {
    const RegisterOp& op = ops_[call->op];
    if (op.kind == RegisterOp::Kind::kDelete) return 1;
    return op.kind == RegisterOp::Kind::kWrite && !seen_.contains(op.argument) ? 2 : 0;
  }
  bool HasTwinBefore(const Event* call) const {
    const int twins = TwinClass(call);
    if (twins == 0) return false;
    for (const Event* e = call->before; e != &head_; e = e->before) {
      if (e->is_call && e->partner == nullptr && TwinClass(e) == twins) return true;
    }
    return false;
  }

  // The values that an operation which may come next would have to find, for its answer to be
  // right.
  void FindWanted() {
    wanted_.clear();
    anything_wanted_ = false;
    for (const Event* e = head_.after; e != nullptr && e->is_call; e = e->after) {
      const RegisterOp& op = ops_[e->op];
      if (op.kind == RegisterOp::Kind::kSwap)
        wanted_.insert(op.known && !op.succeeded ? op.read : op.expected);
      if (!op.known) continue;
      if (op.kind == RegisterOp::Kind::kRead) wanted_.insert(op.read);
      if (op.kind == RegisterOp::Kind::kDelete && !op.succeeded) wanted_.insert(0);
      if (op.kind == RegisterOp::Kind::kDelete && op.succeeded) anything_wanted_ = true;
    }
  }
  // Whether placing this open operation now could help.
  bool Wanted(const Event* call) const {
    const RegisterOp& op = ops_[call->op];
    const Value leaves = op.kind == RegisterOp::Kind::kDelete ? 0 : op.argument;
    if (!wanted_.contains(leaves) && !(anything_wanted_ && leaves != 0)) return false;
    return !HasTwinBefore(call);
  }

  bool TryPlace(Event* call) {
    const RegisterOp& op = ops_[call->op];
    const std::optional<Value> value = Apply(op, value_);
    if (!value.has_value()) return false;
    // An operation that never returned has a place only where the next one sees what it did: any
    // order without that is as good without the operation. This keeps the search small, however
    // many there are.
    const bool after_open = !stack_.empty() && stack_.back().call->partner == nullptr;
    const bool sees =
        op.kind != RegisterOp::Kind::kWrite && (op.known || op.kind == RegisterOp::Kind::kSwap);
    if (after_open && !sees) return false;
    std::vector<uint64_t> done = done_;
    done[call->op / 64] |= 1ull << (call->op % 64);
    done.push_back(*value);
    done.push_back(call->partner == nullptr);
    if (!tried_.insert(done).second) return false;
    done.resize(done.size() - 2);
    stack_.push_back({call, value_});
    done_ = std::move(done);
    value_ = *value;
    Unlink(call);
    if (call->partner != nullptr) {
      Unlink(call->partner);
      --to_return_;
    }
    return true;
  }

  // The event after the call that was taken back.
  Event* TakeBack() {
    const Placed last = stack_.back();
    stack_.pop_back();
    value_ = last.before;
    done_[last.call->op / 64] &= ~(1ull << (last.call->op % 64));
    if (last.call->partner != nullptr) {
      Relink(last.call->partner);
      ++to_return_;
    }
    Relink(last.call);
    return last.call->after;
  }

  static void Unlink(Event* event) {
    event->before->after = event->after;
    if (event->after != nullptr) event->after->before = event->before;
  }
  static void Relink(Event* event) {
    event->before->after = event;
    if (event->after != nullptr) event->after->before = event;
  }

  const std::vector<RegisterOp>& ops_;
  std::vector<std::unique_ptr<Event>> events_;
  Event head_;
  std::set<Value> wanted_;
  bool anything_wanted_ = false;
  std::set<Value> seen_;  // read by somebody, or expected by a swap
  size_t to_return_ = 0;  // operations that returned and have no place yet
  Value value_ = 0;
  std::vector<uint64_t> done_;  // a bit for each operation
  std::vector<Placed> stack_;
  std::set<std::vector<uint64_t>> tried_;  // done, value, and whether the last one is open
};

RegisterOp Convert(const Operation& op, size_t number, const std::string& key) {
  RegisterOp r;
  r.argument = op.argument;
  r.expected = op.expected;
  r.known = op.outcome == Outcome::kOk;
  r.succeeded = op.succeeded;
  const auto found = op.found.find(key);
  r.read = found == op.found.end() ? 0 : found->second.value;
  r.invoked = op.invoked;
  r.returned = op.returned;
  r.number = number;
  switch (op.kind) {
    case OpKind::kPut:
      r.kind = RegisterOp::Kind::kWrite;
      break;
    case OpKind::kDelete:
      r.kind = RegisterOp::Kind::kDelete;
      break;
    case OpKind::kSwap:
      r.kind = RegisterOp::Kind::kSwap;
      break;
    case OpKind::kGet:
    case OpKind::kRange:
      r.kind = RegisterOp::Kind::kRead;
      break;
  }
  return r;
}

}  // namespace

Verdict CheckRegister(const std::vector<RegisterOp>& ops, uint64_t max_steps, size_t* stuck_at) {
  return Search(ops).Run(max_steps, stuck_at);
}

std::vector<RegisterOp> OperationsOn(const History& history, const std::string& key) {
  std::vector<RegisterOp> ops;
  const std::vector<Operation>& all = history.operations();
  for (size_t i = 0; i < all.size(); ++i) {
    const Operation& op = all[i];
    const bool covers =
        op.kind == OpKind::kRange ? op.key <= key && key < op.range_end : op.key == key;
    if (!covers || op.outcome == Outcome::kFailed) continue;
    if (op.outcome != Outcome::kOk && !op.writes()) continue;
    ops.push_back(Convert(op, i, key));
  }
  return ops;
}

void CheckLinearizability(const History& history, const std::vector<std::string>& keys,
                          Violations& violations) {
  for (const std::string& key : keys) {
    const std::vector<RegisterOp> ops = OperationsOn(history, key);
    size_t stuck_at = 0;
    const Verdict verdict = CheckRegister(ops, kMaxSearchSteps, &stuck_at);
    if (verdict == Verdict::kLinearizable) continue;
    if (verdict == Verdict::kGaveUp) {
      violations.Report("linearizability", key + ": the search gave up; shorten the run");
      continue;
    }
    violations.Report("linearizability", key + ": no order explains the answers up to " +
                                             history.operations()[stuck_at].ToString());
  }
}

}  // namespace cairn::sim
