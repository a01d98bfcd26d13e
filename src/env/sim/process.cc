#include "src/env/sim/process.h"

#include <deque>
#include <utility>

#include "src/base/checksum.h"

namespace cairn::env::sim {
namespace {

// A turn that never ends would hang the run instead of failing it.
constexpr size_t kMaxTasksInTurn = 1'000'000;

// Wall clocks start here: 2024-01-01.
constexpr int64_t kUnixStart = 1'704'067'200'000'000'000;

Duration Upto(Random& random, Duration max) {
  return Duration(static_cast<int64_t>(random.Below(static_cast<uint64_t>(max.count()) + 1)));
}

}  // namespace

class SimWorker final : public Worker {
 public:
  SimWorker(Process& process, uint32_t number) : process_(process), number_(number) {
    ++process_.objects;
  }
  ~SimWorker() override {
    process_.workers_[number_] = nullptr;
    --process_.objects;
  }

  void Run(Task work, Task done) override {
    if (!process_.alive()) return;
    jobs_.push_back({std::move(work), std::move(done)});
    if (jobs_.size() == 1) ScheduleNext();
  }

  void ScheduleNext() {
    World& world = process_.world();
    world.Push(process_.Moment() + Upto(world.timing_, world.options_.worker_start_max),
               World::Kind::kWork, process_.serial_, number_, 0);
  }

  struct Job {
    Task work;
    Task done;
  };
  std::deque<Job> jobs_;  // the first one is under way

