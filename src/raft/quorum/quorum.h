// Quorums: what a majority, or two majorities at once (joint consensus, dissertation 4.3), agree
// on. Pure mathematics over functions that say what each node has acknowledged or voted.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "src/base/types.h"

namespace cairn::raft::quorum {

enum class VoteResult : uint8_t { kPending, kLost, kWon };

// A set of voters of which more than half must agree. The empty set constrains nothing: it has won
// every vote and reached every number, so that a joint configuration with one empty half is the
// other half alone.
class MajorityConfig {
 public:
  MajorityConfig() = default;
  // `voters`: sorted, without duplicates.
  explicit MajorityConfig(std::vector<NodeId> voters);

  const std::vector<NodeId>& voters() const { return voters_; }
  bool contains(NodeId id) const;

  // The greatest number that more than half of the voters have reached, where `reached(id)` says
  // how far one voter is (0 for one that is not heard of). UINT64_MAX for the empty set.
  template <class Reached>
  uint64_t ReachedBy(const Reached& reached) const {
    // A handful of voters: insertion into a sorted array on the stack beats anything clever.
    constexpr size_t kOnStack = 16;
    uint64_t on_stack[kOnStack];
    std::vector<uint64_t> on_heap;
    uint64_t* values = on_stack;
    if (voters_.size() > kOnStack) {
      on_heap.resize(voters_.size());
      values = on_heap.data();
    }
    for (size_t i = 0; i < voters_.size(); ++i) values[i] = reached(voters_[i]);
    return Median(values, voters_.size());
  }

  // `vote(id)`: true granted, false refused, nullopt not heard yet.
  template <class Vote>
  VoteResult Result(const Vote& vote) const {
    size_t granted = 0, refused = 0;
    for (const NodeId id : voters_) {
      const std::optional<bool> v = vote(id);
      if (v.has_value()) ++(*v ? granted : refused);
    }
    return Count(granted, refused);
  }

 private:
  static uint64_t Median(uint64_t* values, size_t n);
  VoteResult Count(size_t granted, size_t refused) const;

  std::vector<NodeId> voters_;
};

// Both halves must agree. `outgoing` is empty outside a joint configuration.
class JointConfig {
 public:
  JointConfig() = default;
  JointConfig(MajorityConfig incoming, MajorityConfig outgoing)
      : incoming_(std::move(incoming)), outgoing_(std::move(outgoing)) {}

  const MajorityConfig& incoming() const { return incoming_; }
  const MajorityConfig& outgoing() const { return outgoing_; }
  bool contains(NodeId id) const { return incoming_.contains(id) || outgoing_.contains(id); }

  template <class Reached>
  uint64_t ReachedBy(const Reached& reached) const {
    return std::min(incoming_.ReachedBy(reached), outgoing_.ReachedBy(reached));
  }
  // The index up to which the log is held by a quorum; `match(id)` is how far one voter's log is
  // known to equal the leader's, durably.
  template <class Match>
  LogIndex CommittedIndex(const Match& match) const {
    return LogIndex(ReachedBy([&](NodeId id) { return match(id).value; }));
  }

  template <class Vote>
  VoteResult Result(const Vote& vote) const {
    const VoteResult a = incoming_.Result(vote);
    const VoteResult b = outgoing_.Result(vote);
    if (a == b) return a;
    if (a == VoteResult::kLost || b == VoteResult::kLost) return VoteResult::kLost;
    return VoteResult::kPending;
  }

 private:
  MajorityConfig incoming_;
  MajorityConfig outgoing_;
};

}  // namespace cairn::raft::quorum
