// What a put, a read and a key cost in the store, on the real files. Not a test: prints figures.
//
//   mvcc_bench [--keys N] [--puts N] [--key-bytes N] [--value-bytes N] [--window-mb N] [--dir PATH]
//
// Puts draw from `keys` keys at random. CPU is told by thread: the loop (apply), the flush worker,
// and RocksDB's compaction, which runs at low priority and is not counted into a put.
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include "src/base/check.h"
#include "src/base/random.h"
#include "src/env/posix/real_env.h"
#include "src/mvcc/rocksdb_files.h"
#include "src/mvcc/store.h"

namespace cairn::mvcc {
namespace {

struct Args {
  uint64_t keys = 1'000'000, puts = 3'000'000, key_bytes = 16, value_bytes = 128, window_mb = 32;
  std::string dir = "/tmp";
};

// CPU seconds so far by what the threads are for.
struct Cpu {
  double loop = 0, flush = 0, compaction = 0, other = 0;
  double counted() const { return loop + flush + other; }
};

Cpu CpuByThread() {
  Cpu cpu;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    // Nanoseconds on the processor, then waiting.
    double nanos = 0;
    std::ifstream(task.path() / "schedstat") >> nanos;
    const double seconds = nanos * 1e-9;
    if (task.path().filename() == std::to_string(getpid())) {
      cpu.loop += seconds;
    } else if (name.starts_with("flush")) {
      cpu.flush += seconds;
    } else if (name.starts_with("rocksdb")) {
      cpu.compaction += seconds;
    } else {
      cpu.other += seconds;
    }
  }
  return cpu;
}

uint64_t StatusKb(const char* field) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(field))
      return std::strtoull(line.c_str() + strlen(field) + 1, nullptr, 10);
  }
  return 0;
}

