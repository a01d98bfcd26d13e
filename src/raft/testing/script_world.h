// ScriptWorld: the commands of the scripts in src/raft/testdata, on a Cluster that an Oracle
// watches. Nodes are 1, 2, ..
//
//   cluster N [option=value]..     N voters (or "N+L": and L learners) with empty logs; options of
//   Config by name. Input lines
//     I: terms=1,1,2 [term= vote= commit= applied=]     give node I a log with entries of these
//     terms
//   reset                          the last cluster again from its start
//   campaign I | propose I value.. | propose I count=N size=B | read I id | tick I [n]
//   ready I                        takes I's Readys; messages stay in the network
//   write I [n]                    I's n oldest writes (all) become durable
//   fetch I                        I's LogReads are answered
//   deliver|drop|double F>T [Kind] [all]     the first message (all messages) of that way and kind
//   run                            everything, to a fixed point
//   elapse n                       n times: tick everyone, run
//   cut F>T.. | partition 1 2 / 3 | heal | hold-disk I | release-disk I
//   crash I [writes kept] | restart I | flush I | compact I upto
//   status | peers I | logs | network | trace all|messages|roles|none
//
// Output, in order: what is sent, applied and answered, and changes of role; `messages` leaves out
// what is applied, `roles` also what is sent.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/raft/testing/cluster.h"
#include "src/raft/testing/oracle.h"
#include "src/raft/testing/script.h"

namespace cairn::raft::testing {

class ScriptWorld {
 public:
  std::string Handle(const Command& c);

 private:
  enum class Trace { kAll, kMessages, kRoles, kNone };

  void Start(const Command& c);
  void AddFromLine(NodeId id, const std::string& line);
  void SetOption(Config& config, const std::string& option);
  void Do(const Command& c);
  bool DoOnNode(const Command& c);
  void DoPropose(NodeId id, const Command& c);
  void DoOnNetwork(const Command& c);
  void Partition(const std::vector<std::string>& args);
  void Elapse(int ticks);
  void PrintStatus();
  void PrintPeers(NodeId id);
  void PrintLogs();
  void Print(const std::string& line) { out_ += line + "\n"; }

  Command cluster_command_;
  Trace trace_ = Trace::kAll;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<Oracle> oracle_;
  std::string out_;
};

}  // namespace cairn::raft::testing
