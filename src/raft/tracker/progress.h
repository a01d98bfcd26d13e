// Progress: what a leader knows of one member's log, and how it sends to it.
//
//   Probe      it is not known where the logs part: one AppendEntries at a time, `next` goes back
//   by the hints of refusals. Replicate  the logs are known to be equal up to `match`: messages go
//   out one after another without
//              waiting (pipelining), `next` runs ahead, Inflights bounds how far.
//   Snapshot   what it needs next is cut from our log: only heartbeats go out.
//
// `match` only rises, and only by what the member itself has confirmed; `next` > `match` always.
#pragma once

#include <cstdint>
#include <vector>

#include "src/raft/raw_node.h"
#include "src/raft/tracker/inflights.h"
#include "src/raft/types.h"

namespace cairn::raft::tracker {

struct Progress {
  Progress(NodeId node, LogIndex next_index, uint64_t now, const Config& config)
      : id(node),
        next(next_index),
        last_heard(now),
        inflights(config.max_inflight_messages, config.max_inflight_bytes) {}

  NodeId id;
  LogIndex match;  // the member's log is durable and equal to ours up to here
  LogIndex next;   // the first entry to send next
  LogIndex sent;   // the highest index that any AppendEntries of this term covered: bounds every
                   // acknowledgement
  ProgressState state = ProgressState::kProbe;
  uint64_t last_heard;       // tick of its last message in this term
  uint64_t round_acked = 0;  // the highest round of confirmation that it has answered
  LogIndex commit_sent;  // the highest commit index that it was told of (perhaps in a lost message)
  Inflights inflights;   // Replicate only

  // Probe: a probe is under way; nothing goes out until it is answered or taken for lost.
  bool probe_sent = false;
  // Replicate: an empty AppendEntries is due, which finds out whether everything before `next`
  // arrived.
  bool verify = false;
  // No progress since the last heartbeat although there is something to acknowledge: the answer to
  // the next heartbeat, which shows that the member lives, starts a new probe or a verification.
  bool stalled = false;
  LogIndex match_at_heartbeat;

  // The LogRead under way for it (0: none), and its answer until it is sent. An answer that does
  // not begin at `next` any more is thrown away.
  uint64_t read_id = 0;
  LogIndex read_first;
  std::vector<Entry> fetched;

  // Probes from `next_index`, at least match + 1.
  void BecomeProbe(LogIndex next_index);
  // Sends from match + 1 on.
  void BecomeReplicate();
  void BecomeSnapshot();

  // The member confirms `index`. True if that is news.
  bool MaybeUpdateMatch(LogIndex index);

 private:
  void ForgetSent();
};

}  // namespace cairn::raft::tracker
