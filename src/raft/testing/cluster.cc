#include "src/raft/testing/cluster.h"

#include <algorithm>

#include "src/base/check.h"
#include "src/raft/testing/describe.h"

namespace cairn::raft::testing {

void Disk::Write(const Persist& p) {
  if (p.hard_state.has_value()) hard_state = *p.hard_state;
  if (p.entries.empty()) return;
  CHECK_GT(p.entries[0].index, base.index);
  CHECK_LE(p.entries[0].index, last_index().Next());
  entries.resize(p.entries[0].index.Prev() - base.index);
  entries.insert(entries.end(), p.entries.begin(), p.entries.end());
}

void Disk::Cut(LogIndex upto) {
  if (upto <= base.index) return;
  CHECK_LE(upto, last_index());
  const EntryId id = At(upto).id();
  entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(upto - base.index));
  base = id;
}

LogShape Disk::Shape() const {
  LogShape shape{.base = base, .last = last_index(), .runs = {}};
  for (const Entry& e : entries) {
    if (shape.runs.empty() || shape.runs.back().term != e.term)
      shape.runs.push_back({e.term, e.index});
  }
  return shape;
}

bool Disk::Holds(EntryId id) const {
  if (id.index <= base.index) return true;  // cut, so committed
  return id.index <= last_index() && At(id.index).term == id.term;
}

void Cluster::Add(NodeId id, Disk disk, LogIndex applied) {
  Node n;
  n.id = id;
  n.disk = std::move(disk);
  n.applied_durable = applied;
  for (LogIndex i(1); i <= applied; i = i.Next()) n.applied.push_back(n.disk.At(i));
  nodes_.push_back(std::move(n));
  StartRaw(nodes_.back());
}

Node& Cluster::node(NodeId id) {
  for (Node& n : nodes_) {
    if (n.id == id) return n;
  }
  CHECK(false, "no such node");
}

NodeId Cluster::leader() {
  const Node* best = nullptr;
  for (const Node& n : nodes_) {
    if (n.raw == nullptr || n.raw->role() != Role::kLeader) continue;
    if (best == nullptr || n.raw->term() > best->raw->term()) best = &n;
  }
  return best == nullptr ? kNobody : best->id;
}

void Cluster::StartRaw(Node& n) {
  Config config = config_;
  config.id = n.id;
  config.seed = config_.seed + 1000 * n.lives++;
  n.written = n.disk;
  n.applied.resize(n.applied_durable.value);
  n.raw = std::make_unique<RawNode>(
      config, Restored{n.disk.hard_state, conf_, n.disk.Shape(), n.applied_durable});
  Touched(n);
}

void Cluster::Touched(const Node& n) {
  if (watcher_ != nullptr) watcher_->OnStep(n);
}

void Cluster::SendAll(std::vector<Message> messages) {
  for (Message& m : messages) {
    if (trace_) trace_(Describe(m));
    network_.push_back(std::move(m));
  }
}

bool Cluster::TakeReady(NodeId id) {
  Node& n = node(id);
  if (n.raw == nullptr || !n.raw->HasReady()) return false;
  Accept(n, n.raw->TakeReady());
  Touched(n);
  return true;
}

void Cluster::Accept(Node& n, Ready ready) {
  if (ready.soft_state.has_value() && trace_) {
    std::string line = std::to_string(n.id.value) + " " + Describe(ready.soft_state->role) +
                       " term " + std::to_string(n.raw->term().value);
    if (ready.soft_state->leader != kNobody) {
      line += " leader " + std::to_string(ready.soft_state->leader.value);
    }
    trace_(line);
  }
  SendAll(std::move(ready.messages));
  if (ready.persist.has_value()) {
    n.written.Write(*ready.persist);
    n.pending.push_back(std::move(*ready.persist));
  }
  const std::string who = std::to_string(n.id.value);
  for (const Entry& e : ready.committed) {
    CHECK_EQ(e.index.value, n.applied.size() + 1);
    n.applied.push_back(e);
    if (trace_) trace_(who + " applies " + Describe(e));
    if (watcher_ != nullptr) watcher_->OnApplied(n, e);
  }
  if (!ready.committed.empty()) n.raw->Step(Applied{ready.committed.back().index});
  for (const ReadState& r : ready.reads) {
    if (trace_)
      trace_(who + " reads " + std::to_string(r.id.value) + " at " + std::to_string(r.index.value));
    n.reads.push_back(r);
    if (watcher_ != nullptr) watcher_->OnReadAnswered(n, r);
  }
  for (const ReadId id : ready.dropped_reads) {
    if (trace_) trace_(who + " drops read " + std::to_string(id.value));
    n.dropped_reads.push_back(id);
  }
  n.log_reads.insert(n.log_reads.end(), ready.log_reads.begin(), ready.log_reads.end());
}

