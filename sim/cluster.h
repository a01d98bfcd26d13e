// Cluster: the members of a run, as they ship, each on a simulated host, with every checker of
// their logs and states attached. After each turn of a member its state is compared with what must
// hold.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/checkers/committed_log.h"
#include "sim/checkers/election_safety.h"
#include "sim/checkers/history.h"
#include "sim/checkers/leader_append_only.h"
#include "sim/checkers/log_matching.h"
#include "sim/checkers/promises.h"
#include "sim/checkers/replica_hashes.h"
#include "sim/checkers/violations.h"
#include "sim/lossy_link.h"
#include "sim/options.h"
#include "src/env/sim/process.h"
#include "src/env/sim/world.h"
#include "src/server/member.h"

namespace cairn::sim {

class Cluster {
 public:
  Cluster(env::sim::World& world, const RunOptions& options, Violations& violations);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;
  ~Cluster();

  size_t size() const { return nodes_.size(); }
  env::sim::Host& host(size_t i) { return *nodes_[i]->host; }
  // Null while it is down, or not open yet.
  server::Member* member(size_t i) { return nodes_[i]->member.get(); }

  // Starts a member that is down.
  void Start(size_t i);
  // The member cannot go on by itself: its disk failed, it is to be started again.
  bool Stopped(size_t i);
  // The disk is known to be bad: that the member fails to open, or stops, is no violation until it
  // is healed.
  void SetDiskTrouble(size_t i, bool on) { nodes_[i]->disk_trouble = on; }
  bool disk_trouble(size_t i) const { return nodes_[i]->disk_trouble; }

  LinkFaults& link_faults() { return link_faults_; }

  // The leader that most members with the highest term follow; none otherwise.
  std::optional<size_t> Leader();
  // Every member runs, and all have applied the same, which is all that is committed.
  bool CaughtUp();
  // How often each value stands in the committed log.
  std::map<Value, int> CommittedValues() const;

  const CommittedLog& committed() const { return committed_; }
  const ElectionSafety& elections() const { return elections_; }
  const ReplicaHashes& hashes() const { return hashes_; }
  std::string Describe();

 private:
  struct Node {
    env::sim::Host* host = nullptr;
    NodeId id;
    std::unique_ptr<server::Member> member;
    uint64_t life = 0;
    bool fresh = false;  // not seen in this life
    bool disk_trouble = false;
    std::vector<LogEntry> log;        // the mirror
    LogIndex dirty_from{UINT64_MAX};  // changes of the mirror that no view has shown
    // What the last view was made of: nothing to do when it is the same.
    raft::NodeStatus status;
    uint64_t records = 0;
    LogIndex hashed;
  };

  void Open(size_t i, env::sim::Process& process);
  server::MemberOptions OptionsOf(size_t i, env::sim::Process& process);
  void Observe(env::sim::Host& host);
  // Brings the mirror up to date with what is durable (what is not, nobody else may rely on, and it
  // may not be in the log yet); the first index that changed, or nothing when the log cannot be
  // read.
  std::optional<LogIndex> Mirror(Node& node, const raft::NodeStatus& status);
  void RememberValue(const raft::Entry& entry);
  void CheckState(size_t i, Node& node);

  env::sim::World& world_;
  const RunOptions& options_;
  LinkFaults link_faults_;
  Violations& violations_;
  ElectionSafety elections_{violations_};
  LeaderAppendOnly append_only_{violations_};
  LogMatching matching_{violations_};
  CommittedLog committed_{violations_};
  Promises promises_{violations_};
  ReplicaHashes hashes_{violations_};
  Listeners listeners_;
  ClusterId cluster_id_;
  std::vector<membership::Member> members_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<raft::EntryId, Value> written_;  // the value that an entry writes
};

}  // namespace cairn::sim
