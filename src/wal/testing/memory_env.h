// A disk in memory and a loop stepped by hand, for the log's own tests: every byte on the disk can
// be looked at and changed, every step of the loop and of the workers happens when the test says
// so.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "src/base/random.h"
#include "src/env/env.h"

namespace cairn::wal::testing {

// What readers see (cache) and what a power loss leaves (medium), for contents and for names.
// Folders are not modelled: a path is a name.
class MemoryDisk final : public env::FileSystem {
 public:
  struct Node {
    std::string cache;
    std::string medium;
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  // ---- Faults ----
  // Called before each operation that changes something, with its kind ("write", "sync",
  // "allocate", "rename", "remove", "create", "syncdir") and path; an error is the operation's
  // outcome.
  std::function<Status(std::string_view, const std::string&)> on_change;
  // Called for reads.
  std::function<Status(const std::string&, uint64_t offset)> on_read;

  // Loses what was not synced: each sector of each file is old or new by chance, names are old or
  // new all together.
  void PowerLoss(Random& random) {
    const bool names_survive = random.Chance(0.5);
    if (names_survive) {
      durable_ = names_;
    } else {
      names_ = durable_;
    }
    for (auto& [path, node] : names_) {
      // Sizes: longer of the two, as if the size had been written with some sector.
      node->medium.resize(node->cache.size(), '\0');
      for (size_t at = 0; at < node->cache.size(); at += 512) {
        const size_t n = std::min<size_t>(512, node->cache.size() - at);
        if (random.Chance(0.5)) node->medium.replace(at, n, node->cache, at, n);
      }
      node->cache = node->medium;
    }
  }

  Names& names() { return names_; }
  // The bytes on the disk, cache and medium alike.
  void Overwrite(const std::string& path, uint64_t offset, std::string_view bytes) {
    Node& node = *names_.at(path);
    node.cache.replace(offset, bytes.size(), bytes);
    node.medium.replace(offset, bytes.size(), bytes);
  }
  // A copy that shares nothing; its names and contents are durable.
  std::unique_ptr<MemoryDisk> Clone() const {
    auto copy = std::make_unique<MemoryDisk>();
    for (const auto& [path, node] : names_) {
      copy->names_[path] = std::make_shared<Node>(Node{node->cache, node->cache});
    }
    copy->durable_ = copy->names_;
    return copy;
  }
  std::map<std::string, std::string> Contents() const {
    std::map<std::string, std::string> out;
    for (const auto& [path, node] : names_) out[path] = node->cache;
    return out;
  }

  // ---- FileSystem ----
  Result<std::unique_ptr<env::File>> Open(const std::string& path, env::OpenMode mode) override {
    const auto it = names_.find(path);
    std::shared_ptr<Node> node = it == names_.end() ? nullptr : it->second;
    if (node == nullptr) {
      if (mode == env::OpenMode::kRead || mode == env::OpenMode::kReadWrite) {
        return Status(StatusCode::kNotFound, path + ": no such file");
      }
      if (Status s = Change("create", path); !s.ok()) return s;
      node = names_[path] = std::make_shared<Node>();
    } else if (mode == env::OpenMode::kCreateNew) {
      return Status(StatusCode::kAlreadyExists, path);
    }
    return std::unique_ptr<env::File>(std::make_unique<MemoryFile>(*this, path, std::move(node)));
  }
  Status CreateDirectories(const std::string&) override { return OkStatus(); }
  Result<std::vector<std::string>> List(const std::string& path) override {
    std::vector<std::string> out;
    for (const auto& [name, node] : names_) {
      if (name.starts_with(path + "/")) out.push_back(name.substr(path.size() + 1));
    }
    return out;
  }
  bool Exists(const std::string& path) override { return names_.contains(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    if (Status s = Change("rename", from); !s.ok()) return s;
    if (!names_.contains(from)) return Status(StatusCode::kNotFound, from);
    names_[to] = names_[from];
    names_.erase(from);
    return OkStatus();
  }
  Status Remove(const std::string& path) override {
    if (Status s = Change("remove", path); !s.ok()) return s;
    return names_.erase(path) == 1 ? OkStatus() : Status(StatusCode::kNotFound, path);
  }
  Status SyncDirectory(const std::string& path) override {
    if (Status s = Change("syncdir", path); !s.ok()) return s;
    durable_ = names_;
    return OkStatus();
  }
  Result<std::unique_ptr<env::FileLock>> Lock(const std::string&) override {
    return std::make_unique<env::FileLock>();
  }
  Result<env::DiskSpace> Space(const std::string&) override { return env::DiskSpace{}; }

 private:
  class MemoryFile final : public env::File {
   public:
    MemoryFile(MemoryDisk& disk, std::string path, std::shared_ptr<Node> node)
        : disk_(disk), path_(std::move(path)), node_(std::move(node)) {}
    Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override {
      if (disk_.on_read) {
        for (uint64_t at = offset; at < offset + into.size(); at += 512) {
          if (Status s = disk_.on_read(path_, at); !s.ok()) return s;
        }
      }
      if (offset >= node_->cache.size()) return size_t{0};
      const size_t n = std::min<size_t>(into.size(), node_->cache.size() - offset);
      std::copy_n(node_->cache.begin() + static_cast<std::ptrdiff_t>(offset), n, into.begin());
      return n;
    }
    Status WriteAt(uint64_t offset, std::span<const std::string_view> pieces) override {
      if (Status s = disk_.Change("write", path_); !s.ok()) return s;
      for (const std::string_view piece : pieces) {
        if (node_->cache.size() < offset + piece.size()) node_->cache.resize(offset + piece.size());
        std::copy(piece.begin(), piece.end(),
                  node_->cache.begin() + static_cast<std::ptrdiff_t>(offset));
        offset += piece.size();
      }
      return OkStatus();
    }
    Status Sync() override {
      if (Status s = disk_.Change("sync", path_); !s.ok()) return s;
      node_->medium = node_->cache;
      return OkStatus();
    }
    Status Allocate(uint64_t size) override {
      if (Status s = disk_.Change("allocate", path_); !s.ok()) return s;
      if (node_->cache.size() < size) node_->cache.resize(size);
      return OkStatus();
    }
    Status Truncate(uint64_t size) override {
      node_->cache.resize(size);
      return OkStatus();
    }
    Result<uint64_t> Size() override { return uint64_t{node_->cache.size()}; }

   private:
    MemoryDisk& disk_;
    std::string path_;
    std::shared_ptr<Node> node_;
  };

  Status Change(std::string_view kind, const std::string& path) {
    return on_change ? on_change(kind, path) : OkStatus();
  }

  Names names_;
  Names durable_;
};

// Turns, timers and workers, each stepped by the test.
class HandLoop final : public env::Executor {
 public:
  explicit HandLoop(uint64_t seed) : random_(seed) {}

