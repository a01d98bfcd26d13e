// Options of one simulated run, all drawn from its seed (swarm testing, Groce et al., ISSTA 2012):
// which faults are on, how strong they are, and how the members are set up. What the command line
// fixes is not drawn.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "src/env/sim/world.h"

namespace cairn::sim {

// The kinds of fault a nemesis knows.
enum class Fault : uint8_t {
  kKill,           // kill -9 of one process
  kPowerLoss,      // of one machine
  kCrashAtFileOp,  // either, in the middle of a file operation
  kCrashAtTask,    // either, between two tasks of a turn
  kAllPowerLoss,   // of every machine at once
  kPause,
  kIsolate,  // one member from all others
  kSplit,    // two halves
  kOneWay,   // one direction between two members
  kReset,    // of connections
  kSlowDisk,
  kClockJump,
  kDiskFull,
  kSyncError,  // the member stops and is started again, with or without its page cache
};
inline constexpr int kFaults = 14;
const char* FaultName(Fault fault);

// Above the streams: whole frames between members.
struct LinkFaults {
  double lose = 0;
  double duplicate = 0;
  double delay = 0;
  env::Duration max_delay = env::milliseconds(100);
};

struct RunOptions {
  uint64_t seed = 0;
  size_t members = 3;
  size_t clients = 4;
  size_t keys = 5;
  env::Duration safety_phase = env::seconds(10);
  env::Duration think_time_max = env::milliseconds(40);
  env::Duration request_timeout = env::milliseconds(1500);

  env::sim::WorldOptions world;
  LinkFaults link;
  bool fault_on[kFaults] = {};
  env::Duration fault_gap_max = env::milliseconds(1500);
  env::Duration fault_length_max = env::milliseconds(2000);

  env::Duration heartbeat = env::milliseconds(50);
  env::Duration election = env::milliseconds(500);
  bool pre_vote = true;
  bool check_quorum = true;
  uint64_t segment_bytes = 64 << 10;
  size_t inline_sync_bytes = 64 << 10;
  size_t window_bytes = 16 << 10;
  uint64_t max_log_ahead_bytes = 64 << 10;
  uint64_t least_cut_entries = 20;
  size_t value_bytes_max = 200;
  size_t max_append_bytes = 4096;
  uint32_t max_inflight_messages = 16;
  size_t max_cache_bytes = 64 << 10;
  size_t max_uncommitted_bytes = 1 << 20;

  bool AnyFault() const;
  std::string ToString() const;
};

struct Overrides {
  std::optional<size_t> members;
  std::optional<size_t> clients;
  std::optional<env::Duration> safety_phase;
  bool no_faults = false;
  std::optional<Fault> only;  // this kind of fault, and perfect links
};

RunOptions DrawOptions(uint64_t seed, const Overrides& overrides);

}  // namespace cairn::sim
