#include "src/replica/replica.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "src/base/log.h"
#include "src/raft/codec.h"
#include "src/replica/command_tag.h"
#include "src/replica/replica_impl.h"

namespace cairn::replica {
namespace {

// A turn handles at most so many Readys, then lets sockets and timers have theirs.
constexpr int kReadysPerTurn = 16;
constexpr env::Duration kSlowApply = env::milliseconds(100);
// Work on the log's length is done once in so many ticks.
constexpr uint64_t kTicksBetweenCuts = 10;
// What a member that is away may make the log hold before it is told to the operator.
constexpr uint64_t kLogGrowthToTell = 1ull << 30;

raft::Config CoreConfig(const Options& options, uint64_t seed) {
  raft::Config config = options.raft;
  const auto tick = options.heartbeat_interval / options.ticks_per_heartbeat;
  config.id = options.self;
  config.heartbeat_ticks = options.ticks_per_heartbeat;
  config.election_ticks = static_cast<uint32_t>(options.election_timeout / tick);
  // Half a timeout of spread in steps of a tick: few split votes, and pre-vote makes those cheap.
  config.election_spread_ticks = std::max(1u, config.election_ticks / 2);
  config.pre_vote = options.pre_vote;
  config.check_quorum = options.check_quorum;
  config.seed = seed;
  return config;
}

Status LogAndStateDisagree(const std::string& detail) {
  return {StatusCode::kDataLoss,
          "the log and the state machine in the data directory do not fit together: " + detail +
              "; restore the member's data directory as one piece, or remove the member and add it "
              "anew"};
}

std::optional<Term> TermIn(const raft::LogShape& log, LogIndex index) {
  if (index == log.base.index) return log.base.term;
  if (index < log.base.index || index > log.last) return std::nullopt;
  std::optional<Term> term;
  for (const raft::TermRun& run : log.runs) {
    if (run.first <= index) term = run.term;
  }
  return term;
}

}  // namespace

Result<std::unique_ptr<Replica>> Replica::Create(env::Env env, const Options& options,
                                                 wal::Wal& wal, transport::Sender& sender,
                                                 StateMachine& machine) {
  const wal::GroupState state = wal.Recovered(options.group);
  const raft::EntryId durable = machine.durable();
  CHECK_EQ(machine.applied().index, durable.index);
  const std::optional<Term> term = TermIn(state.log, durable.index);
  if (!term.has_value()) {
    return LogAndStateDisagree("the state machine has applied entry " +
                               std::to_string(durable.index.value) + ", the log holds " +
                               std::to_string(state.log.base.index.value + 1) + " to " +
                               std::to_string(state.log.last.value));
  }
  if (*term != durable.term) {
    return LogAndStateDisagree("entry " + std::to_string(durable.index.value) + " has term " +
                               std::to_string(term->value) +
                               " in the log, but was applied in term " +
                               std::to_string(durable.term.value));
  }
  raft::Restored restored{state.hard_state, options.conf, state.log, durable.index};
  // What was applied was committed; the commit index on disk is a hint that may lag behind.
  restored.hard_state.commit = std::max(restored.hard_state.commit, durable.index);
  const raft::Config config = CoreConfig(options, env.executor.random().Next());
  return std::unique_ptr<Replica>(
      std::make_unique<ReplicaImpl>(env, options, wal, sender, machine, config, restored));
}

ReplicaImpl::ReplicaImpl(env::Env env, const Options& options, wal::Wal& wal,
                         transport::Sender& sender, StateMachine& machine,
                         const raft::Config& config, const raft::Restored& restored)
    : env_(env),
      options_(options),
      wal_(wal),
      sender_(sender),
      machine_(machine),
      node_(config, restored),
      alive_(std::make_shared<ReplicaImpl*>(this)),
      turn_(env.executor, [this] { RunTurn(); }),
      tick_length_(options.heartbeat_interval / options.ticks_per_heartbeat),
      last_tick_(env.executor.Now()),
      incarnation_(env.executor.random().Next()),
      pending_(1),
      // Never 0, and apart from those of an earlier life whose answers may still be on their way.
      reads_(env.executor.random().Next() >> 1 | 1),
      last_applied_term_(machine.applied().term),
      last_cut_(restored.log.base.index) {
  // A starting member has waited long enough already: it may campaign early. Pre-vote keeps it from
  // unseating a leader whose heartbeat has not reached it yet.
  for (uint32_t i = 2 * config.heartbeat_ticks; i < config.election_ticks; ++i)
    node_.Step(raft::Tick{});
  if (restored.conf.voters == std::vector<NodeId>{options.self}) node_.Step(raft::Campaign{});
  tick_timer_ = env_.executor.Schedule(last_tick_ + tick_length_, [this] { OnTick(); });
  turn_.Request();
}

ReplicaImpl::~ReplicaImpl() { env_.executor.Cancel(tick_timer_); }

// The order that safety rests on. Each step says what would break if it came earlier.
void ReplicaImpl::RunTurn() {
  if (!stopped_.ok()) return;
  // 1. All that arrived since the last turn becomes one batch: one write, one frame for each peer.
  SubmitWaiting();
  SubmitReads();
  ApplyHeld();
  // 2. What the core says must happen, in its order (HandleReady).
  for (int i = 0; i < kReadysPerTurn && stopped_.ok() && node_.HasReady(); ++i) {
    HandleReady(node_.TakeReady());
  }
  if (stopped_.ok() && node_.HasReady()) {
    env_.executor.Post([alive = std::weak_ptr(alive_)] {
      if (const auto self = alive.lock()) (*self)->turn_.Request();
    });
  }
}

void ReplicaImpl::HandleReady(raft::Ready ready) {
  if (ready.soft_state) OnSoftState(*ready.soft_state);
  // a. Messages that promise nothing about our disk, the leader's AppendEntries among them:
  // followers write
  //    while we write (dissertation 10.2.1). They are in the peers' queues, and those are asked to
  //    be written at this turn's end, before the log is asked for its sync, which may block the
  //    loop.
  SendAll(ready.messages);
  // b. Committed entries. The core gives out none above stable_index, so what we apply, and then
  // answer, is
  //    in our own log durably: a restart never finds a state machine ahead of its log.
  ApplyOrHold(std::move(ready.committed));
  if (!stopped_.ok()) return;
  // c. Reads whose leadership was confirmed wait for their index to be applied; b may have done it.
  for (const raft::ReadState& read : ready.reads) reads_.Confirmed(read.id, read.index);
  for (const raft::ReadId id : ready.dropped_reads) {
    if (reads_.Dropped(id)) stats_.reads_failed += 1;
  }
  ServeReads();
  // d. The write. Its messages (votes, acknowledgements) promise that it is durable: they leave in
  // OnDurable, never
  //    here. The leader's own vote for its entries counts from there too.
  if (ready.persist) Write(std::move(*ready.persist));
  // e. Entries that only the disk still holds. After d, so that a read sees what the core believes
  // written.
  for (const raft::LogRead& read : ready.log_reads) AnswerLogRead(read);
  if (!ready.dropped_reads.empty() || !ready.reads.empty()) SubmitReads();
}

void ReplicaImpl::SendAll(std::vector<raft::Message>& messages) {
  for (raft::Message& message : messages) {
    const NodeId to = message.to;
    // Entries and their acknowledgements may be many; votes, heartbeats and reads never wait behind
    // them.
    const bool bulk = std::holds_alternative<raft::AppendEntries>(message.body) ||
                      std::holds_alternative<raft::AppendEntriesReply>(message.body);
    const bool heartbeat = std::holds_alternative<raft::Heartbeat>(message.body);
    raft::EncodedMessage encoded = raft::Encode(options_.group, message);
    transport::Frame frame{static_cast<uint8_t>(FrameKind::kRaft), std::move(encoded.head),
                           std::move(encoded.body)};
    const bool sent = sender_.Send(
        to, bulk ? transport::Channel::kBulk : transport::Channel::kControl, std::move(frame));
    // A lost message is the core's daily bread; nothing to do but count.
    if (!sent && heartbeat) stats_.heartbeat_send_failures += 1;
  }
  messages.clear();
}

void ReplicaImpl::Write(raft::Persist persist) {
  wal::Write write{options_.group, persist.hard_state, std::move(persist.entries),
                   persist.must_sync};
  wal_.Append(std::move(write),
              [alive = std::weak_ptr(alive_), id = persist.id, term = persist.term,
               messages = std::move(persist.messages)](const Status& status) mutable {
                if (const auto self = alive.lock()) (*self)->OnDurable(id, term, messages, status);
              });
}

void ReplicaImpl::OnDurable(raft::WriteId id, Term term, std::vector<raft::Message>& messages,
                            const Status& status) {
  if (!stopped_.ok()) return;
  if (!status.ok()) {
    // Nothing is known of what a failed sync left behind, and asking again would only be told the
    // same lie (fsyncgate): this replica promises nothing more.
    Stop(status);
    return;
  }
  SendAll(messages);
  node_.Step(raft::Appended{id, term});
  turn_.Request();
}

// A state machine whose disk does not keep up is given time, or its memory would grow without
// bound. Ticks ask again.
void ReplicaImpl::ApplyOrHold(std::vector<raft::Entry> committed) {
  if (held_.empty() && !machine_.overloaded()) {
    Apply(committed);
    return;
  }
  held_.insert(held_.end(), std::make_move_iterator(committed.begin()),
               std::make_move_iterator(committed.end()));
}

void ReplicaImpl::ApplyHeld() {
  if (held_.empty() || machine_.overloaded()) return;
  Apply(std::exchange(held_, {}));
  if (stopped_.ok()) ServeReads();
}

void ReplicaImpl::Apply(const std::vector<raft::Entry>& committed) {
  if (committed.empty()) return;
  const env::Time began = env_.executor.NowExact();
  for (const raft::Entry& entry : committed) {
    ApplyOne(entry);
    if (!stopped_.ok()) return;
  }
  node_.Step(raft::Applied{committed.back().index});
  if (env_.executor.NowExact() - began > kSlowApply) stats_.slow_applies += 1;
  if (applied_bytes_since_flush_ > options_.max_log_ahead_bytes) {
    applied_bytes_since_flush_ = 0;
    machine_.Flush();
  }
}

void ReplicaImpl::ApplyOne(const raft::Entry& entry) {
  CHECK_EQ(entry.index, machine_.applied().index.Next());
  if (entry.term > last_applied_term_) {
    // First of all: what we sent to leaders of earlier terms and is not applied by now never will
    // be.
    last_applied_term_ = entry.term;
    ResolveLost(entry.term);
  }
  stats_.proposals_applied = entry.index.value;
  applied_bytes_since_flush_ += entry.data.size();
  const std::optional<CommandTag> tag =
      entry.type == raft::EntryType::kNormal ? ReadTag(entry.data.view()) : std::nullopt;
  if (!tag) {
    machine_.Skip(entry.id());
    return;
  }
  const bool ours = tag->incarnation == incarnation_ && pending_.Find(tag->sequence) != nullptr;
  Result<std::string> reply = machine_.Apply(entry.id(), CommandOf(entry.data.view()), ours);
  // A state machine that failed has stopped us inside the call, and everyone was answered then.
  if (ours && stopped_.ok()) pending_.Settle(tag->sequence)(std::move(reply));
}

void ReplicaImpl::ServeReads() {
  for (PendingReads::Read& read : reads_.TakeServable(machine_.applied().index)) {
    read.done(OkStatus());
  }
}

void ReplicaImpl::AnswerLogRead(const raft::LogRead& read) {
  auto entries = wal_.Read(options_.group, read.first, read.last, read.max_bytes);
  if (!entries.ok()) {
    Stop(entries.status());
    return;
  }
  node_.Step(raft::LogReadDone{read.id, std::move(entries).value()});
}

void ReplicaImpl::OnSoftState(const raft::SoftState& state) {
  const bool new_leader = state.leader != soft_state_.leader && state.leader != kNobody;
  if (new_leader) stats_.leader_changes += 1;
  log::Info(state.leader == kNobody ? "raft: no leader" : "raft: leader elected",
            {{"member", options_.self}, {"leader", state.leader}, {"term", node_.term()}});
  soft_state_ = state;
  stragglers_.clear();
  if (observer_) observer_();
  if (new_leader) {
    SubmitWaiting();
    SubmitReads();
  }
}

void ReplicaImpl::OnTick() {
  if (!stopped_.ok()) return;
  const env::Time now = env_.executor.Now();
  // A process that was held up has not listened in that time: it counts at most a heartbeat, or it
  // would take its own silence for the leader's.
  const auto behind = static_cast<uint64_t>((now - last_tick_) / tick_length_);
  const uint64_t count = std::clamp<uint64_t>(behind, 1, options_.ticks_per_heartbeat);
  last_tick_ = now;
  for (uint64_t i = 0; i < count; ++i) node_.Step(raft::Tick{});
  ticks_ += count;
  ExpireRequests();
  if (reads_.DropIfOlder(now, options_.election_timeout / 2)) stats_.slow_reads += 1;
  if (ticks_ % kTicksBetweenCuts < count) {
    CutLog();
    ReportStragglers();
  }
  tick_timer_ = env_.executor.Schedule(now + tick_length_, [this] { OnTick(); });
  turn_.Request();
}

// The log is needed from the durable point on by ourselves, and from its match on by each member.
void ReplicaImpl::CutLog() {
  const raft::NodeStatus status = node_.status();
  const LogIndex upto = std::min(machine_.durable().index, status.everywhere);
  if (upto < last_cut_ + options_.least_cut_entries) return;
  const std::optional<Term> term = node_.TermAt(upto);
  CHECK(term.has_value(), "the log holds all above its last cut");
  wal_.Cut(options_.group, raft::EntryId{*term, upto});
  node_.Compact(upto);
  last_cut_ = upto;
}

void ReplicaImpl::ReportStragglers() {
  if (node_.role() != raft::Role::kLeader) return;
  for (const raft::PeerStatus& peer : node_.status().peers) {
    if (!peer.needs_snapshot ||
        std::find(stragglers_.begin(), stragglers_.end(), peer.id) != stragglers_.end()) {
      continue;
    }
    stragglers_.push_back(peer.id);
    log::Error(
        "member needs entries that are cut from the log; it cannot catch up and does not "
        "count for the cluster's safety: remove it and add it anew",
        {{"member", peer.id}, {"next", peer.next}, {"match", peer.match}});
  }
  const uint64_t retained = wal_.stats().retained_bytes;
  if (retained > kLogGrowthToTell && !log_growth_told_) {
    log::Warn("the log is held for a member that is behind or away",
              {{"retained_bytes", retained}});
  }
  log_growth_told_ = retained > kLogGrowthToTell;
}

void ReplicaImpl::Stop(const Status& why) {
  CHECK(!why.ok());
  if (!stopped_.ok()) return;
  stopped_ = why;
  env_.executor.Cancel(tick_timer_);
  log::Error("replica stopped: it serves no more until the process is started again",
             {{"member", options_.self}, {"reason", why}});
  FailEverything(Status(StatusCode::kUnavailable, "etcdserver: server stopped"));
  if (observer_) observer_();
}

void ReplicaImpl::OnFrame(NodeId from, uint8_t kind, SharedBytes payload) {
  if (!stopped_.ok()) return;
  switch (static_cast<FrameKind>(kind)) {
    case FrameKind::kRaft: {
      auto decoded = raft::Decode(payload);
      // The transport has authenticated the peer and checked the frame; who speaks for another is
      // not heard.
      if (!decoded.ok() || decoded->group != options_.group || decoded->message.from != from) break;
      node_.Step(std::move(decoded->message));
      turn_.Request();
      return;
    }
    case FrameKind::kForward: {
      const auto forward = DecodeForward(payload);
      if (!forward.ok() || forward->group != options_.group) break;
      OnForward(from, *forward);
      return;
    }
    case FrameKind::kForwardRefused: {
      const auto refused = DecodeForwardRefused(payload);
      if (!refused.ok() || refused->group != options_.group) break;
      OnForwardRefused(*refused);
      return;
    }
  }
  log::Warn("frame from a peer not understood, dropped", {{"peer", from}, {"kind", kind}});
}

void ReplicaImpl::OnPeerConnected(NodeId peer) {
  if (peer == soft_state_.leader) turn_.Request();
}

void ReplicaImpl::OnPeerDisconnected(NodeId, const Status&) {}

Stats ReplicaImpl::stats() const {
  Stats stats = stats_;
  stats.proposals_committed = node_.commit_index().value;
  stats.proposals_pending = pending_.count();
  return stats;
}

}  // namespace cairn::replica
