#include "sim/cluster.h"

#include <algorithm>

#include "proto/etcd/rpc.pb.h"
#include "src/apply/command.h"
#include "src/base/checksum.h"
#include "src/mvcc/sim_files.h"
#include "src/replica/command_tag.h"

namespace cairn::sim {

using env::sim::CrashKind;
using env::sim::Host;
using env::sim::Process;

Cluster::Cluster(env::sim::World& world, const RunOptions& options, Violations& violations)
    : world_(world),
      options_(options),
      link_faults_(options.link),
      violations_(violations),
      listeners_{elections_, promises_, [this](NodeId id) {
                   for (size_t i = 0; i < nodes_.size(); ++i) {
                     if (nodes_[i]->id == id) return i;
                   }
                   return nodes_.size();
                 }} {
  std::vector<NodeId> ids;
  for (size_t i = 0; i < options.members; ++i) {
    membership::Member m;
    m.peer_urls = {"http://m" + std::to_string(i) + ":2380"};
    m.id = membership::MemberId(m.peer_urls, "sim");
    ids.push_back(m.id);
    members_.push_back(m);
    auto node = std::make_unique<Node>();
    node->host = &world.AddHost("m" + std::to_string(i));
    node->id = m.id;
    nodes_.push_back(std::move(node));
  }
  cluster_id_ = membership::MakeClusterId(ids);
  world_.SetObserver([this](Host& host) { Observe(host); });
}

Cluster::~Cluster() {
  world_.SetObserver(nullptr);
  for (const auto& node : nodes_) node->host->Kill(CrashKind::kProcess);
}

// ---- Lives ----

void Cluster::Start(size_t i) {
  Node& node = *nodes_[i];
  ++node.life;
  node.fresh = true;
  node.host->Start([this, i](Process& process) { Open(i, process); });
}

server::MemberOptions Cluster::OptionsOf(size_t i, Process& process) {
  server::MemberOptions o;
  o.cluster = cluster_id_;
  o.self = nodes_[i]->id;
  o.members = members_;
  o.listen_peers = {{"m" + std::to_string(i) + ":2380"}};
  o.wal.directory = "/data/wal";
  o.wal.segment_bytes = options_.segment_bytes;
  o.wal.inline_sync_bytes = options_.inline_sync_bytes;
  o.store.window_bytes = options_.window_bytes;
  o.replica.heartbeat_interval = options_.heartbeat;
  o.replica.election_timeout = options_.election;
  o.replica.pre_vote = options_.pre_vote;
  o.replica.check_quorum = options_.check_quorum;
  o.replica.max_log_ahead_bytes = options_.max_log_ahead_bytes;
  o.replica.least_cut_entries = options_.least_cut_entries;
  o.replica.raft.max_append_bytes = options_.max_append_bytes;
  o.replica.raft.max_inflight_messages = options_.max_inflight_messages;
  o.replica.raft.max_cache_bytes = options_.max_cache_bytes;
  o.replica.raft.max_uncommitted_bytes = options_.max_uncommitted_bytes;
  o.interpose = [this, i, &process](transport::Sender& to) {
    return std::make_unique<LossyLink>(process, to, link_faults_, i, listeners_);
  };
  return o;
}

void Cluster::Open(size_t i, Process& process) {
  Node& node = *nodes_[i];
  process.OnDeath([&node] { node.member.reset(); });
  const auto fail = [&](const Status& why) {
    if (process.alive() && !node.disk_trouble) {
      violations_.Report("recovery",
                         "member " + std::to_string(i) + " does not open: " + why.ToString());
    }
    process.Crash(CrashKind::kProcess);
  };
  auto files = mvcc::SimFiles::Open(process.env().files, "/data/store");
  if (!files.ok()) return fail(files.status());
  auto member = server::Member::Open(process.env(), OptionsOf(i, process), std::move(*files));
  if (!member.ok()) return fail(member.status());
  node.member = std::move(*member);
}

bool Cluster::Stopped(size_t i) {
  Node& node = *nodes_[i];
  return node.member != nullptr && !node.member->replica().health().ok();
}

// ---- Looking at them ----

void Cluster::RememberValue(const raft::Entry& entry) {
  if (entry.type != raft::EntryType::kNormal || written_.contains(entry.id())) return;
  Value value = 0;
  if (replica::ReadTag(entry.data.view()).has_value()) {
    const std::string_view command = replica::CommandOf(entry.data.view());
    const std::string_view body = command.empty() ? command : command.substr(1);
    const auto kind =
        command.empty() ? apply::CommandKind{} : static_cast<apply::CommandKind>(command[0]);
    if (kind == apply::CommandKind::kPut) {
      etcdserverpb::PutRequest put;
      if (put.ParseFromArray(body.data(), static_cast<int>(body.size())))
        value = ParseValue(put.value());
    } else if (kind == apply::CommandKind::kTxn) {
      etcdserverpb::TxnRequest txn;
      if (txn.ParseFromArray(body.data(), static_cast<int>(body.size())) &&
          txn.success_size() == 1) {
        value = ParseValue(txn.success(0).request_put().value());
      }
    }
  }
  written_[entry.id()] = value;
}

std::optional<LogIndex> Cluster::Mirror(Node& node, const raft::NodeStatus& status) {
  // Within a life what is committed does not change (the member checks that itself); after a
  // restart all is looked at.
  LogIndex next = status.first_index;
  if (!node.fresh) {
    const LogIndex settled = std::min(node.status.commit_index, status.stable_index);
    next = std::max(next, std::min(settled, LogIndex(node.log.size())).Next());
  }
  CHECK_LE(next.value, node.log.size() + 1);
  const auto changed = [&](LogIndex at) { node.dirty_from = std::min(node.dirty_from, at); };
  while (next <= status.stable_index) {
    auto entries = node.member->wal().Read(kFirstGroup, next, status.stable_index, 1 << 20);
    if (!entries.ok()) return std::nullopt;
    for (const raft::Entry& e : *entries) {
      CHECK_EQ(e.index, next);
      RememberValue(e);
      const LogEntry seen{e.id(), Checksum(e.data.view(), static_cast<uint64_t>(e.type))};
      if (e.index.value > node.log.size()) {
        changed(e.index);
        node.log.push_back(seen);
      } else if (LogEntry& known = node.log[e.index.value - 1]; known != seen) {
        changed(e.index);
        known = seen;
      }
      next = next.Next();
    }
  }
  if (status.stable_index.value < node.log.size()) {
    changed(status.stable_index.Next());
    node.log.resize(status.stable_index.value);
  }
  return std::min(std::exchange(node.dirty_from, LogIndex(UINT64_MAX)),
                  LogIndex(node.log.size() + 1));
}

void Cluster::Observe(Host& host) {
  const size_t i = host.index();
  if (i >= nodes_.size()) return;
  Node& node = *nodes_[i];
  if (node.member == nullptr) return;
  const raft::NodeStatus status = node.member->replica().status();
  const uint64_t records = node.member->wal().stats().records;
  const bool same = !node.fresh && records == node.records && status.term == node.status.term &&
                    status.role == node.status.role &&
                    status.stable_index == node.status.stable_index &&
                    status.commit_index == node.status.commit_index &&
                    status.applied_index == node.status.applied_index;
  if (same) return;
  Process& process = *host.observed();
  process.SetInspecting(true);
  const std::optional<LogIndex> changed_from = Mirror(node, status);
  process.SetInspecting(false);
  if (!changed_from.has_value()) {
    // Its disk failed, or it died in the middle of a write: what it had not committed it may have
    // replaced.
    promises_.Doubt(i, std::min(status.commit_index, status.stable_index));
    return;
  }
  NodeView view;
  view.node = i;
  view.life = node.life;
  view.restarted = node.fresh;
  view.term = status.term;
  view.role = status.role;
  view.commit = std::min(status.commit_index, status.stable_index);
  view.applied = node.member->applier().applied();
  view.changed_from = *changed_from;
  view.log = &node.log;
  elections_.OnView(view);
  append_only_.OnView(view);
  matching_.OnView(view);
  committed_.OnView(view);
  promises_.OnView(view);
  node.fresh = false;
  node.status = status;
  node.records = records;
  process.SetInspecting(true);
  CheckState(i, node);
  process.SetInspecting(false);
}

// Hashing reads the whole store, so it is done at every fourth index, which all members come to at
// some time or other, and whenever another member has been seen there.
void Cluster::CheckState(size_t i, Node& node) {
  const raft::EntryId applied = node.member->applier().applied();
  if (applied.index == node.hashed) return;
  if (applied.index.value % 4 != 0 && !hashes_.Knows(applied.index)) return;
  node.hashed = applied.index;
  const auto hash = node.member->store().Hash();
  if (hash.ok()) hashes_.OnState(i, applied, *hash, node.member->store().revision());
}

std::optional<size_t> Cluster::Leader() {
  std::optional<size_t> leader;
  Term highest;
  for (size_t i = 0; i < size(); ++i) {
    if (member(i) == nullptr || !member(i)->replica().health().ok()) continue;
    const raft::NodeStatus status = member(i)->replica().status();
    if (status.term < highest) continue;
    if (status.term > highest) leader.reset();
    highest = status.term;
    if (status.role == raft::Role::kLeader) leader = i;
  }
  return leader;
}

bool Cluster::CaughtUp() {
  std::optional<LogIndex> applied;
  for (size_t i = 0; i < size(); ++i) {
    if (member(i) == nullptr) return false;
    const raft::NodeStatus status = member(i)->replica().status();
    if (status.applied_index != status.commit_index || status.last_index != status.commit_index)
      return false;
    if (applied.has_value() && *applied != status.applied_index) return false;
    applied = status.applied_index;
  }
  return applied->value == committed_.entries().size();
}

std::map<Value, int> Cluster::CommittedValues() const {
  std::map<Value, int> values;
  for (const LogEntry& entry : committed_.entries()) {
    const auto it = written_.find(entry.id);
    if (it != written_.end() && it->second != 0) ++values[it->second];
  }
  return values;
}

std::string Cluster::Describe() {
  std::string text;
  for (size_t i = 0; i < size(); ++i) {
    text += "  member " + std::to_string(i) + ": ";
    if (member(i) == nullptr) {
      text += "down\n";
      continue;
    }
    const raft::NodeStatus s = member(i)->replica().status();
    static constexpr const char* kRoles[] = {"follower", "pre-candidate", "candidate", "leader"};
    text += std::string(kRoles[static_cast<int>(s.role)]) + " term " +
            std::to_string(s.term.value) + ", log " + std::to_string(s.first_index.value) + ".." +
            std::to_string(s.last_index.value) + ", stable " +
            std::to_string(s.stable_index.value) + ", commit " +
            std::to_string(s.commit_index.value) + ", applied " +
            std::to_string(s.applied_index.value) + ", " +
            member(i)->replica().health().ToString() + "\n";
  }
  return text;
}

}  // namespace cairn::sim
