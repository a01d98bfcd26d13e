#include "src/mvcc/sim_files.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "src/base/check.h"
#include "src/base/checksum.h"
#include "src/base/wire.h"

namespace cairn::mvcc {
namespace {

constexpr std::string_view kManifest = "MANIFEST";
constexpr std::string_view kMagic = "cairnrun";
constexpr uint8_t kFormat = 1;
// With so many runs the next batch is merged with all of them: reads stay short.
constexpr size_t kMaxRuns = 6;

Status Damaged(std::string what) {
  return {StatusCode::kDataLoss, "store: " + std::move(what) + " is damaged"};
}

// Durable with every folder on the way, whoever made it: a manifest in a folder that is lost is
// lost.
Status MakeFolder(env::FileSystem& files, const std::string& folder) {
  if (Status s = files.CreateDirectories(folder); !s.ok()) return s;
  for (size_t slash = folder.find('/'); slash != std::string::npos;
       slash = folder.find('/', slash + 1)) {
    const std::string parent = slash == 0 ? "/" : folder.substr(0, slash);
    if (Status s = files.SyncDirectory(parent); !s.ok()) return s;
  }
  return OkStatus();
}

std::string EncodeRun(const SimFiles::Run& run) {
  std::string bytes;
  WireWriter w(&bytes);
  for (const auto& family : run.families) {
    w.Varint(family.size());
    for (const auto& [key, value] : family) {
      w.String(key);
      w.U8(value.has_value() ? 1 : 0);
      if (value.has_value()) w.String(*value);
    }
  }
  return bytes;
}

bool DecodeRun(std::string_view bytes, SimFiles::Run* run) {
  WireReader r(bytes);
  for (auto& family : run->families) {
    const uint64_t count = r.Varint();
    for (uint64_t i = 0; i < count && r.ok(); ++i) {
      SimFiles::Entry entry;
      entry.first = r.String();
      if (r.U8() != 0) entry.second = r.String();
      family.push_back(std::move(entry));
    }
  }
  return r.done();
}

// Newer runs win; what is deleted is gone, for there is nothing below to hide.
void MergeFamily(const SimFiles::Runs& runs, size_t family, std::vector<SimFiles::Entry>* to) {
  std::map<std::string, std::string> all;
  for (const auto& run : runs) {
    for (const auto& [key, value] : run->families[family]) {
      if (value.has_value()) {
        all.insert_or_assign(key, *value);
      } else {
        all.erase(key);
      }
    }
  }
  for (auto& [key, value] : all) to->emplace_back(key, std::move(value));
}

const SimFiles::Entry* FirstAtOrAfter(const std::vector<SimFiles::Entry>& entries,
                                      std::string_view key) {
  auto it = std::lower_bound(entries.begin(), entries.end(), key,
                             [](const auto& e, std::string_view k) { return e.first < k; });
  return entries.data() + (it - entries.begin());
}

class RunsCursor final : public SortedFiles::Cursor {
 public:
  RunsCursor(std::shared_ptr<const SimFiles::Runs> runs, Family family) : runs_(std::move(runs)) {
    for (auto run = runs_->rbegin(); run != runs_->rend(); ++run) {  // newest first
      const auto& entries = (*run)->families[static_cast<size_t>(family)];
      sources_.push_back({&entries, entries.data() + entries.size()});
    }
  }

  void Seek(std::string_view target) override {
    for (Source& s : sources_) s.at = FirstAtOrAfter(*s.entries, target);
    Settle();
  }
  void Next() override {
    CHECK(Valid());
    Pass(current_->first);
    Settle();
  }
  bool Valid() const override { return current_ != nullptr; }
  std::string_view key() const override { return current_->first; }
  std::string_view value() const override { return *current_->second; }
  Status status() const override { return OkStatus(); }

 private:
  struct Source {
    const std::vector<SimFiles::Entry>* entries;
    const SimFiles::Entry* at;
    bool end() const { return at == entries->data() + entries->size(); }
  };
  void Pass(std::string_view key) {
    for (Source& s : sources_) {
      if (!s.end() && s.at->first == key) ++s.at;
    }
  }
  void Settle() {
    while (true) {
      current_ = nullptr;
      for (const Source& s : sources_) {  // the newest wins among equals
        if (!s.end() && (current_ == nullptr || s.at->first < current_->first)) current_ = s.at;
      }
      if (current_ == nullptr || current_->second.has_value()) return;
      Pass(current_->first);
    }
  }

  std::shared_ptr<const SimFiles::Runs> runs_;
  std::vector<Source> sources_;
  const SimFiles::Entry* current_ = nullptr;
};

}  // namespace

class SimFiles::BatchImpl final : public SortedFiles::Batch {
 public:
  explicit BatchImpl(SimFiles* files) : files_(files) {}
  void Put(Family family, std::string_view key, std::string_view value) override {
    Add(family, key, std::string(value));
  }
  void Delete(Family family, std::string_view key) override { Add(family, key, std::nullopt); }
  Status Commit() override { return files_->Commit(std::move(run_)); }

