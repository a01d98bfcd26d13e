#include "src/mvcc/rocksdb_files.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/mvcc/codec.h"

#if defined(__SANITIZE_THREAD__)
// The system's RocksDB is built without the sanitizer, which so does not see how its threads agree.
extern "C" const char* __tsan_default_suppressions() { return "race:rocksdb::\n"; }  // NOLINT
#endif

namespace cairn::mvcc {
namespace {

constexpr std::array<const char*, kFamilies> kFamilyNames = {"versions", "revisions", "latest",
                                                             "system"};
// A compaction may take long; a batch does not wait for ever on one.
constexpr std::chrono::seconds kLongestWait{2};

size_t IndexOf(Family family) { return static_cast<size_t>(family); }
rocksdb::Slice ToSlice(std::string_view v) { return {v.data(), v.size()}; }
std::string_view ToView(const rocksdb::Slice& v) { return {v.data(), v.size()}; }

Status ToStatus(const rocksdb::Status& s) {
  if (s.ok()) return OkStatus();
  const std::string message = "store: RocksDB: " + s.ToString();
  if (s.IsNoSpace()) return {StatusCode::kResourceExhausted, message};
  if (s.IsCorruption()) return {StatusCode::kDataLoss, message};
  if (s.IsIOError() && s.ToString().find("lock") != std::string::npos) {
    return {StatusCode::kUnavailable, message};
  }
  return {StatusCode::kInternal, message};
}

// Filters of the versions family are over keys without their revision: one entry however many
// versions there are, and they serve the Get of one version and the Seek to a key's newest alike.
class KeyOfVersion final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "cairn.KeyOfVersion"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    return ToSlice(VersionKeyPrefix(ToView(key)));
  }
  bool InDomain(const rocksdb::Slice& key) const override {
    const std::string_view prefix = VersionKeyPrefix(ToView(key));
    return prefix.size() >= 2 && prefix.ends_with(std::string_view("\0\0", 2));
  }
};

// Wakes a batch that waits for compaction, and tells the log of background errors.
class CompactionListener final : public rocksdb::EventListener {
 public:
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override {
    std::lock_guard lock(mutex);
    ++completed;
    changed.notify_all();
  }
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    log::Error("compaction of the store's files failed", {{"error", ToStatus(*status)}});
  }
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t completed = 0;
};

bool Supports(rocksdb::CompressionType type) {
  const auto all = rocksdb::GetSupportedCompressions();
  return std::find(all.begin(), all.end(), type) != all.end();
}

rocksdb::BlockBasedTableOptions TableOptions(Family family,
                                             const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  // Index and filters stay with the open file, outside the cache: every read asks several files for
  // them, and the cache's locks would cost more than the answer. max_open_files bounds them, about
  // 1 MB a file.
  table.cache_index_and_filter_blocks = false;
  if (family == Family::kVersions || family == Family::kLatest) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.whole_key_filtering = family == Family::kLatest;
  }
  return table;
}

rocksdb::ColumnFamilyOptions FamilyOptions(Family family, const RocksDbOptions& from,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(TableOptions(family, cache)));
  options.write_buffer_size = 64 << 10;  // stays empty
  options.level0_file_num_compaction_trigger = 6;
  options.target_file_size_base = 32 << 20;
  // What is new is read and merged soon: not compressed. What has sunk is, if asked for.
  options.compression = rocksdb::kNoCompression;
  if (from.compress && Supports(rocksdb::kLZ4Compression)) {
    options.bottommost_compression = rocksdb::kLZ4Compression;
  }
  if (family == Family::kVersions) {
    options.prefix_extractor = std::make_shared<KeyOfVersion>();
    // Versions are written once and not overwritten: merging runs of equal size moves each a few
    // times only.
    options.compaction_style = rocksdb::kCompactionStyleUniversal;
    options.compaction_options_universal.size_ratio = 20;
    options.compaction_options_universal.max_size_amplification_percent = 400;
    options.compaction_options_universal.allow_trivial_move = true;
  }
  return options;
}

rocksdb::DBOptions DatabaseOptions(const RocksDbOptions& from) {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.paranoid_checks = true;
  options.max_open_files = from.max_open_files;
  options.max_background_jobs = from.background_jobs;
  options.bytes_per_sync = 1 << 20;  // no burst of dirty pages behind the log's fdatasync
  options.skip_stats_update_on_db_open = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.keep_log_file_num = 2;
  options.max_log_file_size = 4 << 20;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  return options;
}

class DbCursor final : public SortedFiles::Cursor {
 public:
  explicit DbCursor(rocksdb::Iterator* it) : it_(it) {}
  void Seek(std::string_view target) override { it_->Seek(ToSlice(target)); }
  void Next() override { it_->Next(); }
  bool Valid() const override { return it_->Valid(); }
  std::string_view key() const override { return ToView(it_->key()); }
  std::string_view value() const override { return ToView(it_->value()); }
  Status status() const override { return ToStatus(it_->status()); }

