// The replica's state and its parts; replica.cc holds the turn, requests.cc what clients and peers
// ask.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/random.h"
#include "src/replica/forward.h"
#include "src/replica/pending.h"
#include "src/replica/reads.h"
#include "src/replica/replica.h"

namespace cairn::replica {

class ReplicaImpl final : public Replica {
 public:
  ReplicaImpl(env::Env env, const Options& options, wal::Wal& wal, transport::Sender& sender,
              StateMachine& machine, const raft::Config& config, const raft::Restored& restored);
  ~ReplicaImpl() override;

  void Propose(std::string_view command, env::Time deadline, ProposeDone done) override;
  void ReadIndex(env::Time deadline, ReadDone done) override;
  void Campaign() override;
  Status health() const override { return stopped_; }
  void Stop(const Status& why) override;
  raft::NodeStatus status() const override { return node_.status(); }
  NodeId leader() const override { return stopped_.ok() ? node_.leader() : kNobody; }
  Term term() const override { return node_.term(); }
  Stats stats() const override;
  void SetObserver(Observer observer) override { observer_ = std::move(observer); }

  void OnFrame(NodeId from, uint8_t kind, SharedBytes payload) override;
  void OnPeerConnected(NodeId peer) override;
  void OnPeerDisconnected(NodeId peer, const Status& why) override;

 private:
  // replica.cc: the turn.
  void RunTurn();
  void HandleReady(raft::Ready ready);
  void SendAll(std::vector<raft::Message>& messages);
  void Write(raft::Persist persist);
  void OnDurable(raft::WriteId id, Term term, std::vector<raft::Message>& messages,
                 const Status& status);
  void ApplyOrHold(std::vector<raft::Entry> committed);
  void ApplyHeld();
  void Apply(const std::vector<raft::Entry>& committed);
  void ApplyOne(const raft::Entry& entry);
  void ServeReads();
  void AnswerLogRead(const raft::LogRead& read);
  void OnSoftState(const raft::SoftState& state);
  void OnTick();
  void CutLog();
  void ReportStragglers();

  // requests.cc: commands and reads on their way to the leader.
  void SubmitWaiting();
  void SubmitReads();
  void ForwardWaiting(NodeId leader);
  void OnForward(NodeId from, const Forward& forward);
  void OnForwardRefused(const ForwardRefused& refused);
  void ResolveLost(Term applied_term);
  void ExpireRequests();
  void FailEverything(const Status& why);
  void Later(env::Task task) { env_.executor.AtTurnEnd(std::move(task)); }

  env::Env env_;
  Options options_;
  wal::Wal& wal_;
  transport::Sender& sender_;
  StateMachine& machine_;
  raft::RawNode node_;
  // Completions that reach us after our end (from the log, from timers) find this gone.
  std::shared_ptr<ReplicaImpl*> alive_;

  Status stopped_;  // Ok while the replica works
  Observer observer_;
  env::TurnTask turn_;
  env::TimerId tick_timer_;
  env::Duration tick_length_;
  env::Time last_tick_;
  uint64_t ticks_ = 0;

  // Who takes commands here: told apart from every other process and from our own earlier lives.
  const uint64_t incarnation_;
  BytesArena command_arena_;
  PendingCommands pending_;
  std::vector<uint64_t> waiting_;  // numbers to be proposed or forwarded
  PendingReads reads_;
  ReceivedForwards received_;
  Term received_in_;  // the term that received_ is about

  // Committed entries that wait for the state machine to take more. The core gives out no further
  // ones beyond its max_committed_bytes, so this is bounded.
  std::vector<raft::Entry> held_;
  raft::SoftState soft_state_;
  Term last_applied_term_;
  LogIndex last_cut_;
  uint64_t applied_bytes_since_flush_ = 0;
  std::vector<NodeId> stragglers_;  // members told of as needing a snapshot
  bool log_growth_told_ = false;
  Stats stats_;
};

}  // namespace cairn::replica