  env::Time Now() const override { return now_; }
  env::Time NowExact() const override { return now_; }
  int64_t UnixNanos() const override { return 0; }
  void Post(env::Task task) override { posted_.push_back(std::move(task)); }
  void AtTurnEnd(env::Task task) override { turn_end_.push_back(std::move(task)); }
  env::TimerId Schedule(env::Time at, env::Task task) override {
    timers_.emplace(std::pair(at, ++last_timer_), std::move(task));
    return {last_timer_};
  }
  bool Cancel(env::TimerId id) override {
    return std::erase_if(timers_, [id](const auto& t) { return t.first.second == id.value; }) > 0;
  }
  std::unique_ptr<env::Worker> NewWorker(std::string_view name) override {
    return std::make_unique<HandWorker>(*this, std::string(name));
  }
  Random& random() override { return random_; }

  // One turn. False when there was nothing to do.
  bool Turn() {
    bool any = false;
    for (auto tasks = std::exchange(posted_, {}); env::Task & task : tasks) {
      task();
      any = true;
    }
    while (!turn_end_.empty()) {
      env::Task task = std::move(turn_end_.front());
      turn_end_.pop_front();
      task();
      any = true;
    }
    return any;
  }
  // Runs one waiting piece of work of the named worker.
  bool Work(const std::string& worker) {
    for (HandWorker* w : workers_) {
      if (w->name == worker && !w->queue.empty()) {
        auto [work, done] = std::move(w->queue.front());
        w->queue.pop_front();
        work();
        Post(std::move(done));
        return true;
      }
    }
    return false;
  }
  // Runs everything but timers until nothing is left to do.
  void Settle() {
    while (Turn() || Work("wal-write") || Work("wal-prepare")) {
    }
  }
  // Lets the time pass, timers included.
  void Pass(env::Duration duration) {
    const env::Time end = now_ + duration;
    Settle();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      auto node = timers_.extract(timers_.begin());
      now_ = std::max(now_, node.key().first);
      node.mapped()();
      Settle();
    }
    now_ = end;
  }
  size_t timers() const { return timers_.size(); }

 private:
  struct HandWorker final : env::Worker {
    HandWorker(HandLoop& l, std::string n) : loop(l), name(std::move(n)) {
      loop.workers_.push_back(this);
    }
    ~HandWorker() override { std::erase(loop.workers_, this); }
    void Run(env::Task work, env::Task done) override {
      queue.emplace_back(std::move(work), std::move(done));
    }
    HandLoop& loop;
    std::string name;
    std::deque<std::pair<env::Task, env::Task>> queue;
  };

  env::Time now_{};
  uint64_t last_timer_ = 0;
  std::map<std::pair<env::Time, uint64_t>, env::Task> timers_;
  std::vector<env::Task> posted_;
  std::deque<env::Task> turn_end_;
  std::vector<HandWorker*> workers_;
  Random random_;
};

class NoNetwork final : public env::Network {
 public:
  Result<std::unique_ptr<env::Listener>> Listen(const env::Address&, AcceptHandler) override {
    return Status(StatusCode::kUnimplemented, "no network here");
  }
  std::unique_ptr<env::Stream> Connect(const env::Address&) override { return nullptr; }
};

}  // namespace cairn::wal::testing
