// ProgressTracker: the Progress of every member of a configuration (voters of both halves and
// learners), and what follows from all of them together.
#pragma once

#include <cstdint>
#include <vector>

#include "src/raft/quorum/quorum.h"
#include "src/raft/raw_node.h"
#include "src/raft/tracker/progress.h"
#include "src/raft/types.h"

namespace cairn::raft::tracker {

// Every member once, sorted: voters of both halves and learners.
std::vector<NodeId> Members(const ConfState& conf);
quorum::JointConfig Voters(const ConfState& conf);

class ProgressTracker {
 public:
  // Everyone in Probe at `next`, heard of `now` (a tick).
  ProgressTracker(const ConfState& conf, LogIndex next, uint64_t now, const Config& config);

  // Null for a node that is no member.
  Progress* Find(NodeId id);
  const Progress* Find(NodeId id) const;
  // Sorted by id.
  std::vector<Progress>& all() { return all_; }
  const std::vector<Progress>& all() const { return all_; }

  // What a quorum holds durably.
  LogIndex CommittedIndex() const;
  // What every member, learners too, holds durably.
  LogIndex Everywhere() const;
  // The highest round that a quorum has answered.
  uint64_t ConfirmedRound() const;
  // A quorum was heard of after tick `since`. `self` counts always.
  bool QuorumActive(NodeId self, uint64_t since) const;

 private:
  quorum::JointConfig voters_;
  std::vector<Progress> all_;
};

}  // namespace cairn::raft::tracker