class Bench {
 public:
  explicit Bench(const Args& args) : args_(args), value_(args.value_bytes, 'v') {
    folder_ = args.dir + "/mvcc_bench_XXXXXX";
    CHECK(mkdtemp(folder_.data()) != nullptr);
    Open();
  }
  ~Bench() {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Run() {
    Timed("put, all keys once, random order", args_.keys, [&](uint64_t i) {
      Put(Scatter(i));
      return 1;
    });
    Memory();
    Timed("put, random keys", args_.puts, [&](uint64_t) {
      Put(random_.Below(args_.keys));
      return 1;
    });
    Memory();
    Drain();
    Timed("get, random keys", args_.keys / 4, [&](uint64_t) {
      return Range({.keys = {Key(random_.Below(args_.keys)), {}}});
    });
    Timed("get, random keys, old revision", args_.keys / 20, [&](uint64_t) {
      return Range({.keys = {Key(random_.Below(args_.keys)), {}},
                    .revision = 2 + static_cast<int64_t>(random_.Below(args_.keys))});
    });
    Ranges("range of 100, files only");
    Settle();
    Timed("get, random keys, compacted", args_.keys / 4, [&](uint64_t) {
      return Range({.keys = {Key(random_.Below(args_.keys)), {}}});
    });
    Ranges("range of 100, compacted");
    for (uint64_t i = 0; i < 100'000; ++i) Put(random_.Below(args_.keys));
    Timed("first ordered read after 100,000 puts", 1, [&](uint64_t) { return RangeOf100({}); });
    Ranges("range of 100, window and files");
    Timed("put and then range of 100", args_.keys / 100, [&](uint64_t) {
      Put(random_.Below(args_.keys));
      return RangeOf100({});
    });
    Timed("list of all keys with values", 1, [&](uint64_t) {
      return Range({.keys = {std::string_view("\0", 1), std::string_view("\0", 1)}});
    });
    Timed("count of all keys but one", 1, [&](uint64_t) {
      return Range({.keys = {"0", "~"}, .count_only = true});
    });
    Drain();
    Reopen();
  }

 private:
  void Open() {
    auto files = OpenRocksDbFiles(folder_ + "/store", {});
    CHECK(files.ok(), files.status().ToString());
    auto store =
        Store::Open(env_.loop(), std::move(*files), {.window_bytes = args_.window_mb << 20});
    CHECK(store.ok(), store.status().ToString());
    store_ = std::move(*store);
    store_->SetFlushObserver([](const Status& s) { CHECK(s.ok(), s.ToString()); });
  }

  // A permutation of [0, keys): multiplication by an odd number modulo a power of two, walked until
  // inside.
  uint64_t Scatter(uint64_t i) const {
    uint64_t size = 1;
    while (size < args_.keys) size *= 2;
    do {
      i = (i * 0x9e3779b97f4a7c15u + 12345) & (size - 1);
    } while (i >= args_.keys);
    return i;
  }
  std::string_view Key(uint64_t i) {
    char digits[24];
    const int n = std::snprintf(digits, sizeof digits, "%010" PRIu64, i * 7919);
    key_.assign(args_.key_bytes > static_cast<uint64_t>(n) ? args_.key_bytes - n : 0, 'k');
    key_.append(digits, n);
    return key_;
  }
  void Put(uint64_t i) {
    while (store_->overloaded()) env_.loop().RunTurn(env::milliseconds(10));
    WriteTxn& txn = store_->Begin({Term(1), store_->applied().index.Next()});
    CHECK(txn.Put(Key(i), value_, 0).ok());
    txn.Commit();
  }
  int64_t Range(const RangeQuery& query) {
    uint64_t bytes = 0;
    const auto summary =
        store_->Range(query, [&](const KeyValue& kv) { bytes += kv.key.size() + kv.value.size(); });
    CHECK(summary.ok(), summary.status().ToString());
    return summary->count;
  }
  int64_t RangeOf100(RangeQuery query) {
    const uint64_t from = random_.Below(args_.keys - 100);
    const std::string first(Key(from)), last(Key(from + 100));
    query.keys = {first, last};
    const int64_t n = Range(query);
    return n;
  }
  void Ranges(const char* name) {
    Timed(name, args_.keys / 200, [&](uint64_t) { return RangeOf100({}); });
  }
  void Drain() {
    store_->Flush();
    while (store_->durable() != store_->applied()) env_.loop().RunTurn(env::milliseconds(10));
  }
  // Until the compaction threads have had nothing to do for a while.
  void Settle() {
    const env::Time start = env_.loop().NowExact();
    double before = -1;
    for (double now = CpuByThread().compaction; now > before + 0.01;
         now = CpuByThread().compaction) {
      before = now;
      for (int i = 0; i < 20; ++i) env_.loop().RunTurn(env::milliseconds(100));
    }
    std::printf("compaction settled after %.0f s\n",
                std::chrono::duration<double>(env_.loop().NowExact() - start).count());
  }
  void Timed(const char* name, uint64_t n, const std::function<int64_t(uint64_t)>& op) {
    const Cpu before = CpuByThread();
    const env::Time start = env_.loop().NowExact();
    int64_t found = 0;
    env::Duration longest{0};
    for (uint64_t i = 0; i < n; ++i) {
      if (i % 64 == 0) env_.loop().RunTurn(env::Duration(0));
      const env::Time began = i % 16 == 0 ? env_.loop().NowExact() : env::Time{};
      found += op(i);
      if (i % 16 == 0) longest = std::max(longest, env_.loop().NowExact() - began);
    }
    const double seconds = std::chrono::duration<double>(env_.loop().NowExact() - start).count();
    const Cpu after = CpuByThread();
    const double per = 1e6 / static_cast<double>(n);
    std::printf("%-40s %9" PRIu64
                " ops %10.0f/s  CPU us: %.2f (loop %.2f, flush %.2f, other %.2f) and "
                "compaction %.2f; longest of a sample %.2f ms, %.1f keys an op\n",
                name, n, static_cast<double>(n) / seconds,
                (after.counted() - before.counted()) * per, (after.loop - before.loop) * per,
                (after.flush - before.flush) * per, (after.other - before.other) * per,
                (after.compaction - before.compaction) * per,
                std::chrono::duration<double, std::milli>(longest).count(),
                static_cast<double>(found) / static_cast<double>(n));
    std::fflush(stdout);
  }
  void Memory() {
    const StoreStats stats = store_->stats();
    std::printf(
        "  keys %" PRId64 ", RSS %" PRIu64 " MB (peak %" PRIu64
        " MB), window %.1f MB, sealed %.1f MB, files %.1f MB, flushes %" PRIu64 ", last %.0f ms\n",
        stats.keys, StatusKb("VmRSS:") >> 10, StatusKb("VmHWM:") >> 10,
        static_cast<double>(stats.window_bytes) / 1e6,
        static_cast<double>(stats.sealed_bytes) / 1e6, static_cast<double>(stats.files_bytes) / 1e6,
        stats.flushes, std::chrono::duration<double, std::milli>(stats.last_flush).count());
  }
  void Reopen() {
    const int64_t keys = store_->stats().keys;
    store_.reset();
    const env::Time start = env_.loop().NowExact();
    Open();
    CHECK_EQ(store_->stats().keys, keys);
    std::printf("open again: %.0f ms\n",
                std::chrono::duration<double, std::milli>(env_.loop().NowExact() - start).count());
    Timed("put, random keys, nothing cached", args_.keys / 4, [&](uint64_t) {
      Put(random_.Below(args_.keys));
      return 1;
    });
    Memory();
  }

  const Args args_;
  const std::string value_;
  std::string key_, folder_;
  env::posix::RealEnv env_;
  Random random_{1};
  std::unique_ptr<Store> store_;
};

int Main(int argc, char** argv) {
  Args args;
  const std::map<std::string, uint64_t*> numbers = {{"--keys", &args.keys},
                                                    {"--puts", &args.puts},
                                                    {"--key-bytes", &args.key_bytes},
                                                    {"--value-bytes", &args.value_bytes},
                                                    {"--window-mb", &args.window_mb}};
  for (int i = 1; i + 1 < argc; i += 2) {
    if (const auto it = numbers.find(argv[i]); it != numbers.end()) {
      *it->second = std::strtoull(argv[i + 1], nullptr, 10);
    } else if (std::strcmp(argv[i], "--dir") == 0) {
      args.dir = argv[i + 1];
    } else {
      std::fprintf(stderr, "unknown argument %s\n", argv[i]);
      return 2;
    }
  }
  Bench(args).Run();
  return 0;
}

}  // namespace
}  // namespace cairn::mvcc

int main(int argc, char** argv) { return cairn::mvcc::Main(argc, argv); }
