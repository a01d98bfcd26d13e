#include "src/mvcc/store.h"

#include <deque>
#include <map>
#include <set>
#include <utility>

#include "src/base/check.h"
#include "src/base/checksum.h"
#include "src/base/wire.h"
#include "src/mvcc/flush.h"
#include "src/mvcc/key_table.h"
#include "src/mvcc/key_walk.h"
#include "src/mvcc/reader.h"
#include "src/mvcc/sorted_files.h"
#include "src/mvcc/window.h"

namespace cairn::mvcc {
namespace {

// A range is deleted in pieces of so many keys: what a walk stands on must not change under it.
constexpr int64_t kDeletePiece = 1024;

Status Damaged(std::string what) { return {StatusCode::kDataLoss, "store: " + std::move(what)}; }

class StoreImpl;

class Txn final : public WriteTxn {
 public:
  explicit Txn(StoreImpl* store) : store_(store) {}
  Result<RangeSummary> Range(const RangeQuery& query, Visitor visit) override;
  Status Put(std::string_view key, std::string_view value, int64_t lease) override;
  Result<int64_t> DeleteRange(KeyRange keys) override;
  int64_t revision() const override;
  void SetSystem(std::string_view key, std::string_view value) override;
  void EraseSystem(std::string_view key) override;
  void Commit() override;

 private:
  friend class StoreImpl;
  Revision NextRevision();
  Result<bool> DeleteKey(std::string_view key);
  // Errors of the files stick: see WriteTxn.
  Status Fail(Status error);

  StoreImpl* store_;
  bool open_ = false;
  raft::EntryId entry_;
  int64_t changes_ = 0;
  Status error_;
};

// A window that grows, sealed windows that wait for the flush worker, the files.
//
// Where a key's newest version is: above view_.files_revision in memory, at or below it in the
// files. The three moments that could break this, and why they do not:
//  - Seal: the window moves to sealed_; no version moves and the files revision stays.
//  - The batch becomes visible in the files before OnFlushed runs: its versions are still in
//  memory,
//    and memory is asked first. Reads of the past keep away from the latest family meanwhile, which
//    is ahead of them (files_may_reach).
//  - OnFlushed: in one step of the loop the files revision rises to the sealed window's last
//  revision
//    and the window goes. A KeyState whose newest version was in it now has mod_main <= files
//    revision: its pointer is used no longer; its metadata is still the newest, or a later put
//    would have replaced it; and it stands in the files too, so it may be forgotten. A KeyState
//    with a newer version keeps its pointer, and the chain behind that ends where older_main <=
//    files revision.
// So what the KeyTable holds is true at all times, and what it does not hold is true in the files.
class StoreImpl final : public Store {
 public:
  StoreImpl(env::Executor& executor, std::unique_ptr<SortedFiles> files, StoreOptions options)
      : options_(options),
        executor_(executor),
        files_(std::move(files)),
        pool_(options.window_bytes / BlockPool::kBlockBytes + 1),
        table_(options.latest_cache_entries, executor.random().Next()),
        reader_(&view_),
        txn_(this),
        worker_(executor.NewWorker("flush")) {
    view_.table = &table_;
    view_.files = files_.get();
  }

  // Once, before anything else.
  Status Load();

  raft::EntryId applied() const override { return applied_; }
  raft::EntryId durable() const override { return durable_; }
  WriteTxn& Begin(raft::EntryId entry) override;
  void Skip(raft::EntryId entry) override;
  Result<RangeSummary> Range(const RangeQuery& query, Visitor visit) override {
    return RangeAt(query, revision_, visit);
  }
  int64_t revision() const override { return revision_; }
  std::optional<std::string> System(std::string_view key) const override;
  void VisitSystem(
      std::string_view prefix,
      absl::FunctionRef<void(std::string_view, std::string_view)> visit) const override;
  void Flush() override;
  void SetFlushObserver(absl::AnyInvocable<void(const Status&)> observer) override {
    observer_ = std::move(observer);
  }
  bool overloaded() const override { return sealed_.size() > options_.max_sealed_windows; }
  StoreStats stats() const override;
  Result<uint64_t> Hash() override;

 private:
  friend class Txn;

