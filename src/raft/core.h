// RawNode's inside. Not for users of the library: include raw_node.h.
//
// The state stands here; what is done to it stands in files by subject:
//   step.cc         who may say what: validation, terms, dispatch
//   election.cc     timers, votes
//   roles.cc        every change of role
//   replication.cc  AppendEntries and Heartbeat, both sides; commit
//   reads.cc        ReadIndex
//   ready.cc        outputs
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "src/base/random.h"
#include "src/raft/invariants.h"
#include "src/raft/log.h"
#include "src/raft/quorum/quorum.h"
#include "src/raft/raw_node.h"
#include "src/raft/roles.h"
#include "src/raft/writes.h"

namespace cairn::raft {

struct RawNode::Core {
  Core(const Config& config_in, const Restored& restored);

  // ---- step.cc ----
  void Step(Event event);
  void OnMessage(Message m);
  bool Admissible(const Message& m) const;
  void OnStaleTerm(const Message& m);
  void OnAppended(const Appended& e);
  void OnApplied(const Applied& e);
  void OnLogReadDone(LogReadDone e);
  void CheckRead(const std::vector<Entry>& entries) const;

  // ---- election.cc ----
  void OnTick();
  void OnCampaign();
  bool Promotable() const { return voters.contains(config.id); }
  bool HeardFromLeader() const;
  void ResetElectionTimer();
  void OnRequestPreVote(const Message& m, const RequestPreVote& r);
  void OnRequestPreVoteReply(const Message& m, const RequestPreVoteReply& r);
  void OnRequestVote(const Message& m, const RequestVote& r);
  void OnRequestVoteReply(const Message& m, const RequestVoteReply& r);
  void CountPreVotes();
  void CountVotes();

  // ---- roles.cc ----
  void BecomeFollower(Term new_term, NodeId leader_id);
  void BecomePreCandidate();
  void BecomeCandidate();
  void BecomeLeader();
  // An AppendEntries or Heartbeat of this term came from `id`, which therefore leads it.
  Follower& FollowLeader(NodeId id);
  void DropReads();
  Role role_kind() const { return static_cast<Role>(role.index()); }
  NodeId leader() const;

  // ---- replication.cc ----
  Result<EntryId> Propose(SharedBytes data);
  void OnAppendEntries(const Message& m, AppendEntries& a);
  void OnAppendEntriesReply(const Message& m, const AppendEntriesReply& r);
  void OnHeartbeat(const Message& m, const Heartbeat& h);
  void OnHeartbeatReply(const Message& m, const HeartbeatReply& r);
  void AppendOwn(Leader& l, EntryType type, SharedBytes data);
  void AcceptEntries(AppendEntries& a);
  void Refuse(NodeId to, EntryId prev, uint64_t round);
  tracker::Progress* Heard(Leader& l, NodeId from, uint64_t round);
  static bool IsStaleRefusal(const tracker::Progress& p, const AppendEntriesReply& r);
  void OnRefused(tracker::Progress& p, const AppendEntriesReply& r);
  void MaybeAdvanceCommit(Leader& l);
  bool WantsAppend(const tracker::Progress& p) const;
  void SendAppends(Leader& l, tracker::Progress& p);
  void SendHeartbeat(tracker::Progress& p, uint64_t round);
  void RequestLogRead(tracker::Progress& p);
  bool OwesCommit(const tracker::Progress& p) const;
  bool LeaderHasMessages(const Leader& l) const;
  void MakeLeaderMessages(Leader& l);
  void UpdateEverywhere(const Leader& l);
  void Compact(LogIndex upto);

  // ---- reads.cc ----
  void OnReadRequest(const ReadRequest& r);
  void OnReadIndex(const Message& m, const ReadIndex& r);
  void OnReadIndexReply(const Message& m, const ReadIndexReply& r);
  void RegisterRead(Leader& l, ReadId id, NodeId from);
  void ConfirmReads(Leader& l);
  void ExpireForwardedReads(Follower& f);

  // ---- ready.cc ----
  bool HasReady() const;
  Ready TakeReady();
  bool MustSync() const;
  bool HasPersist() const;
  bool AckReady(const Follower& f) const;
  void TakePersist(Ready& ready);
  void TakePromises(Ready& ready);
  void TakeAck(Follower& f, Ready& ready);
  void TakeCommitted(Ready& ready);
  bool CanDeliver() const;
  bool CommittedWaitsForRead() const;
  SoftState soft_state() const { return {leader(), role_kind()}; }

  // ---- core.cc ----
  NodeStatus status() const;
  // Sends with the next Ready, at once.
  void Send(NodeId to, MessageBody body) { SendInTerm(to, term, std::move(body)); }
  void SendInTerm(NodeId to, Term in_term, MessageBody body);
  // Sends when the term and vote as they are now are durable: what it says must survive a crash.
  void Promise(NodeId to, MessageBody body);

  Config config;
  ConfState conf;
  quorum::JointConfig voters;
  std::vector<NodeId> members;  // sorted
  Random random;

  Term term;
  NodeId vote;
  Log log;
  Writes writes;
  RoleState role;

  uint64_t now = 0;  // ticks since the start
  uint64_t election_elapsed =
      0;  // ticks since the leader was heard of, a vote was given or an election began
  uint64_t election_timeout = 0;  // drawn anew at each reset
  LogIndex everywhere;
  // The commit index in the last HardState given out, and that it should be given out again
  // although nothing else is to be written.
  LogIndex commit_written;
  bool commit_write_due = false;

  // The batches given out to be applied and not yet applied: bounds what waits in the caller.
  struct Applying {
    LogIndex last;
    size_t bytes = 0;
  };
  Ring<Applying> applying;
  size_t applying_bytes = 0;
  // The LogRead for applying that is under way (0: none), and its answer.
  uint64_t apply_read_id = 0;
  LogIndex apply_read_first;
  std::vector<Entry> apply_fetched;
  uint64_t last_log_read_id = 0;

  // Outputs gathered for the next Ready.
  std::vector<Message> messages;
  std::vector<Message> promises;
  std::vector<ReadState> reads;
  std::vector<ReadId> dropped_reads;
  std::vector<LogRead> log_reads;
  SoftState told;  // the last soft state given out

  uint64_t ignored_messages = 0;
  Invariants invariants;
};

}  // namespace cairn::raft
