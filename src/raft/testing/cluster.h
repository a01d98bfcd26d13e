// Cluster: several RawNodes in one place, with a disk for each and a network between them, where
// every step (take a Ready, make a write durable, deliver a message, tick, crash) is the test's own
// decision. The base of the scripts and of the random worlds. An Oracle may watch it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "src/raft/raw_node.h"

namespace cairn::raft::testing {

// What a log on disk holds.
struct Disk {
  HardState hard_state;
  EntryId base;
  std::vector<Entry> entries;  // after base

  void Write(const Persist& p);
  void Cut(LogIndex upto);
  LogIndex last_index() const { return base.index + entries.size(); }
  LogShape Shape() const;
  bool Holds(EntryId id) const;
  const Entry& At(LogIndex index) const { return entries[index.value - base.index.value - 1]; }
};

struct Node {
  NodeId id;
  std::unique_ptr<RawNode> raw;  // null while it is down
  Disk disk;                     // what is durable
  Disk written;                  // what it would be once all pending writes are
  std::deque<Persist> pending;
  std::deque<LogRead> log_reads;
  // The state machine: entries applied, from index 1 on, and how many of them it would keep in a
  // crash.
  std::vector<Entry> applied;
  LogIndex applied_durable;
  std::vector<ReadState> reads;  // answered
  std::vector<ReadId> dropped_reads;
  uint64_t lives = 0;
};

class Watcher {
 public:
  virtual ~Watcher() = default;
  // After each step that touched `node`.
  virtual void OnStep(const Node& node) = 0;
  virtual void OnApplied(const Node& node, const Entry& entry) = 0;
  virtual void OnReadAsked(ReadId id) = 0;
  virtual void OnReadAnswered(const Node& node, const ReadState& read) = 0;
};

class Cluster {
 public:
  // `config` is everyone's but for the id. Nodes start with Start.
  Cluster(Config config, ConfState conf) : config_(config), conf_(std::move(conf)) {}

  Config& config() { return config_; }
  const ConfState& conf() const { return conf_; }
  void set_watcher(Watcher* watcher) { watcher_ = watcher; }
  // Told of every message that is sent, and of changes of role, in words.
  void set_trace(std::function<void(const std::string&)> trace) { trace_ = std::move(trace); }

  // Makes a node with what its disk and state machine hold, and starts it.
  void Add(NodeId id, Disk disk, LogIndex applied);
  Node& node(NodeId id);
  std::vector<Node>& nodes() { return nodes_; }
  bool up(NodeId id) { return node(id).raw != nullptr; }
  // The leader of the highest term, or kNobody.
  NodeId leader();

  // ---- Single steps. Those that return bool say whether there was anything to do ----
  bool TakeReady(NodeId id);
  bool CompleteWrite(NodeId id);
  bool AnswerLogRead(NodeId id);
  void Step(NodeId id, Event event);
  Result<EntryId> Propose(NodeId id, SharedBytes data);
  void Read(NodeId id, ReadId read);
  // Delivers (or, to a node that is down or over a cut link, loses) message number `i`.
  void Deliver(size_t i);
  // The state machine makes durable what it has applied.
  void Flush(NodeId id);
  void Compact(NodeId id, LogIndex upto);
  // The first `writes_kept` pending writes reach the disk, the others are lost.
  void Crash(NodeId id, size_t writes_kept);
  void Restart(NodeId id);

  // ---- Network: messages in flight, in the order in which they were sent ----
  std::deque<Message>& network() { return network_; }
  void Cut(NodeId from, NodeId to) { cut_.insert({from, to}); }
  void Heal() { cut_.clear(); }
  bool IsCut(NodeId from, NodeId to) const { return cut_.contains({from, to}); }

  // ---- To a fixed point ----
  // Disks that complete nothing by themselves in Run.
  std::set<NodeId>& held_disks() { return held_disks_; }
  // Takes Readys, completes writes, answers log reads and delivers in order until nothing is left
  // to do.
  void Run();

 private:
  void StartRaw(Node& n);
  void Accept(Node& n, Ready ready);
  void SendAll(std::vector<Message> messages);
  void Touched(const Node& n);

  Config config_;
  ConfState conf_;
  std::vector<Node> nodes_;
  std::deque<Message> network_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  std::set<NodeId> held_disks_;
  Watcher* watcher_ = nullptr;
  std::function<void(const std::string&)> trace_;
};

}  // namespace cairn::raft::testing
