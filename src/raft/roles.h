// The roles, each with what only it has. A change of role makes the new one and drops the old with
// everything that belonged to it; all changes stand in roles.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "src/base/ring.h"
#include "src/raft/quorum/quorum.h"
#include "src/raft/tracker/tracker.h"
#include "src/raft/types.h"

namespace cairn::raft {

// The votes heard in one election. Each voter's first answer counts.
class Ballot {
 public:
  void Record(NodeId id, bool granted);
  std::optional<bool> Of(NodeId id) const;
  quorum::VoteResult Result(const quorum::JointConfig& voters) const {
    return voters.Result([this](NodeId id) { return Of(id); });
  }

 private:
  std::vector<std::pair<NodeId, bool>> votes_;
};

// The reads that a follower has sent on to its leader, oldest first.
struct ForwardedRead {
  ReadId id;
  uint64_t since = 0;  // tick
};

struct Follower {
  NodeId leader;  // of this term; kNobody when unknown
  // The log up to here was compared with the leader's in this term and is equal.
  LogIndex verified;
  // The highest `match` that was sent, or given out to be sent after a write, in this term.
  LogIndex promised;
  bool ack_due = false;    // an AppendEntries waits for its answer
  uint64_t ack_round = 0;  // the highest round among them
  Ring<ForwardedRead> reads;
};

struct PreCandidate {
  Ballot ballot;
};

struct Candidate {
  Ballot ballot;  // our own vote is in it once it is durable
};

// A read that waits until leadership is confirmed by a round begun after it was registered.
struct PendingRead {
  ReadId id;
  NodeId from;  // who asked; ourselves or a follower
  LogIndex index;
  uint64_t round = 0;
};

struct Leader {
  tracker::ProgressTracker tracker;
  LogIndex term_start;           // the no-op's index: nothing of this term stands before it
  size_t uncommitted_bytes = 0;  // of this term's entries
  uint32_t heartbeat_elapsed = 0;
  bool heartbeat_due = false;
  uint64_t round = 1;       // the last round begun
  Ring<PendingRead> reads;  // rounds rise; those of round + 1 wait for it to begin
};

using RoleState = std::variant<Follower, PreCandidate, Candidate, Leader>;

}  // namespace cairn::raft
