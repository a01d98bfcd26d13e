// What a write costs in the log, on a real disk: wal_bench [directory]. Prints CPU per entry, all
// threads, and the latency from Append to done, for batches of several sizes, inline and on the
// worker.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "src/env/posix/real_env.h"
#include "src/wal/wal.h"

namespace cairn::wal {
namespace {

double CpuMicros() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto micros = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

// A disk that takes everything at once: what is left is the log's own work.
class NoDisk final : public env::FileSystem {
 public:
  explicit NoDisk(env::FileSystem& real) : real_(real) {}
  Result<std::unique_ptr<env::File>> Open(const std::string& path, env::OpenMode mode) override {
    auto file = real_.Open(path, mode);
    if (!file.ok() || !path.ends_with(".wal")) return file;
    return std::unique_ptr<env::File>(std::make_unique<NoFile>(std::move(*file)));
  }
  Status CreateDirectories(const std::string& path) override {
    return real_.CreateDirectories(path);
  }
  Result<std::vector<std::string>> List(const std::string& path) override {
    return real_.List(path);
  }
  bool Exists(const std::string& path) override { return real_.Exists(path); }
  Status Rename(const std::string& a, const std::string& b) override { return real_.Rename(a, b); }
  Status Remove(const std::string& path) override { return real_.Remove(path); }
  Status SyncDirectory(const std::string& path) override { return real_.SyncDirectory(path); }
  Result<std::unique_ptr<env::FileLock>> Lock(const std::string& p) override {
    return real_.Lock(p);
  }
  Result<env::DiskSpace> Space(const std::string& path) override { return real_.Space(path); }

 private:
  class NoFile final : public env::File {
   public:
    explicit NoFile(std::unique_ptr<env::File> real) : real_(std::move(real)) {}
    Result<size_t> ReadAt(uint64_t o, std::span<char> into) override {
      return real_->ReadAt(o, into);
    }
    Status WriteAt(uint64_t, std::span<const std::string_view>) override { return OkStatus(); }
    Status Sync() override { return OkStatus(); }
    Status Allocate(uint64_t size) override { return real_->Allocate(size); }
    Status Truncate(uint64_t size) override { return real_->Truncate(size); }
    Result<uint64_t> Size() override { return real_->Size(); }

   private:
    std::unique_ptr<env::File> real_;
  };
  env::FileSystem& real_;
};

struct Shape {
  size_t batch;
  bool inline_sync;
  bool disk;
  int rounds;
};

void Measure(const std::string& directory, const Shape& shape) {
  std::filesystem::remove_all(directory);
  env::posix::RealEnv real;
  NoDisk no_disk(real.env().files);
  env::Env env{real.loop(), shape.disk ? real.env().files : no_disk, real.env().network};
  Options options;
  options.directory = directory;
  options.inline_sync_bytes = shape.inline_sync ? 1 << 20 : 0;
  if (!shape.disk) {  // the first segment is opened again, through NoDisk
    CHECK(Wal::Open(env, options).ok());
    real.loop().RunTurn(env::Duration(0));
    auto wal = std::move(*Wal::Open(env, options));
    wal->Append({kFirstGroup, raft::HardState{Term(1), NodeId(1), LogIndex(0)}, {}, true},
                [](const Status&) {});
    real.loop().RunTurn(env::Duration(0));
  }
  auto wal = std::move(*Wal::Open(env, options));
  BytesArena arena;
  uint64_t index = wal->Recovered(kFirstGroup).log.last.value;
  std::vector<double> micros;
  const uint64_t stop_bytes = options.segment_bytes / 5;  // before the next segment is prepared
  size_t entries = 0;
  double cpu = 0;
  for (int round = 0; round < shape.rounds && wal->stats().bytes_written < stop_bytes; ++round) {
    std::vector<raft::Entry> batch;
    for (size_t i = 0; i < shape.batch; ++i) {
      batch.push_back({Term(1), LogIndex(++index), raft::EntryType::kNormal,
                       arena.Copy(std::string(150, static_cast<char>('a' + i % 26)))});
    }
    entries += batch.size();
    bool done = false;
    const double cpu_before = CpuMicros();
    const env::Time begin = real.loop().NowExact();
    wal->Append({kFirstGroup, std::nullopt, std::move(batch), true}, [&](const Status& s) {
      CHECK(s.ok(), s.ToString());
      done = true;
    });
    while (!done) real.loop().RunTurn(env::seconds(1));
    micros.push_back(static_cast<double>((real.loop().NowExact() - begin).count()) / 1e3);
    cpu += CpuMicros() - cpu_before;
    wal->Cut(kFirstGroup, {Term(1), LogIndex(index)});
  }
  std::ranges::sort(micros);
  std::printf("%6zu %-7s %-5s %9.3f %9.1f %9.1f %9.1f\n", shape.batch,
              shape.inline_sync ? "inline" : "worker", shape.disk ? "disk" : "none",
              cpu / static_cast<double>(entries), micros[micros.size() / 2],
              micros[micros.size() * 99 / 100],
              static_cast<double>(wal->stats().bytes_written) / static_cast<double>(entries));
  wal.reset();
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace cairn::wal

int main(int argc, char** argv) {
  const std::string directory = std::string(argc > 1 ? argv[1] : ".") + "/wal_bench.data";
  std::printf("%6s %-7s %-5s %9s %9s %9s %9s\n", "batch", "sync", "disk", "cpu us", "p50 us",
              "p99 us", "bytes");
  for (const size_t batch : {1, 8, 64, 512}) {
    cairn::wal::Measure(directory, {batch, true, false, 20'000});
    cairn::wal::Measure(directory, {batch, true, true, 2'000});
    cairn::wal::Measure(directory, {batch, false, true, 2'000});
  }
  return 0;
}
