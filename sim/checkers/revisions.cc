#include "sim/checkers/revisions.h"

#include <algorithm>
#include <map>
#include <set>

namespace cairn::sim {
namespace {

constexpr const char* kName = "revisions";

bool Changed(const Operation& op) {
  if (op.outcome != Outcome::kOk) return false;
  return op.kind == OpKind::kPut ||
         ((op.kind == OpKind::kDelete || op.kind == OpKind::kSwap) && op.succeeded);
}

// No revision twice, and none that real time forbids.
void CheckOrder(const std::vector<Operation>& ops, Violations& violations) {
  std::map<int64_t, const Operation*> changes;
  struct Moment {
    uint64_t at;
    const Operation* op;
    bool returns;
  };
  std::vector<Moment> line;
  for (const Operation& op : ops) {
    if (op.outcome != Outcome::kOk) continue;
    line.push_back({op.invoked, &op, false});
    line.push_back({op.returned, &op, true});
    if (!Changed(op)) continue;
    const auto [it, fresh] = changes.try_emplace(op.revision, &op);
    if (!fresh) {
      violations.Report(kName, "one revision for two changes: " + it->second->ToString() + " and " +
                                   op.ToString());
    }
  }
  std::sort(line.begin(), line.end(), [](const Moment& a, const Moment& b) { return a.at < b.at; });
  const Operation* highest = nullptr;  // of those that have returned
  std::map<const Operation*, const Operation*> highest_before;
  for (const Moment& moment : line) {
    if (!moment.returns) {
      highest_before[moment.op] = highest;
      continue;
    }
    const Operation* before = highest_before[moment.op];
    if (before != nullptr && (moment.op->revision < before->revision ||
                              (moment.op->revision == before->revision && Changed(*moment.op)))) {
      violations.Report(kName, "revisions go back in time: after " + before->ToString() + " came " +
                                   moment.op->ToString());
    }
    if (highest == nullptr || moment.op->revision > highest->revision) highest = moment.op;
  }
}

// What is known of one key: its changes by revision.
struct KeyChanges {
  std::map<int64_t, const Operation*> known;  // acknowledged
  std::map<int64_t, Found> seen;              // by mod revision
  bool open_delete = false;                   // a delete whose outcome is unknown
};

void CheckSeen(const std::string& key, KeyChanges& changes, const Operation& op, const Found& found,
               Violations& violations) {
  const auto fail = [&](const std::string& what) {
    violations.Report(kName, key + ": " + what + ": " + op.ToString());
  };
  if (found.mod_revision > op.revision) fail("read from the future");
  const auto [it, fresh] = changes.seen.try_emplace(found.mod_revision, found);
  if (!fresh && (it->second.value != found.value || it->second.version != found.version)) {
    fail("one revision was read with two values or versions");
  }
  const auto write = changes.known.find(found.mod_revision);
  if (write != changes.known.end() && write->second->argument != found.value) {
    fail("a revision holds another value than was written, by " + write->second->ToString());
  }
}

void CheckRead(const std::string& key, KeyChanges& changes, const Operation& op,
               Violations& violations) {
  const auto found = op.found.find(key);
  auto last = changes.known.upper_bound(op.revision);
  const Operation* newest = last == changes.known.begin() ? nullptr : std::prev(last)->second;
  if (found != op.found.end()) {
    CheckSeen(key, changes, op, found->second, violations);
    if (newest != nullptr && found->second.mod_revision < newest->revision) {
      violations.Report(kName, key + ": a change is missing in what was read: " +
                                   newest->ToString() + ", then " + op.ToString());
    }
  } else if (newest != nullptr && newest->kind != OpKind::kDelete && !changes.open_delete) {
    violations.Report(kName, key + ": is gone, though nobody deleted it: " + newest->ToString() +
                                 ", then " + op.ToString());
  }
}

}  // namespace

void CheckRevisions(const History& history, Violations& violations) {
  const std::vector<Operation>& ops = history.operations();
  CheckOrder(ops, violations);
  std::map<std::string, KeyChanges> keys;
  for (const Operation& op : ops) {
    if (!op.writes()) continue;
    if (Changed(op)) keys[op.key].known[op.revision] = &op;
    if (op.kind == OpKind::kDelete &&
        (op.outcome == Outcome::kUnknown || op.outcome == Outcome::kOpen)) {
      keys[op.key].open_delete = true;
    }
  }
  for (const Operation& op : ops) {
    if (op.outcome != Outcome::kOk) continue;
    if (op.kind == OpKind::kRange) {
      for (auto it = keys.lower_bound(op.key); it != keys.end() && it->first < op.range_end; ++it) {
        CheckRead(it->first, it->second, op, violations);
      }
    } else if (op.kind == OpKind::kGet || (op.kind == OpKind::kSwap && !op.succeeded)) {
      CheckRead(op.key, keys[op.key], op, violations);
    }
  }
  for (const auto& [key, changes] : keys) {
    int64_t version = 0;
    for (const auto& [revision, found] : changes.seen) {
      if (found.version <= version) {
        // Lower than before is right only when the key was deleted between; it began again at 1
        // then.
        const bool deleted =
            changes.open_delete ||
            std::any_of(changes.known.begin(), changes.known.lower_bound(revision),
                        [](const auto& c) { return c.second->kind == OpKind::kDelete; });
        if (!deleted) {
          violations.Report(
              kName, key + ": its version does not rise at revision " + std::to_string(revision));
        }
      }
      version = found.version;
    }
  }
}

}  // namespace cairn::sim
