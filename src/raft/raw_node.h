// RawNode: the Raft state machine of one node in one group, and nothing else. No clock, no thread,
// no file, no socket, no hidden chance: the same configuration and the same calls give the same
// outputs.
//
// The caller's loop:
//     Step(event) / Propose(data) ...          inputs, as many as there are
//     while (HasReady()) {
//       Ready ready = TakeReady();
//       send ready.messages                      at once
//       write ready.persist to the log           in order; when durable: send persist->messages,
//                                                Step(Appended{persist->id, persist->term})
//       apply ready.committed in order           then Step(Applied{last index})
//       serve ready.reads                        each once applied >= its index
//       read ready.log_reads from the log        then Step(LogReadDone)
//     }
// The one obligation that safety rests on: a Persist's messages leave only after that Persist, and
// all before it, are durable. Everything else may be late, and messages may be lost, doubled or
// reordered.
//
// The leader writes its own disk in parallel with its followers: its AppendEntries are in
// ready.messages, and its own durable index counts as one vote.
//
// Not thread-safe. Nothing here fails by exception; a broken invariant is a CHECK.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "src/base/check.h"
#include "src/base/status.h"
#include "src/raft/message.h"
#include "src/raft/types.h"

namespace cairn::raft {

struct Config {
  NodeId id;
  // In ticks. An election starts after a silence drawn uniformly from
  // [election_ticks, election_ticks + election_spread_ticks]; a new draw at every reset.
  uint32_t election_ticks = 100;
  uint32_t election_spread_ticks = 50;
  uint32_t heartbeat_ticks = 10;
  bool pre_vote = true;      // dissertation 9.6
  bool check_quorum = true;  // dissertation 6.2: a leader that hears from no majority steps down
  uint64_t seed = 0;         // of the election timeouts
  // Flow control. In every limit in bytes an entry counts its data and 32 bytes more.
  size_t max_append_bytes = 1 << 20;     // entry data in one AppendEntries (at least one entry)
  uint32_t max_inflight_messages = 256;  // unacknowledged AppendEntries to one peer
  size_t max_inflight_bytes = 32 << 20;
  size_t max_uncommitted_bytes = 64 << 20;  // a leader refuses proposals beyond it
  size_t max_committed_bytes =
      4 << 20;  // entries given out to apply and not yet Applied (at least one)
  size_t max_cache_bytes = 64 << 20;   // applied entries kept in memory for slow followers
  uint32_t max_pending_reads = 65536;  // reads that wait for a round, or for the leader's answer
  bool check_invariants = kExpensiveChecks;  // after every call: see invariants.h
};

// What a node starts from.
struct Restored {
  HardState hard_state;
  ConfState conf;
  LogShape log;
  LogIndex applied;  // the state machine has durably applied up to here; log.base.index <= applied
};

// ---- Inputs ----
struct Tick {};
// The write `id`, and all before it, is durable. `term` is the Persist's.
struct Appended {
  WriteId id;
  Term term;
};
// The state machine has applied all up to `index`.
struct Applied {
  LogIndex index;
};
// Asks for an index from which on a read is linearizable. Answered in Ready::reads or, when
// leadership is lost or nobody leads, in Ready::dropped_reads (a forwarded one may also never be
// answered).
struct ReadRequest {
  ReadId id;
};
// Start an election now, without waiting for the timeout.
struct Campaign {};

// The log's answer to a LogRead. `entries` begins at the asked first index and may be shorter than
// asked, never empty. The answer to a read that no longer matters is ignored.
struct LogReadDone {
  uint64_t id = 0;
  std::vector<Entry> entries;
};

using Event = std::variant<Message, Tick, Appended, Applied, ReadRequest, Campaign, LogReadDone>;

// ---- Outputs ----
// One write to the log. If `entries` is not empty, the log is cut to entries[0].index - 1 before
// it.
struct Persist {
  WriteId id;
  Term term;
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;
  // Must be durable before anything depends on it; false only for a commit index that moved alone.
  bool must_sync = true;
  // What this write promises: to be sent once it, and all writes before it, are durable.
  std::vector<Message> messages;
};

// A read that may be served once the state machine has applied `index`.
struct ReadState {
  ReadId id;
  LogIndex index;
};

// Entries that are not in memory any more: for a follower far behind, or to apply after a restart.
// At most one outstanding for each peer and for applying.
struct LogRead {
  uint64_t id = 0;
  LogIndex first;
  LogIndex last;         // inclusive
  size_t max_bytes = 0;  // stop after the entry that reaches it
};

struct SoftState {
  NodeId leader;  // kNobody when unknown
  Role role = Role::kFollower;
  friend bool operator==(const SoftState&, const SoftState&) = default;
};

struct Ready {
  std::vector<Message> messages;
  std::optional<Persist> persist;
  std::vector<Entry> committed;
  std::vector<ReadState> reads;
  std::vector<ReadId> dropped_reads;
  std::vector<LogRead> log_reads;
  std::optional<SoftState> soft_state;  // when it changed
};

enum class ProgressState : uint8_t { kProbe, kReplicate, kSnapshot };

// What a leader knows of one member.
struct PeerStatus {
  NodeId id;
  LogIndex match;
  LogIndex next;
  ProgressState state = ProgressState::kProbe;
  bool recent_active = false;
  // The entries it needs next are cut from the log already: only a snapshot can bring it back.
  bool needs_snapshot = false;
};

struct NodeStatus {
  NodeId id;
  Term term;
  NodeId vote;
  NodeId leader;
  Role role = Role::kFollower;
  LogIndex first_index, last_index, stable_index, commit_index, applying_index, applied_index;
  LogIndex everywhere;  // see Heartbeat; 0 when not known yet
  size_t uncommitted_bytes = 0;
  uint64_t ignored_messages = 0;  // malformed, or from a node that is no member
  std::vector<PeerStatus> peers;  // a leader's only; itself included
};

class RawNode {
 public:
  RawNode(const Config& config, const Restored& restored);
  ~RawNode();
  RawNode(RawNode&&) noexcept;
  RawNode& operator=(RawNode&&) noexcept;

  void Step(Event event);

  // Appends one entry to the leader's log; it goes out with the next Ready, together with all
  // others proposed before that. Says where the entry stands: it is committed there or not at all.
  // FailedPrecondition: not the leader. ResourceExhausted: too much is uncommitted. Nothing was
  // appended then.
  Result<EntryId> Propose(SharedBytes data);

  bool HasReady() const;
  Ready TakeReady();

  // Entries up to `upto` are gone from the log on disk. upto <= durable applied index.
  void Compact(LogIndex upto);

  NodeStatus status() const;
  // Cheap parts of status(), for the hot path.
  Role role() const;
  Term term() const;
  NodeId leader() const;
  LogIndex commit_index() const;
  // The term of the entry at `index`, if the log (or its base) still knows it.
  std::optional<Term> TermAt(LogIndex index) const;

 private:
  friend class Invariants;  // reads everything, changes nothing
  struct Core;
  void Check();  // the invariants, when the configuration asks for it
  std::unique_ptr<Core> core_;
};

}  // namespace cairn::raft