 private:
  std::unique_ptr<rocksdb::Iterator> it_;
};

class RocksDbFiles final : public SortedFiles {
 public:
  RocksDbFiles(std::string folder, RocksDbOptions options)
      : folder_(std::move(folder)),
        options_(options),
        cache_(rocksdb::NewLRUCache(options.block_cache_bytes, /*num_shard_bits=*/2)),
        listener_(std::make_shared<CompactionListener>()) {}
  ~RocksDbFiles() override;

  Status Load();
  Result<bool> Get(Family family, std::string_view key, std::string* value) override;
  using SortedFiles::NewCursor;
  std::unique_ptr<Cursor> NewCursor(Family family, Reach reach) override;
  std::unique_ptr<Batch> NewBatch() override;
  uint64_t SizeBytes() const override;

 private:
  class BatchImpl;

  rocksdb::ColumnFamilyHandle* handle(Family family) const { return handles_[IndexOf(family)]; }
  std::string new_folder() const { return folder_ + "/new"; }
  Status MakeFolders();
  Status RemoveLeftovers();
  uint64_t OverlappingFiles() const;
  void WaitForCompaction();

  const std::string folder_;
  const RocksDbOptions options_;
  std::shared_ptr<rocksdb::Cache> cache_;
  std::shared_ptr<CompactionListener> listener_;
  std::array<rocksdb::Options, kFamilies> write_options_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;  // by family, then RocksDB's default one
  uint64_t next_file_ = 1;                             // the batch's thread only
};

class RocksDbFiles::BatchImpl final : public SortedFiles::Batch {
 public:
  explicit BatchImpl(RocksDbFiles* files) : files_(files) {}
  ~BatchImpl() override;
  void Put(Family family, std::string_view key, std::string_view value) override {
    Note(Writer(family).Put(ToSlice(key), ToSlice(value)));
  }
  void Delete(Family family, std::string_view key) override {
    Note(Writer(family).Delete(ToSlice(key)));
  }
  Status Commit() override;

 private:
  struct Part {
    std::unique_ptr<rocksdb::SstFileWriter> writer;
    std::string path;
  };
  void Note(const rocksdb::Status& s) {
    if (!s.ok() && error_.ok()) error_ = s;
  }
  rocksdb::SstFileWriter& Writer(Family family);

  RocksDbFiles* files_;
  std::array<Part, kFamilies> parts_;
  rocksdb::Status error_;
};

RocksDbFiles::BatchImpl::~BatchImpl() {
  for (Part& part : parts_) {
    if (part.writer == nullptr) continue;
    part.writer.reset();
    // Gone already after an ingest; what an error leaves is removed by the next Open.
    rocksdb::Env::Default()->DeleteFile(part.path).PermitUncheckedError();
  }
}

rocksdb::SstFileWriter& RocksDbFiles::BatchImpl::Writer(Family family) {
  Part& part = parts_[IndexOf(family)];
  if (part.writer == nullptr) {
    part.path = files_->new_folder() + "/" + std::to_string(files_->next_file_++) + ".sst";
    part.writer = std::make_unique<rocksdb::SstFileWriter>(
        rocksdb::EnvOptions(files_->write_options_[IndexOf(family)]),
        files_->write_options_[IndexOf(family)], files_->handle(family),
        /*invalidate_page_cache=*/false);
    Note(part.writer->Open(part.path));
  }
  return *part.writer;
}

Status RocksDbFiles::BatchImpl::Commit() {
  std::vector<rocksdb::IngestExternalFileArg> ingests;
  for (int i = 0; i < kFamilies; ++i) {
    Part& part = parts_[static_cast<size_t>(i)];
    if (part.writer == nullptr) continue;
    if (error_.ok()) Note(part.writer->Finish());  // syncs the file
    rocksdb::IngestExternalFileArg ingest;
    ingest.column_family = files_->handle(static_cast<Family>(i));
    ingest.external_files = {part.path};
    ingest.options.move_files = true;
    // The order of batches is the order of sequence numbers; readers hold iterators, never
    // snapshots.
    ingest.options.snapshot_consistency = false;
    ingest.options.allow_blocking_flush = false;
    ingest.options.write_global_seqno = false;
    ingests.push_back(std::move(ingest));
  }
  if (!error_.ok()) return ToStatus(error_);
  if (ingests.empty()) return OkStatus();
  files_->WaitForCompaction();
  return ToStatus(files_->db_->IngestExternalFiles(ingests));
}

RocksDbFiles::~RocksDbFiles() {
  if (db_ == nullptr) return;
  rocksdb::CancelAllBackgroundWork(db_.get(), /*wait=*/true);
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  if (const rocksdb::Status s = db_->Close(); !s.ok()) {
    log::Warn("the store's files were not closed in order", {{"error", ToStatus(s)}});
  }
}

