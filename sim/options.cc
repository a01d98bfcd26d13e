#include "sim/options.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/base/random.h"

namespace cairn::sim {

using env::Duration;
using env::microseconds;
using env::milliseconds;
using env::seconds;

const char* FaultName(Fault fault) {
  static constexpr const char* kNames[kFaults] = {
      "kill",           "power-loss", "crash-at-file-op", "crash-at-task",
      "all-power-loss", "pause",      "isolate",          "split",
      "one-way",        "reset",      "slow-disk",        "clock-jump",
      "disk-full",      "sync-error"};
  return kNames[static_cast<int>(fault)];
}

bool RunOptions::AnyFault() const {
  for (const bool on : fault_on) {
    if (on) return true;
  }
  return false;
}

namespace {

// One of the choices, each as likely.
template <class T>
T OneOf(Random& random, std::initializer_list<T> choices) {
  return *(choices.begin() + random.Below(choices.size()));
}

void DrawWorld(Random& random, RunOptions* o) {
  env::sim::NetworkOptions& net = o->world.network;
  net.latency_min = microseconds(OneOf(random, {10, 50, 500}));
  net.latency_max = net.latency_min + microseconds(OneOf(random, {50, 500, 5000, 20000}));
  net.spike_chance = OneOf(random, {0.0, 0.0, 0.01, 0.1});
  net.spike_max = milliseconds(OneOf(random, {20, 100, 400}));
  net.split_chance = OneOf(random, {0.0, 0.1, 0.5});
  net.short_write_chance = OneOf(random, {0.0, 0.1, 0.3});
  net.buffer_bytes = OneOf<size_t>(random, {8 << 10, 64 << 10, 1 << 20});
  net.bytes_per_second = OneOf<uint64_t>(random, {0, 0, 2 << 20, 50 << 20});
  env::sim::DiskOptions& disk = o->world.disk;
  disk.sync_min = microseconds(OneOf(random, {50, 100, 1000}));
  disk.sync_max = disk.sync_min * OneOf(random, {2, 10, 30});
  disk.writeback_chance = OneOf(random, {0.0, 0.25, 0.75});
  o->world.task_time = microseconds(OneOf(random, {1, 5}));
  o->world.turn_time_max = microseconds(OneOf(random, {5, 50, 300}));
}

void DrawMember(Random& random, RunOptions* o) {
  // No faster than the network can carry, as whoever sets up a cluster would have it.
  o->heartbeat = std::max<Duration>(milliseconds(OneOf(random, {20, 50, 100})),
                                    3 * o->world.network.latency_max);
  o->election = o->heartbeat * static_cast<int>(random.Between(5, 10));
  o->pre_vote = !random.Chance(0.2);
  o->check_quorum = !random.Chance(0.2);
  o->segment_bytes = OneOf<uint64_t>(random, {64 << 10, 128 << 10, 1 << 20});
  o->inline_sync_bytes = OneOf<size_t>(random, {0, 512, 64 << 10});
  o->window_bytes = OneOf<size_t>(random, {4 << 10, 16 << 10, 1 << 20});
  o->max_log_ahead_bytes = OneOf<uint64_t>(random, {16 << 10, 64 << 10, 1 << 20});
  o->least_cut_entries = OneOf<uint64_t>(random, {1, 20, 100});
  o->max_append_bytes = OneOf<size_t>(random, {64, 1024, 64 << 10});
  o->max_inflight_messages = OneOf<uint32_t>(random, {1, 4, 64});
  o->max_cache_bytes = OneOf<size_t>(random, {512, 16 << 10, 1 << 20});
  o->max_uncommitted_bytes = OneOf<size_t>(random, {4 << 10, 1 << 20});
  o->value_bytes_max = OneOf<size_t>(random, {40, 300, 3000});
}

void DrawFaults(Random& random, RunOptions* o) {
  if (random.Chance(0.5)) o->link.lose = OneOf(random, {0.001, 0.02, 0.1});
  if (random.Chance(0.5)) o->link.duplicate = OneOf(random, {0.01, 0.1});
  if (random.Chance(0.5)) o->link.delay = OneOf(random, {0.01, 0.1, 0.3});
  // Often a little late, or seldom very late.
  o->link.max_delay = o->link.delay > 0.05 ? o->election / 2 : o->election * OneOf(random, {1, 4});
  for (bool& on : o->fault_on) on = random.Chance(0.4);
  if (random.Chance(0.6)) o->fault_on[static_cast<int>(Fault::kDiskFull)] = false;
  if (random.Chance(0.6)) o->fault_on[static_cast<int>(Fault::kSyncError)] = false;
  if (!o->AnyFault()) o->fault_on[random.Below(kFaults)] = true;
  // Not so fast that no leader could ever be elected in between.
  o->fault_gap_max =
      std::max<Duration>(milliseconds(OneOf(random, {400, 1000, 3000})), 2 * o->election);
  o->fault_length_max = milliseconds(OneOf(random, {300, 1000, 3000}));
}

}  // namespace

RunOptions DrawOptions(uint64_t seed, const Overrides& overrides) {
  Random random(seed ^ 0x5eed);
  RunOptions o;
  o.seed = seed;
  o.members = random.Chance(0.25) ? 5 : 3;
  o.clients = random.Between(3, 7);
  o.keys = random.Between(2, 8);
  o.safety_phase = milliseconds(random.Between(6000, 15000));
  o.think_time_max = milliseconds(OneOf(random, {10, 40, 150}));
  o.request_timeout = milliseconds(OneOf(random, {500, 1500, 4000}));
  DrawWorld(random, &o);
  DrawMember(random, &o);
  DrawFaults(random, &o);
  if (overrides.members) o.members = *overrides.members;
  if (overrides.clients) o.clients = *overrides.clients;
  if (overrides.safety_phase) o.safety_phase = *overrides.safety_phase;
  if (overrides.no_faults || overrides.only) {
    for (bool& on : o.fault_on) on = false;
    o.link = {};
  }
  if (overrides.only) o.fault_on[static_cast<int>(*overrides.only)] = true;
  return o;
}

std::string RunOptions::ToString() const {
  const auto ms = [](Duration d) { return static_cast<double>(d.count()) / 1e6; };
  std::string text = fmt::format(
      "{} members, {} clients, {} keys, {:.1f} s; heartbeat {} ms, election {} ms{}{}; link {}-{} "
      "ms, lose {}, "
      "double {}, delay {}; sync {}-{} ms, inline {} B; segment {} KiB, window {} KiB, append {} "
      "B, cache {} B; "
      "faults:",
      members, clients, keys, ms(safety_phase) / 1e3, ms(heartbeat), ms(election),
      pre_vote ? "" : ", no pre-vote", check_quorum ? "" : ", no check-quorum",
      ms(world.network.latency_min), ms(world.network.latency_max), link.lose, link.duplicate,
      link.delay, ms(world.disk.sync_min), ms(world.disk.sync_max), inline_sync_bytes,
      segment_bytes >> 10, window_bytes >> 10, max_append_bytes, max_cache_bytes);
  for (int i = 0; i < kFaults; ++i) {
    if (fault_on[i]) text += std::string(" ") + FaultName(static_cast<Fault>(i));
  }
  return text;
}

}  // namespace cairn::sim