bool Cluster::CompleteWrite(NodeId id) {
  Node& n = node(id);
  if (n.raw == nullptr || n.pending.empty()) return false;
  Persist p = std::move(n.pending.front());
  n.pending.pop_front();
  n.disk.Write(p);
  SendAll(std::move(p.messages));
  n.raw->Step(Appended{p.id, p.term});
  Touched(n);
  return true;
}

bool Cluster::AnswerLogRead(NodeId id) {
  Node& n = node(id);
  if (n.raw == nullptr || n.log_reads.empty()) return false;
  const LogRead read = n.log_reads.front();
  n.log_reads.pop_front();
  LogReadDone done{.id = read.id, .entries = {}};
  size_t bytes = 0;
  for (LogIndex i = read.first; i <= read.last && i <= n.written.last_index(); i = i.Next()) {
    if (i <= n.written.base.index) break;  // cut since: no answer
    done.entries.push_back(n.written.At(i));
    bytes += done.entries.back().data.size();
    if (bytes >= read.max_bytes) break;
  }
  if (!done.entries.empty()) n.raw->Step(std::move(done));
  Touched(n);
  return true;
}

void Cluster::Step(NodeId id, Event event) {
  Node& n = node(id);
  if (n.raw == nullptr) return;
  n.raw->Step(std::move(event));
  Touched(n);
}

Result<EntryId> Cluster::Propose(NodeId id, SharedBytes data) {
  Node& n = node(id);
  if (n.raw == nullptr) return Status(StatusCode::kUnavailable, "the node is down");
  Result<EntryId> result = n.raw->Propose(std::move(data));
  Touched(n);
  return result;
}

void Cluster::Read(NodeId id, ReadId read) {
  if (watcher_ != nullptr) watcher_->OnReadAsked(read);
  Step(id, ReadRequest{read});
}

void Cluster::Deliver(size_t i) {
  Message m = std::move(network_[i]);
  network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(i));
  if (IsCut(m.from, m.to)) return;
  const NodeId to = m.to;
  Step(to, std::move(m));
}

void Cluster::Flush(NodeId id) {
  Node& n = node(id);
  n.applied_durable = LogIndex(n.applied.size());
}

void Cluster::Compact(NodeId id, LogIndex upto) {
  Node& n = node(id);
  CHECK_LE(upto, n.applied_durable);
  n.disk.Cut(upto);
  n.written.Cut(upto);
  if (n.raw != nullptr) n.raw->Compact(upto);
  Touched(n);
}

void Cluster::Crash(NodeId id, size_t writes_kept) {
  Node& n = node(id);
  for (size_t i = 0; i < writes_kept && i < n.pending.size(); ++i) n.disk.Write(n.pending[i]);
  n.pending.clear();
  n.log_reads.clear();
  n.raw.reset();
}

void Cluster::Restart(NodeId id) { StartRaw(node(id)); }

void Cluster::Run() {
  for (bool busy = true; busy;) {
    busy = false;
    for (Node& n : nodes_) {
      while (TakeReady(n.id)) busy = true;
    }
    for (Node& n : nodes_) {
      while (!held_disks_.contains(n.id) && CompleteWrite(n.id)) busy = true;
      while (AnswerLogRead(n.id)) busy = true;
    }
    // What is in flight now is delivered; what that causes waits for the next round.
    for (size_t left = network_.size(); left > 0; --left) {
      busy = true;
      Deliver(0);
    }
  }
}

}  // namespace cairn::raft::testing
