// Replica: one group's copy on this process. Drives one RawNode with the log, the transport and the
// state machine, and keeps the order between them that safety rests on: see Replica::RunTurn in
// replica.cc, the one place where that order is written down.
//
// A request that changes something is a *command*: bytes for the state machine. Any replica takes
// commands; one that does not lead forwards them to the leader. Each carries a tag (the incarnation
// of the process that took it, and a number), so every replica that applies the entry knows whose
// it is, and the one that took it answers from its own apply.
//
// What a client may rely on:
//  - done(Ok reply) : committed, applied here, durable on a majority.
//  - done(error) with outcome_unknown() false: has not been and will never be applied.
//  - done(error) with outcome_unknown() true : may yet be applied.
//  - A command enters the log at most once. It is proposed, or forwarded to the leader of one named
//  term, which
//    refuses it in any other; it is tried again only after an entry of a later term has been
//    applied here, which proves that it is not in the log and never will be.
//
// All calls and completions on the executor's thread; completions never run inside the call that
// takes them.
#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/status.h"
#include "src/env/env.h"
#include "src/raft/raw_node.h"
#include "src/transport/transport.h"
#include "src/wal/wal.h"

namespace cairn::replica {

// What the log's entries are applied to. A deterministic function of the log.
class StateMachine {
 public:
  virtual ~StateMachine() = default;
  // Applies the command of entry `id`, the one after applied(). When `reply_wanted`, returns the
  // encoded answer for the client, or the definite error with which the command changed nothing.
  virtual Result<std::string> Apply(raft::EntryId id, std::string_view command,
                                    bool reply_wanted) = 0;
  // The entry is no command (a no-op).
  virtual void Skip(raft::EntryId id) = 0;
  // Last entry applied in memory, and the one from which a restart would go on.
  virtual raft::EntryId applied() const = 0;
  virtual raft::EntryId durable() const = 0;
  // Moves durable() forward, in the background.
  virtual void Flush() = 0;
  // More is applied than could be made durable so far: applying waits until this is false again,
  // and with it what clients may still send.
  virtual bool overloaded() const = 0;
};

struct Options {
  NodeId self;
  GroupId group = kFirstGroup;
  raft::ConfState conf;  // the first configuration
  env::Duration heartbeat_interval = env::milliseconds(100);
  env::Duration election_timeout = env::milliseconds(1000);
  uint32_t ticks_per_heartbeat = 10;
  bool pre_vote = true;
  bool check_quorum = true;
  // Commands taken and not answered; beyond either, new ones are refused: "etcdserver: too many
  // requests".
  size_t max_pending_commands = 200'000;
  size_t max_pending_bytes = 256 << 20;
  // The log keeps at most so much that the state machine has not made durable, then asks it to
  // flush.
  uint64_t max_log_ahead_bytes = 256ull << 20;
  // A cut of the log is not worth its bookkeeping for fewer entries.
  uint64_t least_cut_entries = 1000;
  raft::Config raft;  // flow-control limits; id, ticks, flags and seed are filled in from the above
};

struct Stats {
  uint64_t proposals_committed = 0;  // commit index, as etcd counts
  uint64_t proposals_applied = 0;
  uint64_t proposals_pending = 0;
  uint64_t proposals_failed = 0;
  uint64_t leader_changes = 0;  // seen
  uint64_t heartbeat_send_failures = 0;
  uint64_t slow_applies = 0, slow_reads = 0, reads_failed = 0;
};

class Replica : public transport::Receiver {
 public:
  using ProposeDone = absl::AnyInvocable<void(Result<std::string>)>;
  using ReadDone = absl::AnyInvocable<void(const Status&)>;
  // Leader or role changed, or the replica stopped.
  using Observer = absl::AnyInvocable<void()>;

  // `wal`, `sender` and `machine` outlive the replica. What the log holds above machine.applied()
  // is applied again as soon as it is known to be committed. DataLoss when log and state machine do
  // not fit together.
  static Result<std::unique_ptr<Replica>> Create(env::Env env, const Options& options,
                                                 wal::Wal& wal, transport::Sender& sender,
                                                 StateMachine& machine);

  // Takes a command. It is answered once, by `deadline` at the latest.
  virtual void Propose(std::string_view command, env::Time deadline, ProposeDone done) = 0;
  // Ok: the state machine holds everything that was acknowledged anywhere before this call.
  virtual void ReadIndex(env::Time deadline, ReadDone done) = 0;
  // Starts an election now.
  virtual void Campaign() = 0;

  // Ok while the replica works; otherwise why it stopped (failed disk, damage). A stopped replica
  // answers every request with that, and neither sends nor writes any more.
  virtual Status health() const = 0;
  // Stops the replica as if its disk had failed: for the parts beside it that find out.
  virtual void Stop(const Status& why) = 0;

  virtual raft::NodeStatus status() const = 0;
  virtual NodeId leader() const = 0;
  virtual Term term() const = 0;
  virtual Stats stats() const = 0;
  virtual void SetObserver(Observer observer) = 0;
};

}  // namespace cairn::replica