 private:
  Process& process_;
  uint32_t number_;
};

Process::Process(Host& host, uint64_t serial, Random random)
    : host_(host),
      serial_(serial),
      random_(random),
      clock_start_(Upto(random_, seconds(3600))),
      files_(NewFileSystem(*this)),
      network_(NewNetwork(*this)) {}

Process::~Process() = default;

// ---- Time ----

Time Process::Moment() const { return running_ ? world().now() + spent_ : world().now(); }

Time Process::Now() const { return world().now() + clock_start_; }

Time Process::NowExact() const { return Moment() + clock_start_; }

int64_t Process::UnixNanos() const {
  return kUnixStart + (Moment().since_start + host_.wall_offset_).count();
}

// ---- Tasks ----

void Process::WantTurn() {
  if (turn_wanted_ || paused_ || !alive_) return;
  turn_wanted_ = true;
  World& w = world();
  Time at = std::max(w.now(), busy_until_);
  if (running_ && in_turn_) at = Moment();
  w.Push(at, World::Kind::kTurn, serial_, 0, 0);
}

void Process::Enqueue(Item item) {
  inbox_.push_back(std::move(item));
  if (!in_turn_) WantTurn();  // a running turn asks for the next one when it ends
}

void Process::Post(Task task) {
  if (alive_) Enqueue({std::move(task)});
}

void Process::AtTurnEnd(Task task) {
  if (!alive_) return;
  turn_end_.push_back(std::move(task));
  if (!in_turn_) WantTurn();
}

TimerId Process::Schedule(Time at, Task task) {
  if (!alive_) return {};
  uint32_t slot = static_cast<uint32_t>(timers_.size());
  if (free_timers_.empty()) {
    timers_.emplace_back();
  } else {
    slot = free_timers_.back();
    free_timers_.pop_back();
  }
  Timer& timer = timers_[slot];
  timer.task = std::move(task);
  timer.waiting = true;
  ++timer.generation;
  if (at < Time::Never()) {
    world().Push(std::max(FromLocal(at), Moment()), World::Kind::kTimer, serial_, slot,
                 timer.generation);
  }
  return TimerId{(static_cast<uint64_t>(timer.generation) << 32) | slot};
}

bool Process::Cancel(TimerId id) {
  const uint32_t slot = static_cast<uint32_t>(id.value);
  const uint32_t generation = static_cast<uint32_t>(id.value >> 32);
  if (generation == 0 || slot >= timers_.size()) return false;
  Timer& timer = timers_[slot];
  if (!timer.waiting || timer.generation != generation) return false;
  timer.waiting = false;
  free_timers_.push_back(slot);
  Task withdrawn = std::exchange(timer.task, nullptr);  // dies here: it may own what calls back
  return true;
}

void Process::RunTask(Task& task) {
  if (crash_at_task_ > 0 && --crash_at_task_ == 0) {
    Crash(task_crash_kind_);
    return;
  }
  spent_ += world().options_.task_time;
  task();
}

void Process::RunItem(Item& item) {
  if (item.timer == UINT32_MAX) {
    RunTask(item.task);
    return;
  }
  Timer& timer = timers_[item.timer];
  if (!timer.waiting || timer.generation != item.generation) return;
  timer.waiting = false;
  free_timers_.push_back(item.timer);
  Task task = std::exchange(timer.task, nullptr);
  RunTask(task);
}

void Process::RunTurn() {
  turn_wanted_ = false;
  if (paused_) return;  // Resume asks for a new one
  if (world().now() < busy_until_) {
    WantTurn();
    return;
  }
  in_turn_ = running_ = true;
  world().running_ = &host_;
  spent_ = Upto(world().timing_, world().options_.turn_time_max);
  std::vector<Item> batch = std::move(inbox_);
  inbox_.clear();
  for (size_t i = 0; i < batch.size() && alive_; ++i) RunItem(batch[i]);
  for (next_turn_end_ = 0; next_turn_end_ < turn_end_.size() && alive_; ++next_turn_end_) {
    CHECK_LT(next_turn_end_, kMaxTasksInTurn);
    Task task = std::move(turn_end_[next_turn_end_]);
    RunTask(task);
  }
  if (alive_) turn_end_.clear();
  busy_until_ = Moment();
  in_turn_ = running_ = false;
  world().running_ = nullptr;
  World& w = world();
  w.Mix(static_cast<uint64_t>(spent_.count()));
  if (w.observer_) w.observer_(host_);
  if (alive_ && (!inbox_.empty() || !turn_end_.empty())) WantTurn();
  batch.clear();
}

void Process::Pause() { paused_ = true; }

void Process::Resume() {
  if (!paused_) return;
  paused_ = false;
  if (!inbox_.empty() || !turn_end_.empty()) WantTurn();
  for (const uint32_t worker : std::exchange(held_work_, {})) {
    world().Push(world().now(), World::Kind::kWork, serial_, worker, 0);
  }
}

// ---- Workers ----

std::unique_ptr<Worker> Process::NewWorker(std::string_view) {
  auto worker = std::make_unique<SimWorker>(*this, static_cast<uint32_t>(workers_.size()));
  workers_.push_back(worker.get());
  return worker;
}

void Process::RunWork(uint32_t number) {
  SimWorker* worker = workers_[number];
  if (worker == nullptr) return;
  if (paused_) {
    held_work_.push_back(number);
    return;
  }
  running_ = true;
  world().running_ = &host_;
  spent_ = {};
  worker->jobs_.front().work();
  World& w = world();
  const Time end = Moment();
  running_ = false;
  w.running_ = nullptr;
  w.Mix(static_cast<uint64_t>(spent_.count()));
  if (w.observer_) w.observer_(host_);
  if (alive_) w.Push(end, World::Kind::kWorkDone, serial_, number, 0);
}

void Process::FinishWork(uint32_t number) {
  SimWorker* worker = workers_[number];
  if (worker == nullptr) return;
  // `done` is dropped with the worker, should that be destroyed before the loop comes to it.
  auto finished = std::make_shared<SimWorker::Job>(std::move(worker->jobs_.front()));
  worker->jobs_.pop_front();
  if (!worker->jobs_.empty()) worker->ScheduleNext();
  Enqueue({[this, number, finished] {
    if (workers_[number] != nullptr && finished->done) finished->done();
  }});
}

// ---- Death ----

void Process::CrashAtFileOperation(uint64_t n, CrashKind kind) {
  crash_at_file_operation_ = n;
  file_crash_kind_ = kind;
}

void Process::CrashAtTask(uint64_t n, CrashKind kind) {
  crash_at_task_ = n;
  task_crash_kind_ = kind;
}

void Process::Crash(CrashKind kind) {
  if (!alive_) return;
  alive_ = false;
  crash_kind_ = kind;
  world().someone_died_ = true;
}

bool Process::FileOperation(std::string_view kind, uint64_t detail) {
  if (!alive_) return false;
  world().Mix(Checksum(kind, detail));
  if (crash_at_file_operation_ > 0 && --crash_at_file_operation_ == 0) {
    Crash(file_crash_kind_);
    return false;
  }
  return true;
}

void Process::Bury() {
  const bool power = crash_kind_ == CrashKind::kPower;
  world().Mix(power ? 0xdead : 0xdeaf);
  world().fabric_->ProcessDied(*this, power);
  world().running_ = &host_;
  if (on_death_) std::exchange(on_death_, nullptr)();
  world().running_ = nullptr;
  inbox_.clear();
  turn_end_.clear();
  timers_.clear();
  CHECK_EQ(objects, 0);  // a stream, file, lock or worker outlives its process
  host_.power_off_ = power;
  if (power) host_.disk_.PowerLoss();
  host_.disk_.ReleaseLocks();
}

}  // namespace cairn::env::sim
