// The messages between nodes, each its own small struct; `Message` adds who, to whom and in which
// term.
#pragma once

#include <variant>
#include <vector>

#include "src/raft/types.h"

namespace cairn::raft {

// Dissertation 9.6: would you vote for me in the term of this message's header (the sender's own +
// 1)?
struct RequestPreVote {
  EntryId last;  // the sender's last entry
};
// Its header's term: granted, the request's; refused, the answering node's own or the asking
// node's, whichever is greater.
struct RequestPreVoteReply {
  bool granted = false;
};
struct RequestVote {
  EntryId last;
};
struct RequestVoteReply {
  bool granted = false;
};

struct AppendEntries {
  EntryId prev;                // the entry before the first of `entries`
  std::vector<Entry> entries;  // may be empty: a probe
  LogIndex commit;             // the leader's commit index
  uint64_t round = 0;          // see Heartbeat
};

// accepted: the log up to `match` equals the leader's and is durable here.
// refused: no entry `rejected` here; `hint` is where the leader should look next: the follower's
// last entry at or below rejected.index whose term is at most rejected.term (fast backtracking by
// term).
struct AppendEntriesReply {
  bool accepted = false;
  LogIndex match;     // accepted only
  LogIndex rejected;  // refused only: the request's prev.index, which tells a stale refusal
  EntryId hint;       // refused only
  uint64_t round = 0;
};

// Confirms leadership and carries what needs no log. `round` rises with every round of confirmation
// in a term and comes back in the reply: a majority of replies with round >= r confirms every read
// that was registered before round r was begun (dissertation 6.4). AppendEntries carries it too.
// Rounds begin at 1; a Heartbeat of round 0 only tells a new commit index and is not answered.
struct Heartbeat {
  LogIndex commit;  // min(leader's commit, the receiver's match): safe for the receiver to commit
  LogIndex
      everywhere;  // every member of the configuration holds the log up to here durably: may be cut
  uint64_t round = 0;
};
struct HeartbeatReply {
  uint64_t round = 0;
};

// A follower asks the leader for a read index (dissertation 6.4, last paragraph).
struct ReadIndex {
  ReadId id;
};
struct ReadIndexReply {
  ReadId id;
  LogIndex index;
};

using MessageBody =
    std::variant<RequestPreVote, RequestPreVoteReply, RequestVote, RequestVoteReply, AppendEntries,
                 AppendEntriesReply, Heartbeat, HeartbeatReply, ReadIndex, ReadIndexReply>;

struct Message {
  NodeId from;
  NodeId to;
  Term term;
  MessageBody body;
};

}  // namespace cairn::raft
