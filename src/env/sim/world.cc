#include "src/env/sim/world.h"

#include <utility>

#include "src/env/sim/process.h"

namespace cairn::env::sim {

World::World(uint64_t seed, const WorldOptions& options)
    : options_(options),
      random_(seed),
      timing_(random_.Fork()),
      fabric_(std::make_unique<Fabric>(*this, random_.Fork(), options.network)) {}

World::~World() {
  for (const auto& host : hosts_) host->Kill(CrashKind::kProcess);
  BuryTheDead();
}

Host& World::AddHost(std::string name) {
  hosts_.push_back(
      std::unique_ptr<Host>(new Host(*this, std::move(name), hosts_.size(), random_.Fork())));
  return *hosts_.back();
}

void World::Push(Time at, Kind kind, uint64_t process, uint32_t slot, uint32_t generation) {
  queue_.push({std::max(at, now_), ++order_, kind, slot, generation, process});
}

void World::At(Time at, Task task) {
  uint32_t slot = static_cast<uint32_t>(tasks_.size());
  if (free_tasks_.empty()) {
    tasks_.push_back(std::move(task));
  } else {
    slot = free_tasks_.back();
    free_tasks_.pop_back();
    tasks_[slot] = std::move(task);
  }
  Push(at, Kind::kTask, 0, slot, 0);
}

Process* World::Living(uint64_t serial) const {
  auto it = processes_.find(serial);
  return it != processes_.end() && it->second->alive() ? it->second.get() : nullptr;
}

bool World::Step() {
  if (queue_.empty()) return false;
  const Event event = queue_.top();
  queue_.pop();
  now_ = event.at;
  stepping_ = true;
  ++events_;
  Mix(static_cast<uint64_t>(event.at.since_start.count()));
  Mix((event.process << 8) | static_cast<uint64_t>(event.kind));
  if (event.kind == Kind::kTask) {
    Task task = std::exchange(tasks_[event.slot], nullptr);
    free_tasks_.push_back(event.slot);
    task();
  } else if (Process* process = Living(event.process); process != nullptr) {
    switch (event.kind) {
      case Kind::kTurn:
        process->RunTurn();
        break;
      case Kind::kTimer:
        process->Enqueue({nullptr, event.slot, event.generation});
        break;
      case Kind::kWork:
        process->RunWork(event.slot);
        break;
      case Kind::kWorkDone:
        process->FinishWork(event.slot);
        break;
      case Kind::kTask:
        break;
    }
  }
  stepping_ = false;
  if (someone_died_) BuryTheDead();
  return true;
}

void World::RunUntil(Time end) {
  while (!queue_.empty() && queue_.top().at <= end) Step();
  now_ = std::max(now_, end);
}

bool World::RunUntil(Time end, absl::FunctionRef<bool()> done) {
  while (!done()) {
    if (queue_.empty() || queue_.top().at > end) {
      now_ = std::max(now_, end);
      return false;
    }
    Step();
  }
  return true;
}

void World::BuryTheDead() {
  someone_died_ = false;
  for (const auto& host : hosts_) {
    Process* process = host->process_;
    if (process == nullptr || process->alive()) continue;
    process->Bury();
    host->process_ = nullptr;
    processes_.erase(process->serial());
  }
}

Host::Host(World& world, std::string name, size_t index, Random random)
    : world_(world), name_(std::move(name)), index_(index), disk_(random, world.options().disk) {}

Process& Host::Start(absl::AnyInvocable<void(Process&)> main) {
  CHECK(process_ == nullptr, name_ + " runs already");
  const uint64_t serial = ++world_.last_serial_;
  auto made = std::make_unique<Process>(*this, serial, world_.random_.Fork());
  process_ = made.get();
  power_off_ = false;
  world_.processes_.emplace(serial, std::move(made));
  process_->Post([main = std::move(main), p = process_]() mutable { main(*p); });
  return *process_;
}

Process* Host::process() const {
  return process_ != nullptr && process_->alive() ? process_ : nullptr;
}

void Host::Kill(CrashKind kind) {
  if (Process* running = process(); running != nullptr) running->Crash(kind);
  if (!world_.stepping_) world_.BuryTheDead();
}

}  // namespace cairn::env::sim
