#include "src/raft/tracker/tracker.h"

#include <algorithm>

namespace cairn::raft::tracker {

std::vector<NodeId> Members(const ConfState& conf) {
  std::vector<NodeId> all = conf.voters;
  all.insert(all.end(), conf.voters_outgoing.begin(), conf.voters_outgoing.end());
  all.insert(all.end(), conf.learners.begin(), conf.learners.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

quorum::JointConfig Voters(const ConfState& conf) {
  return {quorum::MajorityConfig(conf.voters), quorum::MajorityConfig(conf.voters_outgoing)};
}

ProgressTracker::ProgressTracker(const ConfState& conf, LogIndex next, uint64_t now,
                                 const Config& config)
    : voters_(Voters(conf)) {
  for (const NodeId id : Members(conf)) all_.emplace_back(id, next, now, config);
}

const Progress* ProgressTracker::Find(NodeId id) const {
  for (const Progress& p : all_) {
    if (p.id == id) return &p;
  }
  return nullptr;
}

Progress* ProgressTracker::Find(NodeId id) {
  return const_cast<Progress*>(std::as_const(*this).Find(id));
}

LogIndex ProgressTracker::CommittedIndex() const {
  return voters_.CommittedIndex([this](NodeId id) { return Find(id)->match; });
}

LogIndex ProgressTracker::Everywhere() const {
  LogIndex least = all_.empty() ? LogIndex() : all_.front().match;
  for (const Progress& p : all_) least = std::min(least, p.match);
  return least;
}

uint64_t ProgressTracker::ConfirmedRound() const {
  return voters_.ReachedBy([this](NodeId id) { return Find(id)->round_acked; });
}

bool ProgressTracker::QuorumActive(NodeId self, uint64_t since) const {
  const auto active = [&](NodeId id) -> std::optional<bool> {
    return id == self || Find(id)->last_heard > since;
  };
  return voters_.Result(active) == quorum::VoteResult::kWon;
}

}  // namespace cairn::raft::tracker
