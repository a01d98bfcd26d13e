// The two frames by which a replica hands commands to the leader, and the leader's memory of what
// it got. Format: docs/formats/raft-messages.md, "Forwarded commands".
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <cstdint>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/status.h"
#include "src/base/types.h"
#include "src/transport/transport.h"

namespace cairn::replica {

// Kinds of frame between replicas.
enum class FrameKind : uint8_t {
  kRaft = 1,            // raft/codec.h
  kForward = 2,         // Forward
  kForwardRefused = 3,  // ForwardRefused
};

// Commands for the leader of `term`, and of no other.
struct Forward {
  GroupId group;
  Term term;
  uint64_t incarnation = 0;
  // The sender has settled every command below this number: what still arrives of them is a late
  // copy.
  uint64_t settled_below = 0;
  std::vector<SharedBytes> commands;  // tagged
};

// The leader of `term` has too much uncommitted: none of these was appended, nor will be.
//
// There is no refusal for "I do not lead in that term": a node asked as leader has been it, and
// what it may have appended of an earlier copy it need not remember. Silence is safe; the first
// entry of a later term tells the asker.
struct ForwardRefused {
  GroupId group;
  Term term;
  uint64_t incarnation = 0;
  std::vector<uint64_t> sequences;
};

transport::Frame EncodeForward(const Forward& forward);
transport::Frame EncodeForwardRefused(const ForwardRefused& refused);
// Errors: InvalidArgument for bytes that are no such frame.
Result<Forward> DecodeForward(const SharedBytes& payload);
Result<ForwardRefused> DecodeForwardRefused(const SharedBytes& payload);

// What a leader has received in its term, so that a copy of a Forward is never appended twice.
// Exact: the sender says below which number nothing of its can still be new. Forgotten with the
// term, since a leader takes only what was sent to its own.
class ReceivedForwards {
 public:
  void Reset() { from_.clear(); }
  // True the first time a number is seen; whatever the leader does with the command then, a copy is
  // not looked at again.
  bool FirstSight(uint64_t incarnation, uint64_t sequence, uint64_t settled_below);

 private:
  struct Seen {
    uint64_t settled_below = 0;
    absl::btree_set<uint64_t> above;
  };
  absl::btree_map<uint64_t, Seen> from_;  // by incarnation
};

}  // namespace cairn::replica