 private:
  void Add(Family family, std::string_view key, std::optional<std::string> value) {
    auto& entries = run_->families[static_cast<size_t>(family)];
    CHECK(entries.empty() || entries.back().first < key, "keys of a batch rise");
    entries.emplace_back(key, std::move(value));
  }
  SimFiles* files_;
  std::shared_ptr<Run> run_ = std::make_shared<Run>();
};

Result<std::unique_ptr<SimFiles>> SimFiles::Open(env::FileSystem& files, std::string folder) {
  std::unique_ptr<SimFiles> opened(new SimFiles(files, std::move(folder)));
  if (Status s = opened->Load(); !s.ok()) return s;
  return opened;
}

Status SimFiles::Load() {
  if (Status s = MakeFolder(files_, folder_); !s.ok()) return s;
  Runs runs;
  std::vector<std::string> wanted;
  if (const std::string path = folder_ + "/" + std::string(kManifest); files_.Exists(path)) {
    Result<std::string> bytes = ReadWholeFile(files_, path);
    if (!bytes.ok()) return bytes.status();
    if (bytes->size() < sizeof(uint64_t)) return Damaged(path);
    const std::string_view body(bytes->data(), bytes->size() - sizeof(uint64_t));
    WireReader sum(std::string_view(*bytes).substr(body.size()));
    if (sum.U64() != Checksum(body)) return Damaged(path);
    WireReader r(body);
    if (r.Bytes(kMagic.size()) != kMagic || r.U8() != kFormat) return Damaged(path);
    next_number_ = r.Varint();
    for (uint64_t n = r.Varint(); n > 0 && r.ok(); --n) {
      auto run = std::make_shared<Run>();
      run->number = r.Varint();
      run->size = r.Varint();
      run->checksum = r.U64();
      if (Status s = LoadRun(run.get()); !s.ok()) return s;
      wanted.push_back(RunPath(run->number));
      runs.push_back(std::move(run));
    }
    if (!r.done()) return Damaged(path);
    wanted.push_back(path);
  }
  Result<std::vector<std::string>> names = files_.List(folder_);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::string path = folder_ + "/" + name;
    if (std::find(wanted.begin(), wanted.end(), path) != wanted.end()) continue;
    if (Status s = files_.Remove(path); !s.ok()) return s;
  }
  runs_ = std::make_shared<Runs>(std::move(runs));
  return OkStatus();
}

Status SimFiles::LoadRun(Run* run) {
  const std::string path = RunPath(run->number);
  if (!files_.Exists(path)) return Damaged(path);  // named, so it was durable once
  Result<std::string> bytes = ReadWholeFile(files_, path);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() != run->size || Checksum(*bytes, run->number) != run->checksum ||
      !DecodeRun(*bytes, run)) {
    return Damaged(path);
  }
  return OkStatus();
}

Status SimFiles::Commit(std::shared_ptr<Run> run) {
  const std::shared_ptr<const Runs> old = runs();
  Runs next = *old;
  next.push_back(run);
  if (next.size() > kMaxRuns) {
    auto merged = std::make_shared<Run>();
    for (size_t f = 0; f < kFamilies; ++f) MergeFamily(next, f, &merged->families[f]);
    run = merged;
    next = {run};
  }
  if (Status s = WriteRun(run.get()); !s.ok()) return s;
  if (Status s = WriteManifest(next); !s.ok()) return s;
  const bool merged = next.size() == 1;
  {
    std::lock_guard lock(mutex_);
    runs_ = std::make_shared<const Runs>(std::move(next));
  }
  if (merged) {
    for (const auto& gone : *old) {
      // What stays behind after an error is removed by the next Open.
      (void)files_.Remove(RunPath(gone->number));
    }
  }
  return OkStatus();
}

Status SimFiles::WriteRun(Run* run) {
  run->number = next_number_++;
  const std::string bytes = EncodeRun(*run);
  run->size = bytes.size();
  run->checksum = Checksum(bytes, run->number);
  Result<std::unique_ptr<env::File>> file =
      files_.Open(RunPath(run->number), env::OpenMode::kCreateNew);
  if (!file.ok()) return file.status();
  if (Status s = (*file)->WriteAt(0, bytes); !s.ok()) return s;
  if (Status s = (*file)->Sync(); !s.ok()) return s;
  // The name too is durable before a manifest speaks of it.
  return files_.SyncDirectory(folder_);
}

Status SimFiles::WriteManifest(const Runs& runs) {
  std::string bytes;
  WireWriter w(&bytes);
  w.Bytes(kMagic);
  w.U8(kFormat);
  w.Varint(next_number_);
  w.Varint(runs.size());
  for (const auto& run : runs) {
    w.Varint(run->number);
    w.Varint(run->size);
    w.U64(run->checksum);
  }
  w.U64(Checksum(bytes));
  return ReplaceFile(files_, folder_ + "/" + std::string(kManifest), bytes);
}

std::string SimFiles::RunPath(uint64_t number) const {
  char name[32];
  std::snprintf(name, sizeof name, "/%06llu.run", static_cast<unsigned long long>(number));
  return folder_ + name;
}

std::shared_ptr<const SimFiles::Runs> SimFiles::runs() const {
  std::lock_guard lock(mutex_);
  return runs_;
}

Result<bool> SimFiles::Get(Family family, std::string_view key, std::string* value) {
  const std::shared_ptr<const Runs> all = runs();
  for (auto run = all->rbegin(); run != all->rend(); ++run) {
    const auto& entries = (*run)->families[static_cast<size_t>(family)];
    const Entry* at = FirstAtOrAfter(entries, key);
    if (at == entries.data() + entries.size() || at->first != key) continue;
    if (!at->second.has_value()) return false;
    *value = *at->second;
    return true;
  }
  return false;
}

std::unique_ptr<SortedFiles::Cursor> SimFiles::NewCursor(Family family, Reach) {
  return std::make_unique<RunsCursor>(runs(), family);
}

std::unique_ptr<SortedFiles::Batch> SimFiles::NewBatch() {
  return std::make_unique<BatchImpl>(this);
}

uint64_t SimFiles::SizeBytes() const {
  uint64_t bytes = 0;
  for (const auto& run : *runs()) bytes += run->size;
  return bytes;
}

}  // namespace cairn::mvcc
