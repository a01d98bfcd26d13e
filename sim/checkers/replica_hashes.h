// Replicas that have applied the same entries hold the same state: equal hashes and revisions at
// equal applied index (state machine replication; Raft paper, section 2). Revisions strictly rise
// with what is applied or stay.
#pragma once

#include <map>

#include "sim/checkers/node_view.h"
#include "sim/checkers/violations.h"

namespace cairn::sim {

class ReplicaHashes {
 public:
  explicit ReplicaHashes(Violations& violations) : violations_(violations) {}
  void OnState(size_t node, raft::EntryId applied, uint64_t hash, int64_t revision);
  // Somebody was seen there.
  bool Knows(LogIndex applied) const { return states_.contains(applied); }
  size_t compared() const { return compared_; }

 private:
  struct State {
    size_t node = 0;
    uint64_t hash = 0;
    int64_t revision = 0;
  };
  Violations& violations_;
  std::map<LogIndex, State> states_;
  size_t compared_ = 0;  // states seen on a second node
};

}  // namespace cairn::sim