  Result<RangeSummary> RangeAt(const RangeQuery& query, int64_t current, Visitor visit);
  // What is known of the key, asked of the files if need be; room for a key that does not exist.
  Result<KeyState*> StateForChange(std::string_view key, uint64_t hash);
  void CheckNext(raft::EntryId entry) const;
  void OpenWindow();
  void Seal();
  void StartFlush();
  void OnFlushed();

  const StoreOptions options_;
  env::Executor& executor_;
  const std::unique_ptr<SortedFiles> files_;
  BlockPool pool_;

  raft::EntryId applied_, durable_;
  int64_t revision_ = 1;
  int64_t compacted_revision_ = 0;
  int64_t keys_ = 0;
  std::map<std::string, std::string, std::less<>> system_;
  std::set<std::string, std::less<>> system_changed_;  // since the last seal

  KeyTable table_;
  std::unique_ptr<Window> window_;   // takes the changes
  std::deque<SealedWindow> sealed_;  // oldest first; the first is being flushed if flushing_
  raft::EntryId last_sealed_;        // applied at the last seal, or durable_
  ReadView view_;
  Reader reader_;
  Txn txn_;

  bool flushing_ = false;
  Status flush_result_;  // written by the worker, read when its work is done
  Status flush_error_;   // the first one; nothing is flushed after it
  env::Time flush_began_;
  uint64_t flushes_ = 0;
  env::Duration last_flush_{0};
  absl::AnyInvocable<void(const Status&)> observer_;
  const std::unique_ptr<env::Worker> worker_;  // goes first: its work reads what stands above
};

// --- The transaction

Result<RangeSummary> Txn::Range(const RangeQuery& query, Visitor visit) {
  CHECK(open_);
  return store_->RangeAt(query, revision(), visit);
}

int64_t Txn::revision() const { return store_->revision_ + (changes_ > 0 ? 1 : 0); }

Revision Txn::NextRevision() { return {store_->revision_ + 1, changes_++}; }

Status Txn::Fail(Status error) {
  error_ = error;
  return error;
}

Status Txn::Put(std::string_view key, std::string_view value, int64_t lease) {
  CHECK(open_);
  if (!error_.ok()) return error_;
  Result<KeyState*> found = store_->StateForChange(key, store_->table_.Hash(key));
  if (!found.ok()) return Fail(found.status());
  KeyState* state = *found;
  const Revision revision = NextRevision();
  const VersionMeta meta{
      .create_revision = state->live() ? state->meta.create_revision : revision.main,
      .version = state->meta.version + 1,
      .lease = lease};
  if (!state->live()) ++store_->keys_;
  store_->window_->Append(state, revision, meta, value);
  return OkStatus();
}

Result<bool> Txn::DeleteKey(std::string_view key) {
  const uint64_t hash = store_->table_.Hash(key);
  KeyState* state = store_->table_.Find(key, hash);
  if (state == nullptr) {
    // A key that does not exist leaves no trace, so no room is made before it is known to.
    Result<LatestMeta> latest = store_->reader_.FindLatestInFiles(key);
    if (!latest.ok()) return Fail(latest.status());
    if (!latest->meta.live()) return false;
    Result<KeyState*> made = store_->StateForChange(key, hash);
    if (!made.ok()) return Fail(made.status());
    state = *made;
  }
  if (!state->live()) return false;
  store_->window_->Append(state, NextRevision(), VersionMeta{}, {});
  --store_->keys_;
  return true;
}

Result<int64_t> Txn::DeleteRange(KeyRange keys) {
  CHECK(open_);
  if (!error_.ok()) return error_;
  if (keys.range_end.empty()) {
    Result<bool> deleted = DeleteKey(keys.key);
    if (!deleted.ok()) return deleted.status();
    return *deleted ? 1 : 0;
  }
  const bool endless = keys.range_end == std::string_view("\0", 1);
  const std::string_view to = endless ? std::string_view() : keys.range_end;
  if (!endless && to <= keys.key) return 0;
  int64_t deleted = 0;
  std::string from(keys.key);
  std::vector<std::string> piece;
  do {
    piece.clear();
    KeyWalk walk(store_->view_, WalkOver::kLatest, revision(), from, to);
    for (; walk.Valid() && piece.size() < kDeletePiece; walk.Next()) piece.emplace_back(walk.key());
    if (Status s = walk.status(); !s.ok()) return Fail(std::move(s));
    for (const std::string& key : piece) {
      Result<bool> done = DeleteKey(key);
      if (!done.ok()) return done.status();
      CHECK(*done, "a key that was just read exists");
    }
    deleted += static_cast<int64_t>(piece.size());
    if (!piece.empty()) from = piece.back() + '\0';
  } while (piece.size() == kDeletePiece);
  return deleted;
}

void Txn::SetSystem(std::string_view key, std::string_view value) {
  CHECK(open_);
  store_->system_.insert_or_assign(std::string(key), std::string(value));
  store_->system_changed_.emplace(key);
}

void Txn::EraseSystem(std::string_view key) {
  CHECK(open_);
  const auto it = store_->system_.find(key);
  if (it == store_->system_.end()) return;
  store_->system_.erase(it);
  store_->system_changed_.emplace(key);
}

void Txn::Commit() {
  CHECK(open_);
  CHECK(error_.ok(), error_.ToString());
  open_ = false;
  store_->revision_ = revision();
  changes_ = 0;
  store_->applied_ = entry_;
  if (store_->window_->bytes() >= store_->options_.window_bytes) store_->Seal();
}

// --- The store

Status StoreImpl::Load() {
  std::optional<DurablePoint> point;
  auto cursor = files_->NewCursor(Family::kSystem);
  for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
    if (cursor->key() == kDurablePointKey) {
      point = DecodeDurablePoint(cursor->value());
      if (!point.has_value()) return Damaged("the durable point cannot be decoded");
    } else if (cursor->key().starts_with(kSystemRecordPrefix)) {
      system_.emplace(cursor->key().substr(1), cursor->value());
    } else {
      return Damaged("a system record of an unknown kind; made by a later version?");
    }
  }
  if (Status s = cursor->status(); !s.ok()) return s;
  if (!point.has_value()) {
    for (const Family family : {Family::kVersions, Family::kRevisions, Family::kLatest}) {
      cursor = files_->NewCursor(family);
      cursor->Seek("");
      if (Status s = cursor->status(); !s.ok()) return s;
      if (cursor->Valid() || !system_.empty()) {
        return Damaged("the files hold data without a durable point");
      }
    }
    point.emplace();
  }
  applied_ = durable_ = last_sealed_ = point->applied;
  revision_ = point->revision;
  compacted_revision_ = point->compacted_revision;
  keys_ = point->keys;
  view_.files_revision = view_.files_may_reach = revision_;
  OpenWindow();
  return OkStatus();
}

void StoreImpl::CheckNext(raft::EntryId entry) const {
  CHECK(!txn_.open_, "one transaction at a time");
  CHECK_EQ(entry.index, applied_.index.Next());
  CHECK_GE(entry.term, applied_.term);
}

WriteTxn& StoreImpl::Begin(raft::EntryId entry) {
  CheckNext(entry);
  txn_.open_ = true;
  txn_.entry_ = entry;
  return txn_;
}

void StoreImpl::Skip(raft::EntryId entry) {
  CheckNext(entry);
  applied_ = entry;
}

Result<RangeSummary> StoreImpl::RangeAt(const RangeQuery& query, int64_t current, Visitor visit) {
  if (query.revision > current) {
    return Status(StatusCode::kOutOfRange,
                  "etcdserver: mvcc: required revision is a future revision");
  }
  const int64_t revision = query.revision > 0 ? query.revision : current;
  if (revision < compacted_revision_) {
    return Status(StatusCode::kOutOfRange,
                  "etcdserver: mvcc: required revision has been compacted");
  }
  std::optional<int64_t> total;
  if (revision == current && CoversAllKeys(query.keys)) total = keys_;
  return reader_.Range(query, revision, total, visit);
}

Result<KeyState*> StoreImpl::StateForChange(std::string_view key, uint64_t hash) {
  if (KeyState* state = table_.Find(key, hash); state != nullptr) return state;
  Result<LatestMeta> latest = reader_.FindLatestInFiles(key);
  if (!latest.ok()) return latest.status();
  KeyState* state = table_.Insert(key, hash, view_.files_revision);
  state->mod_main = latest->mod.main;
  state->mod_sub = static_cast<uint32_t>(latest->mod.sub);
  state->meta = latest->meta;
  return state;
}

std::optional<std::string> StoreImpl::System(std::string_view key) const {
  const auto it = system_.find(key);
  if (it == system_.end()) return {};
  return it->second;
}

void StoreImpl::VisitSystem(
    std::string_view prefix,
    absl::FunctionRef<void(std::string_view, std::string_view)> visit) const {
  for (auto it = system_.lower_bound(prefix); it != system_.end(); ++it) {
    if (!std::string_view(it->first).starts_with(prefix)) break;
    visit(it->first, it->second);
  }
}

void StoreImpl::OpenWindow() {
  window_ = std::make_unique<Window>(revision_, &pool_);
  view_.windows.push_back(window_.get());
}

void StoreImpl::Seal() {
  SealedWindow sealed;
  sealed.window = std::move(window_);
  sealed.point = {.applied = applied_,
                  .revision = revision_,
                  .compacted_revision = compacted_revision_,
                  .keys = keys_};
  for (const std::string& key : system_changed_) sealed.system.emplace_back(key, System(key));
  system_changed_.clear();
  last_sealed_ = applied_;
  sealed_.push_back(std::move(sealed));
  OpenWindow();
  StartFlush();
}

void StoreImpl::Flush() {
  CHECK(!txn_.open_, "a transaction is flushed whole");
  if (applied_.index != last_sealed_.index) Seal();
}

void StoreImpl::StartFlush() {
  if (flushing_ || sealed_.empty() || !flush_error_.ok()) return;
  flushing_ = true;
  flush_began_ = executor_.NowExact();
  view_.files_may_reach = sealed_.front().point.revision;
  worker_->Run([this, job = &sealed_.front()] { flush_result_ = WriteSealed(*job, *files_); },
               [this] { OnFlushed(); });
}

void StoreImpl::OnFlushed() {
  flushing_ = false;
  if (!flush_result_.ok()) {
    flush_error_ = flush_result_;
    if (observer_) observer_(flush_error_);
    return;
  }
  const DurablePoint point = sealed_.front().point;
  durable_ = point.applied;
  view_.files_revision = point.revision;
  view_.windows.erase(view_.windows.begin());
  sealed_.pop_front();
  ++flushes_;
  last_flush_ = executor_.NowExact() - flush_began_;
  StartFlush();
  if (observer_) observer_(OkStatus());
}

StoreStats StoreImpl::stats() const {
  StoreStats stats{.revision = revision_,
                   .compacted_revision = compacted_revision_,
                   .keys = keys_,
                   .window_bytes = window_->bytes(),
                   .files_bytes = files_->SizeBytes(),
                   .flushes = flushes_,
                   .last_flush = last_flush_};
  for (const SealedWindow& sealed : sealed_) stats.sealed_bytes += sealed.window->bytes();
  return stats;
}

Result<uint64_t> StoreImpl::Hash() {
  CHECK(!txn_.open_, "the state between transactions is hashed");
  std::string record;
  WireWriter w(&record);
  uint64_t hash = Checksum({}, static_cast<uint64_t>(revision_));
  KeyWalk walk(view_, WalkOver::kVersions, revision_, {}, {});
  for (; walk.Valid(); walk.Next()) {
    record.clear();
    w.String(walk.key());
    w.Varint(static_cast<uint64_t>(walk.mod().main));
    w.Varint(static_cast<uint64_t>(walk.meta().create_revision));
    w.Varint(static_cast<uint64_t>(walk.meta().version));
    w.Varint(static_cast<uint64_t>(walk.meta().lease));
    w.Bytes(walk.value());
    hash = Checksum(record, hash);
  }
  if (Status s = walk.status(); !s.ok()) return s;
  for (const auto& [key, value] : system_) {
    record.clear();
    w.String(key);
    w.Bytes(value);
    hash = Checksum(record, hash);
  }
  return hash;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::Open(env::Executor& executor,
                                           std::unique_ptr<SortedFiles> files,
                                           StoreOptions options) {
  auto store = std::make_unique<StoreImpl>(executor, std::move(files), options);
  if (Status s = store->Load(); !s.ok()) return s;
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace cairn::mvcc
