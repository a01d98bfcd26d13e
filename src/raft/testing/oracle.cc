#include "src/raft/testing/oracle.h"

#include <algorithm>

#include "src/base/check.h"
#include "src/raft/quorum/quorum.h"
#include "src/raft/tracker/tracker.h"

namespace cairn::raft::testing {

void Oracle::OnStep(const Node& node) {
  if (node.raw == nullptr) return;
  CheckElectionSafety(node);
  CheckCommitted(node);
  CheckLogMatching(node);
}

// At most one leader in a term.
void Oracle::CheckElectionSafety(const Node& node) {
  if (node.raw->role() != Role::kLeader) return;
  const auto [it, fresh] = leaders_.emplace(node.raw->term(), node.id);
  CHECK_EQ(it->second, node.id);
  if (fresh) CheckLeaderCompleteness(node);
}

// What is committed stands in the log of every leader of a higher term.
void Oracle::CheckLeaderCompleteness(const Node& node) const {
  for (size_t i = 0; i < committed_.size(); ++i) {
    const LogIndex index(i + 1);
    if (index < node.raw->status().first_index) continue;
    CHECK(node.raw->TermAt(index) == committed_[i], "a leader lacks a committed entry");
  }
}

// What one node takes for committed is committed for all, and a quorum's disks hold it at that
// moment.
void Oracle::CheckCommitted(const Node& node) {
  if (lives_[node.id] != node.lives) {
    lives_[node.id] = node.lives;
    checked_[node.id] = 0;
  }
  size_t& checked = checked_[node.id];
  for (; checked < node.raw->commit_index().value; ++checked) {
    const std::optional<Term> term = node.raw->TermAt(LogIndex(checked + 1));
    if (checked < committed_.size()) {
      if (term.has_value()) CHECK_EQ(*term, committed_[checked]);
      continue;
    }
    CHECK(term.has_value());
    CHECK(HeldByQuorum({*term, LogIndex(checked + 1)}), "committed, but not durable on a quorum");
    committed_.push_back(*term);
  }
}

bool Oracle::HeldByQuorum(EntryId id) {
  const auto held = [&](NodeId node) -> std::optional<bool> {
    return cluster_.node(node).disk.Holds(id);
  };
  return tracker::Voters(cluster_.conf()).Result(held) == quorum::VoteResult::kWon;
}

// If two logs hold the same entry, all before it are the same too.
void Oracle::CheckLogMatching(const Node& node) {
  const NodeStatus a = node.raw->status();
  // A log that ends as before is as before: what was appended to it ends in a new id.
  const std::pair<EntryId, uint64_t> now{{*node.raw->TermAt(a.last_index), a.last_index},
                                         node.lives};
  if (auto [it, fresh] = matched_.emplace(node.id, now); !fresh) {
    if (it->second == now) return;
    it->second = now;
  }
  for (const Node& other : cluster_.nodes()) {
    if (other.raw == nullptr || other.id == node.id) continue;
    const NodeStatus b = other.raw->status();
    const LogIndex low = std::max(a.first_index, b.first_index);
    bool same = false;
    for (LogIndex i = std::min(a.last_index, b.last_index); i >= low; i = i.Prev()) {
      const bool equal = node.raw->TermAt(i) == other.raw->TermAt(i);
      CHECK(equal || !same, "logs that meet at an entry differ before it");
      same = equal;
    }
  }
}

// State machine safety: nobody ever applies another entry at the same index.
void Oracle::OnApplied(const Node& node, const Entry& entry) {
  CHECK(entry.index <= node.disk.last_index(), "applied, but not durable here");
  if (entry.index.value > applied_.size()) {
    CHECK_EQ(entry.index.value, applied_.size() + 1);
    applied_.push_back(entry);
  }
  CHECK(applied_[entry.index.value - 1] == entry, "two entries applied at one index");
}

void Oracle::OnReadAsked(ReadId id) { reads_[id] = committed_.size(); }

void Oracle::OnReadAnswered(const Node&, const ReadState& read) {
  CHECK_GE(read.index.value, reads_.at(read.id));
  ++reads_answered_;
}

}  // namespace cairn::raft::testing
