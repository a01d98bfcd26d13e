// Nemesis: does to the cluster what the run's options allow, at moments and for times that the seed
// draws, and at the end makes everything whole again.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "sim/cluster.h"
#include "sim/options.h"

namespace cairn::sim {

class Nemesis {
 public:
  Nemesis(env::sim::World& world, Cluster& cluster, const RunOptions& options);

  void Start();
  // Stops, heals all and starts whoever is down.
  void Heal();

  size_t faults() const;
  std::string Summary() const;

 private:
  void ScheduleNext();
  void Strike();
  void Do(Fault fault);
  void Crash(Fault fault);
  void Cut(Fault fault);
  void TroubleDisk(Fault fault);
  void Keep();
  void After(env::Duration delay, absl::AnyInvocable<void()> undo);
  env::Duration Length();
  env::sim::CrashKind AnyCrash();

  env::sim::World& world_;
  Cluster& cluster_;
  const RunOptions& options_;
  Random random_;
  bool on_ = false;
  std::vector<env::Time> restart_at_;  // of members that are down; Never: not noticed yet
  std::array<size_t, kFaults> counts_{};
};

}  // namespace cairn::sim
