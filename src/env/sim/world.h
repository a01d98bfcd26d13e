// World: the simulated world of one run. It owns virtual time, one seed and one queue of events;
// everything that happens in a run, on any machine, happens because the world took the next event
// off that queue. One thread. The same seed and the same calls give the same run; hash() proves it.
//
// A Host is a machine: a disk, a clock, and at most one Process at a time. A Process is one life of
// a program on it: the executor, files and network that it is given end with it. Kill ends a life
// at any await point: between two events, between any two tasks of a turn (CrashAtTask), or in the
// middle of its file operations (CrashAtFileOperation); what follows of the running task then does
// nothing.
//
// Time: an event may run only when its process is idle and not paused; a turn takes time (each task
// a little, file operations as much as the disk needs), and what arrives meanwhile is gathered for
// the next turn, as an epoll loop does. What a turn sends leaves when the turn has come that far.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/random.h"
#include "src/env/env.h"
#include "src/env/sim/disk.h"
#include "src/env/sim/network.h"

namespace cairn::env::sim {

class Host;
class Process;

enum class CrashKind : uint8_t {
  kProcess,  // kill -9: the page cache survives, the kernel closes the connections
  kPower,    // the disk keeps what Disk says; peers hear nothing until they ask the next life
};

struct WorldOptions {
  DiskOptions disk;
  NetworkOptions network;
  Duration task_time = microseconds(1);
  Duration turn_time_max = microseconds(20);      // beside its tasks; drawn up to this
  Duration worker_start_max = microseconds(100);  // until a worker's thread wakes up
};

class World {
 public:
  explicit World(uint64_t seed, const WorldOptions& options = {});
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();  // kills what runs

  // Hosts live as long as the world.
  Host& AddHost(std::string name);
  const std::vector<std::unique_ptr<Host>>& hosts() const { return hosts_; }

  Time now() const { return now_; }
  // The harness's own chance. Network, disks and processes have theirs, split off the same seed.
  Random& random() { return random_; }
  const WorldOptions& options() const { return options_; }
  Fabric& network() { return *fabric_; }
  // Whose code runs now; null between events and in the world's own tasks.
  const Host* running() const { return running_; }

  // Runs `task` in the world, outside every process.
  void At(Time at, Task task);
  void After(Duration delay, Task task) { At(now_ + delay, std::move(task)); }

  // Takes one event off the queue; false when there is none.
  bool Step();
  void RunUntil(Time end);
  void RunFor(Duration duration) { RunUntil(now_ + duration); }
  // Until `done` holds after some event (true) or the time is over (false).
  bool RunUntil(Time end, absl::FunctionRef<bool()> done);

  // Called after every turn (or worker's work) of a process, before its death takes effect.
  void SetObserver(absl::AnyInvocable<void(Host&)> observer) { observer_ = std::move(observer); }

  // Over every event so far: its time, kind, place and bytes, in order.
  uint64_t hash() const { return hash_; }
  uint64_t events() const { return events_; }

 private:
  friend class Host;
  friend class Process;
  friend class Fabric;
  friend class SimWorker;

  enum class Kind : uint8_t { kTask, kTurn, kTimer, kWork, kWorkDone };
  struct Event {
    Time at;
    uint64_t order;
    Kind kind;
    uint32_t slot;                          // of the task, timer or worker
    uint32_t generation;                    // of a timer's slot
    uint64_t process;                       // serial; 0: the world's own
    bool operator<(const Event& o) const {  // the heap's top is the greatest
      return at != o.at ? at > o.at : order > o.order;
    }
  };

  void Push(Time at, Kind kind, uint64_t process, uint32_t slot, uint32_t generation);
  void Mix(uint64_t value) { hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15u, hash_ ^= hash_ >> 29; }
  Process* Living(uint64_t serial) const;
  void BuryTheDead();

  WorldOptions options_;
  Random random_;
  Random timing_;
  Time now_{};
  uint64_t order_ = 0;
  uint64_t hash_ = 0;
  uint64_t events_ = 0;
  uint64_t last_serial_ = 0;
  bool someone_died_ = false;
  bool stepping_ = false;
  const Host* running_ = nullptr;
  std::priority_queue<Event> queue_;
  std::vector<Task> tasks_;
  std::vector<uint32_t> free_tasks_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::map<uint64_t, std::unique_ptr<Process>> processes_;
  std::unique_ptr<Fabric> fabric_;
  absl::AnyInvocable<void(Host&)> observer_;
};

class Host {
 public:
  const std::string& name() const { return name_; }
  size_t index() const { return index_; }  // in World::hosts
  Disk& disk() { return disk_; }
  World& world() { return world_; }

  // Starts a life; `main` is its first task. There must be none.
  Process& Start(absl::AnyInvocable<void(Process&)> main);
  // Ends the life that there is, if any: now, or when the running task returns.
  void Kill(CrashKind kind);
  // The running process; null when there is none or it has crashed already.
  Process* process() const;
  // As process(), but also the one that has just crashed, until its end takes effect: for
  // observers.
  Process* observed() const { return process_; }
  // Nothing answers on the network: the power went, and no process has been started since.
  bool power_off() const { return power_off_; }

  // Nanoseconds that this machine's wall clock is off.
  void SetWallClockOffset(Duration offset) { wall_offset_ = offset; }

 private:
  friend class World;
  friend class Process;
  Host(World& world, std::string name, size_t index, Random random);

  World& world_;
  std::string name_;
  size_t index_;
  Disk disk_;
  Duration wall_offset_{0};
  bool power_off_ = false;  // the last life ended so, and none has begun since
  Process* process_ = nullptr;
};

}  // namespace cairn::env::sim
