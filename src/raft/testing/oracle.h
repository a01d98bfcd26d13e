// Oracle: figure 3 of the paper, and what a client relies on, over all nodes of a Cluster after
// every step. It keeps its own history, so that what was true once (a leader of a term, a committed
// entry) stays known.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "src/raft/testing/cluster.h"

namespace cairn::raft::testing {

class Oracle : public Watcher {
 public:
  explicit Oracle(Cluster& cluster) : cluster_(cluster) {}

  void OnStep(const Node& node) override;
  void OnApplied(const Node& node, const Entry& entry) override;
  void OnReadAsked(ReadId id) override;
  void OnReadAnswered(const Node& node, const ReadState& read) override;

  size_t committed() const { return committed_.size(); }
  size_t leaders() const { return leaders_.size(); }
  size_t reads_answered() const { return reads_answered_; }

 private:
  void CheckElectionSafety(const Node& node);
  void CheckLeaderCompleteness(const Node& node) const;
  void CheckCommitted(const Node& node);
  void CheckLogMatching(const Node& node);
  bool HeldByQuorum(EntryId id);

  Cluster& cluster_;
  std::map<Term, NodeId> leaders_;
  std::vector<Term> committed_;  // terms of the entries 1, 2, ..
  std::vector<Entry> applied_;   // entries 1, 2, ..
  std::map<NodeId, size_t>
      checked_;  // how much of a node's commit was compared in its present life
  std::map<NodeId, uint64_t> lives_;
  std::map<NodeId, std::pair<EntryId, uint64_t>>
      matched_;                     // last entry and life when last compared
  std::map<ReadId, size_t> reads_;  // committed when it was asked
  size_t reads_answered_ = 0;
};

}  // namespace cairn::raft::testing
