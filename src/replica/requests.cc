// Commands and reads on their way from a client to the leader, and what becomes of them.
#include <algorithm>
#include <utility>

#include "src/replica/command_tag.h"
#include "src/replica/replica_impl.h"

namespace cairn::replica {
namespace {

// Commands forwarded in one frame; more go in the next.
constexpr size_t kMaxForwardBytes = 1 << 20;

Status TooManyRequests() {
  return {StatusCode::kResourceExhausted, "etcdserver: too many requests"};
}

Status TimedOut() { return {StatusCode::kUnavailable, "etcdserver: request timed out"}; }

Status TimedOutUnknown(bool leader_lost) {
  return Status::OutcomeUnknown(
      StatusCode::kUnavailable,
      leader_lost ? "etcdserver: request timed out, possibly due to previous leader failure"
                  : "etcdserver: request timed out, possibly due to connection lost");
}

}  // namespace

void ReplicaImpl::Propose(std::string_view command, env::Time deadline, ProposeDone done) {
  Status refusal;
  if (!stopped_.ok()) {
    refusal = Status(StatusCode::kUnavailable, "etcdserver: server stopped");
  } else if (pending_.count() >= options_.max_pending_commands ||
             pending_.bytes() + command.size() > options_.max_pending_bytes) {
    refusal = TooManyRequests();
  }
  if (!refusal.ok()) {
    stats_.proposals_failed += 1;
    Later([done = std::move(done), refusal = std::move(refusal)]() mutable { done(refusal); });
    return;
  }
  const CommandTag tag{incarnation_, pending_.next_sequence()};
  waiting_.push_back(
      pending_.Add(TagCommand(command_arena_, tag, command), deadline, std::move(done)));
  turn_.Request();
}

void ReplicaImpl::ReadIndex(env::Time deadline, ReadDone done) {
  if (!stopped_.ok()) {
    Later([done = std::move(done)]() mutable {
      done(Status(StatusCode::kUnavailable, "etcdserver: server stopped"));
    });
    return;
  }
  reads_.Add(deadline, std::move(done));
  turn_.Request();
}

void ReplicaImpl::Campaign() {
  if (!stopped_.ok()) return;
  node_.Step(raft::Campaign{});
  turn_.Request();
}

void ReplicaImpl::SubmitWaiting() {
  if (waiting_.empty()) return;
  const NodeId leader = node_.leader();
  if (leader == kNobody) return;
  if (leader != options_.self) {
    ForwardWaiting(leader);
    return;
  }
  for (const uint64_t sequence : std::exchange(waiting_, {})) {
    PendingCommands::Command* command = pending_.Find(sequence);
    if (command == nullptr || command->state != PendingCommands::State::kWaiting) continue;
    const auto id = node_.Propose(command->data);
    if (id.ok()) {
      command->state = PendingCommands::State::kSent;
      command->term = id->term;
    } else if (id.status().code() == StatusCode::kResourceExhausted) {
      stats_.proposals_failed += 1;
      Later([done = pending_.Settle(sequence)]() mutable { done(TooManyRequests()); });
    } else {
      waiting_.push_back(sequence);
    }
  }
}

void ReplicaImpl::ForwardWaiting(NodeId leader) {
  const std::vector<uint64_t> sequences = std::exchange(waiting_, {});
  size_t next = 0;
  while (next < sequences.size()) {
    Forward forward{options_.group, node_.term(), incarnation_, pending_.settled_below(), {}};
    std::vector<PendingCommands::Command*> sent;
    size_t bytes = 0;
    size_t end = next;
    for (; end < sequences.size() && bytes < kMaxForwardBytes; ++end) {
      PendingCommands::Command* command = pending_.Find(sequences[end]);
      if (command == nullptr || command->state != PendingCommands::State::kWaiting) continue;
      bytes += command->data.size();
      forward.commands.push_back(command->data);
      sent.push_back(command);
    }
    // Not taken by the transport: surely not sent, so it may wait for better times. Taken: it may
    // arrive, even if the connection breaks now, and only the log can tell.
    if (!sent.empty() && !sender_.Send(leader, transport::Channel::kBulk, EncodeForward(forward))) {
      waiting_.assign(sequences.begin() + static_cast<ptrdiff_t>(next), sequences.end());
      return;
    }
    for (PendingCommands::Command* command : sent) {
      command->state = PendingCommands::State::kSent;
      command->term = forward.term;
    }
    next = end;
  }
}

void ReplicaImpl::OnForward(NodeId from, const Forward& forward) {
  if (node_.role() != raft::Role::kLeader || node_.term() != forward.term) return;
  if (received_in_ != forward.term) {
    received_.Reset();
    received_in_ = forward.term;
  }
  ForwardRefused refused{options_.group, forward.term, forward.incarnation, {}};
  for (const SharedBytes& data : forward.commands) {
    const uint64_t sequence = ReadTag(data.view())->sequence;
    // A copy is passed over in silence: what became of the first, the log or an earlier refusal
    // tells.
    if (!received_.FirstSight(forward.incarnation, sequence, forward.settled_below)) continue;
    if (!node_.Propose(data).ok()) refused.sequences.push_back(sequence);
  }
  if (!refused.sequences.empty()) {
    sender_.Send(from, transport::Channel::kBulk, EncodeForwardRefused(refused));
  }
  turn_.Request();
}

void ReplicaImpl::OnForwardRefused(const ForwardRefused& refused) {
  if (refused.incarnation != incarnation_) return;
  for (const uint64_t sequence : refused.sequences) {
    const PendingCommands::Command* command = pending_.Find(sequence);
    if (command == nullptr || command->state != PendingCommands::State::kSent ||
        command->term != refused.term) {
      continue;
    }
    stats_.proposals_failed += 1;
    pending_.Settle(sequence)(TooManyRequests());
  }
}

// An entry of `applied_term` is being applied here. All entries of earlier terms stand before it
// (terms never fall along a log) and are applied. So what was sent in an earlier term and is still
// pending is not in the log, and since only the leader of that very term would have taken it, never
// will be: it is sent again, safely.
void ReplicaImpl::ResolveLost(Term applied_term) {
  for (const uint64_t sequence : pending_.Select([applied_term](const auto& command) {
         return command.state == PendingCommands::State::kSent && command.term < applied_term;
       })) {
    pending_.Find(sequence)->state = PendingCommands::State::kWaiting;
    waiting_.push_back(sequence);
  }
  if (!waiting_.empty()) turn_.Request();
}

void ReplicaImpl::SubmitReads() {
  if (node_.leader() == kNobody) return;
  if (const auto id = reads_.BeginRound(env_.executor.Now())) node_.Step(raft::ReadRequest{*id});
}

void ReplicaImpl::ExpireRequests() {
  const env::Time now = env_.executor.Now();
  for (const uint64_t sequence : pending_.TakeExpired(now)) {
    const PendingCommands::Command* command = pending_.Find(sequence);
    if (command == nullptr)
      continue;  // a completion before it has stopped us, and all were answered
    const Status why = command->state == PendingCommands::State::kWaiting
                           ? TimedOut()
                           : TimedOutUnknown(command->term < node_.term() || leader() == kNobody);
    stats_.proposals_failed += 1;
    pending_.Settle(sequence)(why);
  }
  for (PendingReads::Read& read : reads_.TakeExpired(now)) {
    stats_.reads_failed += 1;
    read.done(TimedOut());
  }
}

void ReplicaImpl::FailEverything(const Status& why) {
  std::vector<std::pair<ProposeDone, bool>> commands;
  for (const uint64_t sequence : pending_.Select([](const auto&) { return true; })) {
    const bool sent = pending_.Find(sequence)->state == PendingCommands::State::kSent;
    commands.emplace_back(pending_.Settle(sequence), sent);
  }
  waiting_.clear();
  // Completions must not run inside the call that stopped us.
  Later([commands = std::move(commands), reads = reads_.TakeAll(), why]() mutable {
    for (auto& [done, sent] : commands) {
      done(sent ? Status::OutcomeUnknown(why.code(), why.message()) : why);
    }
    for (PendingReads::Read& read : reads) read.done(why);
  });
}

}  // namespace cairn::replica
