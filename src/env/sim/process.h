// Process: one life of a program on a Host, and the env::Env that it runs on. Made by Host::Start.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/env/env.h"
#include "src/env/sim/world.h"

namespace cairn::env::sim {

class Process final : public Executor {
 public:
  Process(Host& host, uint64_t serial, Random random);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() override;

  Env env() { return {*this, *files_, *network_}; }
  Host& host() const { return host_; }
  uint64_t serial() const { return serial_; }
  // False from the moment of the crash on, while the task that it struck runs on without effect.
  bool alive() const { return alive_; }

  // Must destroy everything that was made on this env. Runs once, when the process is dead and none
  // of its tasks runs; what destructors still ask of the env then does nothing.
  void OnDeath(Task destroy) { on_death_ = std::move(destroy); }

  // The process is stopped (SIGSTOP) until resumed; the world goes on.
  void Pause();
  void Resume();
  bool paused() const { return paused_; }

  // Crashes at the nth file operation (1: the next) that changes something: a write may be half
  // done then, anything else is not done.
  void CrashAtFileOperation(uint64_t n, CrashKind kind);
  // Crashes before the nth task (1: the next one, a turn-end task counts as one).
  void CrashAtTask(uint64_t n, CrashKind kind);
  void Crash(CrashKind kind);

  // ---- Executor ----
  Time Now() const override;
  Time NowExact() const override;
  int64_t UnixNanos() const override;
  void Post(Task task) override;
  void AtTurnEnd(Task task) override;
  TimerId Schedule(Time at, Task task) override;
  bool Cancel(TimerId id) override;
  std::unique_ptr<Worker> NewWorker(std::string_view name) override;
  Random& random() override { return random_; }

  // ---- For files and network of this process ----
  World& world() const { return host_.world(); }
  // Virtual time now, as far as the running turn or work has come.
  Time Moment() const;
  // What runs takes so much longer.
  void Spend(Duration time) { spent_ += time; }
  // Counts a file operation; false when the process is dead or dies at this one.
  bool FileOperation(std::string_view kind, uint64_t detail);
  // While on, reading of files is free, never fails by fault, and works for a process that has just
  // died: for an observer that looks at what a member holds.
  void SetInspecting(bool on) { inspecting_ = on; }
  bool inspecting() const { return inspecting_; }
  // Streams, files and the like that live: all must be gone when the process is buried.
  int objects = 0;

 private:
  friend class World;
  friend class SimWorker;

  struct Timer {
    Task task;
    uint32_t generation = 0;
    bool waiting = false;
  };
  struct Item {  // a task, or a timer that is due
    Task task;
    uint32_t timer = UINT32_MAX;
    uint32_t generation = 0;
  };

  void Enqueue(Item item);
  void WantTurn();
  void RunTurn();
  void RunTask(Task& task);
  void RunItem(Item& item);
  void RunWork(uint32_t worker);
  void FinishWork(uint32_t worker);
  void Bury();
  Time FromLocal(Time local) const { return local - clock_start_; }

  Host& host_;
  uint64_t serial_;
  Random random_;
  bool alive_ = true;
  bool paused_ = false;
  bool inspecting_ = false;
  CrashKind crash_kind_ = CrashKind::kProcess;
  uint64_t crash_at_file_operation_ = 0;  // 0: not armed
  CrashKind file_crash_kind_ = CrashKind::kProcess;
  uint64_t crash_at_task_ = 0;
  CrashKind task_crash_kind_ = CrashKind::kProcess;

  Duration clock_start_;  // what this process's clock showed at the world's beginning
  Duration spent_{0};     // by what runs now
  bool in_turn_ = false;
  bool running_ = false;  // a turn, or a worker's work
  bool turn_wanted_ = false;
  Time busy_until_{};

  std::vector<Item> inbox_;
  std::vector<Task> turn_end_;
  size_t next_turn_end_ = 0;
  std::vector<Timer> timers_;
  std::vector<uint32_t> free_timers_;
  std::vector<class SimWorker*> workers_;  // by number; null once destroyed
  std::vector<uint32_t> held_work_;        // came due while paused

  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<Network> network_;
  Task on_death_;
};

// The file system of `process`, on its host's disk.
std::unique_ptr<FileSystem> NewFileSystem(Process& process);
// The network of `process`, on the world's fabric.
std::unique_ptr<Network> NewNetwork(Process& process);

}  // namespace cairn::env::sim
