#include "sim/nemesis.h"

#include <algorithm>

namespace cairn::sim {

using env::Duration;
using env::milliseconds;
using env::Time;
using env::sim::CrashKind;
using env::sim::Host;
using env::sim::Process;

Nemesis::Nemesis(env::sim::World& world, Cluster& cluster, const RunOptions& options)
    : world_(world),
      cluster_(cluster),
      options_(options),
      random_(world.random().Fork()),
      restart_at_(options.members, Time::Never()) {}

size_t Nemesis::faults() const {
  size_t sum = 0;
  for (const size_t n : counts_) sum += n;
  return sum;
}

std::string Nemesis::Summary() const {
  std::string text;
  for (int i = 0; i < kFaults; ++i) {
    if (counts_[i] == 0) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(counts_[i]) + " " +
            FaultName(static_cast<Fault>(i));
  }
  return text.empty() ? "no fault" : text;
}

Duration Nemesis::Length() {
  return milliseconds(20) +
         Duration(random_.Below(static_cast<uint64_t>(options_.fault_length_max.count())));
}

CrashKind Nemesis::AnyCrash() {
  return random_.Chance(0.5) ? CrashKind::kPower : CrashKind::kProcess;
}

void Nemesis::Start() {
  on_ = true;
  Keep();
  if (options_.AnyFault()) ScheduleNext();
}

void Nemesis::ScheduleNext() {
  const Duration gap(random_.Below(static_cast<uint64_t>(options_.fault_gap_max.count())));
  world_.After(gap, [this] {
    if (!on_) return;
    Strike();
    ScheduleNext();
  });
}

// Runs `undo` later, unless everything has been healed by then.
void Nemesis::After(Duration delay, absl::AnyInvocable<void()> undo) {
  world_.After(delay, [this, undo = std::move(undo)]() mutable {
    if (on_) undo();
  });
}

void Nemesis::Strike() {
  std::vector<Fault> allowed;
  for (int i = 0; i < kFaults; ++i) {
    if (options_.fault_on[i]) allowed.push_back(static_cast<Fault>(i));
  }
  Fault fault = allowed[random_.Below(allowed.size())];
  // Nothing else happens while everybody is down, so that comes more seldom.
  if (fault == Fault::kAllPowerLoss) fault = allowed[random_.Below(allowed.size())];
  ++counts_[static_cast<int>(fault)];
  Do(fault);
}

void Nemesis::Do(Fault fault) {
  switch (fault) {
    case Fault::kKill:
    case Fault::kPowerLoss:
    case Fault::kCrashAtFileOp:
    case Fault::kCrashAtTask:
    case Fault::kAllPowerLoss:
      return Crash(fault);
    case Fault::kIsolate:
    case Fault::kSplit:
    case Fault::kOneWay:
      return Cut(fault);
    case Fault::kSlowDisk:
    case Fault::kDiskFull:
    case Fault::kSyncError:
      return TroubleDisk(fault);
    case Fault::kReset:
      for (uint64_t n = random_.Between(1, 6); n > 0; --n) world_.network().ResetOne(random_);
      return;
    case Fault::kPause: {
      const size_t i = random_.Below(cluster_.size());
      Process* process = cluster_.host(i).process();
      if (process == nullptr || process->paused()) return;
      process->Pause();
      After(Length(), [this, i] {
        if (Process* p = cluster_.host(i).process(); p != nullptr) p->Resume();
      });
      return;
    }
    case Fault::kClockJump: {
      const auto jump = static_cast<int64_t>(random_.Below(120'000)) - 60'000;
      cluster_.host(random_.Below(cluster_.size())).SetWallClockOffset(milliseconds(jump));
      return;
    }
  }
}

void Nemesis::Crash(Fault fault) {
  if (fault == Fault::kAllPowerLoss) {
    for (size_t i = 0; i < cluster_.size(); ++i) cluster_.host(i).Kill(CrashKind::kPower);
    return;
  }
  // The leader more often than chance would have it: that is where most is under way.
  size_t i = random_.Below(cluster_.size());
  if (random_.Chance(0.4)) i = cluster_.Leader().value_or(i);
  Host& host = cluster_.host(i);
  Process* process = host.process();
  if (process == nullptr) return;
  if (fault == Fault::kCrashAtFileOp) {
    process->CrashAtFileOperation(random_.Between(1, 30), AnyCrash());
  } else if (fault == Fault::kCrashAtTask) {
    process->CrashAtTask(random_.Between(1, 200), AnyCrash());
  } else {
    host.Kill(fault == Fault::kKill ? CrashKind::kProcess : CrashKind::kPower);
  }
}

void Nemesis::Cut(Fault fault) {
  env::sim::Fabric& network = world_.network();
  std::vector<std::pair<size_t, size_t>> links;  // from, to
  const size_t n = cluster_.size();
  if (fault == Fault::kOneWay) {
    const size_t from = random_.Below(n);
    links.push_back({from, (from + 1 + random_.Below(n - 1)) % n});
  } else {
    std::vector<bool> side(n);
    if (fault == Fault::kIsolate) {
      side[random_.Below(n)] = true;
      if (random_.Chance(0.4) && cluster_.Leader()) {
        side.assign(n, false);
        side[*cluster_.Leader()] = true;
      }
    } else {
      for (size_t i = 0; i < n; ++i) side[i] = random_.Chance(0.5);
    }
    for (size_t a = 0; a < n; ++a) {
      for (size_t b = 0; b < n; ++b) {
        if (side[a] != side[b]) links.push_back({a, b});
      }
    }
  }
  for (const auto& [a, b] : links) network.Block(cluster_.host(a), cluster_.host(b));
  After(Length(), [this, links] {
    for (const auto& [a, b] : links) world_.network().Unblock(cluster_.host(a), cluster_.host(b));
  });
}

void Nemesis::TroubleDisk(Fault fault) {
  const size_t i = random_.Below(cluster_.size());
  env::sim::Disk& disk = cluster_.host(i).disk();
  if (fault == Fault::kSlowDisk) {
    // Up to half a second for a sync.
    const double most = 5e8 / static_cast<double>(options_.world.disk.sync_max.count());
    disk.faults().sync_slowdown = 2 + random_.Double() * std::min(200.0, most);
  } else if (fault == Fault::kDiskFull) {
    disk.faults().capacity_bytes = disk.used_bytes() + random_.Below(20'000);
    cluster_.SetDiskTrouble(i, true);
  } else {
    disk.faults().sync_error = 0.3;
    cluster_.SetDiskTrouble(i, true);
  }
  After(Length(), [this, i] {
    cluster_.host(i).disk().faults() = {};
    cluster_.SetDiskTrouble(i, false);
  });
}

// Looks after the members every now and then: who is down is started again some time later, and so
// is one whose disk failed. Its page cache may survive that and show what the disk has lost
// (disk.h). Goes on after the faults: what a disk said before may stop a member only then.
void Nemesis::Keep() {
  for (size_t i = 0; i < cluster_.size(); ++i) {
    if (cluster_.Stopped(i)) cluster_.host(i).Kill(AnyCrash());
    if (cluster_.host(i).process() != nullptr) continue;
    if (restart_at_[i] == Time::Never()) {
      restart_at_[i] = world_.now() + Length();
    } else if (restart_at_[i] <= world_.now()) {
      restart_at_[i] = Time::Never();
      cluster_.Start(i);
      // Recovery is a place to crash like any other.
      if (on_ && options_.fault_on[static_cast<int>(Fault::kCrashAtFileOp)] &&
          random_.Chance(0.2)) {
        cluster_.host(i).process()->CrashAtFileOperation(random_.Between(1, 12), AnyCrash());
      }
    }
  }
  world_.After(milliseconds(20), [this] { Keep(); });
}

void Nemesis::Heal() {
  on_ = false;
  world_.network().HealAll();
  world_.network().options().spike_chance = 0;
  cluster_.link_faults() = {};
  for (size_t i = 0; i < cluster_.size(); ++i) {
    Host& host = cluster_.host(i);
    host.disk().faults() = {};
    cluster_.SetDiskTrouble(i, false);
    if (cluster_.Stopped(i)) host.Kill(AnyCrash());
    if (Process* process = host.process(); process != nullptr) {
      process->CrashAtFileOperation(0, CrashKind::kProcess);  // disarmed
      process->CrashAtTask(0, CrashKind::kProcess);
      process->Resume();
    } else {
      restart_at_[i] = Time::Never();
      cluster_.Start(i);
    }
  }
}

}  // namespace cairn::sim
