#include "src/env/posix/worker.h"

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace cairn::env::posix {
namespace {

class ThreadWorker final : public Worker {
 public:
  ThreadWorker(Executor* executor, std::string_view name)
      : executor_(executor), life_(std::make_shared<Life>()) {
    // Signals are for the loop's thread: a new thread inherits the mask it is started under.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { Main(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread_.native_handle(), std::string(name.substr(0, 15)).c_str());
  }
  ThreadWorker(const ThreadWorker&) = delete;
  ThreadWorker& operator=(const ThreadWorker&) = delete;

  ~ThreadWorker() override {
    life_->over = true;
    std::deque<Job> dropped;
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      dropped.swap(jobs_);
    }
    wake_.notify_one();
    dropped.clear();
    thread_.join();
  }

  void Run(Task work, Task done) override {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back({std::move(work), std::move(done)});
    }
    wake_.notify_one();
  }

 private:
  struct Job {
    Task work;
    Task done;
  };
  // Shared with what was posted to the loop and may run after the worker is gone. Loop's thread
  // only.
  struct Life {
    bool over = false;
  };

  void Main() {
    while (true) {
      Job job;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
        if (stop_) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      job.work();
      // The work goes back too: what it holds is destroyed on the loop, where it was made.
      executor_->Post([life = life_, back = std::move(job)]() mutable {
        if (!life->over && back.done) back.done();
      });
    }
  }

  Executor* const executor_;
  const std::shared_ptr<Life> life_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;  // guarded by mutex_
  bool stop_ = false;     // guarded by mutex_
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Worker> MakeThreadWorker(Executor* executor, std::string_view name) {
  return std::make_unique<ThreadWorker>(executor, name);
}

}  // namespace cairn::env::posix