Status RocksDbFiles::Load() {
  if (Status s = MakeFolders(); !s.ok()) return s;
  rocksdb::DBOptions db_options = DatabaseOptions(options_);
  db_options.listeners.push_back(listener_);
  // Compaction works in what time is left: it must not slow the loop.
  db_options.env->SetBackgroundThreads(options_.background_jobs, rocksdb::Env::LOW);
  db_options.env->LowerThreadPoolCPUPriority(rocksdb::Env::LOW, rocksdb::CpuPriority::kLow)
      .PermitUncheckedError();
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (size_t i = 0; i < kFamilies; ++i) {
    rocksdb::ColumnFamilyOptions options = FamilyOptions(static_cast<Family>(i), options_, cache_);
    write_options_[i] = rocksdb::Options(db_options, options);
    // SstFileWriter would take every file for one of the lowest level.
    write_options_[i].bottommost_compression = rocksdb::kDisableCompressionOption;
    families.emplace_back(kFamilyNames[i], std::move(options));
  }
  families.emplace_back(rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions());
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened =
      rocksdb::DB::Open(db_options, folder_ + "/db", families, &handles_, &db);
  if (!opened.ok()) return ToStatus(opened);
  db_.reset(db);
  return RemoveLeftovers();
}

Status RocksDbFiles::MakeFolders() {
  rocksdb::Env* env = rocksdb::Env::Default();
  for (const std::string& path : {folder_, folder_ + "/db", new_folder()}) {
    if (const rocksdb::Status s = env->CreateDirIfMissing(path); !s.ok()) return ToStatus(s);
  }
  // RocksDB syncs its own folder; the names above it are ours to make durable.
  const size_t slash = folder_.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : folder_.substr(0, slash + 1);
  for (const std::string& path : {folder_, parent}) {
    std::unique_ptr<rocksdb::Directory> directory;
    rocksdb::Status s = env->NewDirectory(path, &directory);
    if (s.ok()) s = directory->Fsync();
    if (!s.ok()) return ToStatus(s);
  }
  return OkStatus();
}

Status RocksDbFiles::RemoveLeftovers() {
  rocksdb::Env* env = rocksdb::Env::Default();
  std::vector<std::string> names;
  if (const rocksdb::Status s = env->GetChildren(new_folder(), &names); !s.ok()) {
    return ToStatus(s);
  }
  for (const std::string& name : names) {
    if (const rocksdb::Status s = env->DeleteFile(new_folder() + "/" + name); !s.ok()) {
      return ToStatus(s);
    }
  }
  return OkStatus();
}

Result<bool> RocksDbFiles::Get(Family family, std::string_view key, std::string* value) {
  const rocksdb::Status s = db_->Get(rocksdb::ReadOptions(), handle(family), ToSlice(key), value);
  if (s.ok()) return true;
  if (s.IsNotFound()) return false;
  return ToStatus(s);
}

std::unique_ptr<SortedFiles::Cursor> RocksDbFiles::NewCursor(Family family, Reach reach) {
  rocksdb::ReadOptions options;
  options.total_order_seek = reach == Reach::kAll;
  options.prefix_same_as_start = reach == Reach::kOneKey;
  return std::make_unique<DbCursor>(db_->NewIterator(options, handle(family)));
}

std::unique_ptr<SortedFiles::Batch> RocksDbFiles::NewBatch() {
  return std::make_unique<BatchImpl>(this);
}

uint64_t RocksDbFiles::SizeBytes() const {
  uint64_t total = 0;
  for (size_t i = 0; i < kFamilies; ++i) {
    uint64_t bytes = 0;
    if (db_->GetIntProperty(handles_[i], rocksdb::DB::Properties::kTotalSstFilesSize, &bytes)) {
      total += bytes;
    }
  }
  return total;
}

uint64_t RocksDbFiles::OverlappingFiles() const {
  uint64_t most = 0;
  for (size_t i = 0; i < kFamilies; ++i) {
    std::string files;
    if (db_->GetProperty(handles_[i], rocksdb::DB::Properties::kNumFilesAtLevelPrefix + "0",
                         &files)) {
      most = std::max<uint64_t>(most, std::stoull(files));
    }
  }
  return most;
}

void RocksDbFiles::WaitForCompaction() {
  const auto until = std::chrono::steady_clock::now() + kLongestWait;
  std::unique_lock lock(listener_->mutex);
  while (true) {
    const uint64_t completed = listener_->completed;
    lock.unlock();
    const bool behind = OverlappingFiles() > static_cast<uint64_t>(options_.max_overlapping_files);
    lock.lock();
    if (!behind) return;
    if (!listener_->changed.wait_until(lock, until,
                                       [&] { return listener_->completed != completed; })) {
      return;
    }
  }
}

}  // namespace

Result<std::unique_ptr<SortedFiles>> OpenRocksDbFiles(const std::string& folder,
                                                      const RocksDbOptions& options) {
  auto files = std::make_unique<RocksDbFiles>(folder, options);
  if (Status s = files->Load(); !s.ok()) return s;
  return std::unique_ptr<SortedFiles>(std::move(files));
}

}  // namespace cairn::mvcc
