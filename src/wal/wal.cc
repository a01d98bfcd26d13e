#include "src/wal/wal.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/wal/format.h"
#include "src/wal/recovery.h"
#include "src/wal/segment_files.h"
#include "src/wal/wal_impl.h"

namespace cairn::wal {
namespace {

// A record is not made larger than this, unless one entry is: what is torn, and what one sync
// carries, stays bounded.
constexpr uint64_t kMaxRecordBytes = 4 << 20;
// After so long without a write a mark confirms the last record, and what waits without a sync is
// written.
constexpr env::Duration kIdle = env::milliseconds(50);

Result<std::unique_ptr<env::File>> OpenSegment(env::FileSystem& files, const std::string& directory,
                                               uint64_t number) {
  return files.Open(directory + "/" + SegmentName(number), env::OpenMode::kReadWrite);
}

// The names of the folders on the way to `directory` too: a log in a folder that a crash forgets is
// lost.
Status SyncParents(env::FileSystem& files, const std::string& directory) {
  for (size_t end = directory.size(); end != std::string::npos && end > 0;) {
    end = directory.rfind('/', end - 1);
    const std::string parent =
        end == std::string::npos ? "." : directory.substr(0, std::max<size_t>(end, 1));
    const Status s = files.SyncDirectory(parent);
    // Folders that we may not open are none that we have made.
    if (!s.ok() && s.code() != StatusCode::kPermissionDenied) return s;
  }
  return OkStatus();
}

// A new log: its first segment.
Result<std::unique_ptr<env::File>> StartLog(env::Env env, const Options& options,
                                            RecoveredLog* found) {
  if (Status s = SyncParents(env.files, options.directory); !s.ok()) return s;
  SegmentPlan plan;
  plan.directory = options.directory;
  plan.log_id = env.executor.random().Next() | 1;  // 0 means unknown
  plan.number = 1;
  plan.generation = env.executor.random().Next();
  plan.bytes = options.segment_bytes;
  if (!found->spares.empty()) {
    plan.spare = found->spares.back();
    found->spares.pop_back();
  }
  found->log_id = plan.log_id;
  found->active = SegmentInfo{plan.number, plan.generation, plan.bytes};
  found->first_segment = plan.number;
  return PrepareSegment(env.files, plan);
}

// What recovery has read may be in the page cache only, names as well as records.
Status MakeDurable(env::FileSystem& files, const std::string& directory,
                   const RecoveredLog& found) {
  if (Status s = MakeRepairs(files, found.repairs); !s.ok()) return s;
  if (Status s = files.SyncDirectory(directory); !s.ok()) return s;
  // A crash may have come between a segment's name and the note that it may be in use.
  const uint64_t highest = (found.prepared ? found.prepared : found.active)->number;
  if (found.highest_named >= highest) return OkStatus();
  return env::ReplaceFile(files, directory + "/" + kIdentityName,
                          EncodeIdentity(found.log_id, highest));
}

}  // namespace

Result<std::unique_ptr<Wal>> Wal::Open(env::Env env, Options options) {
  CHECK(options.segment_bytes >= kMinSegmentBytes && options.segment_bytes <= kMaxSegmentBytes &&
            options.segment_bytes % kSectorBytes == 0,
        "segment_bytes: 32 KiB to 1 GiB, whole sectors");
  env::FileSystem& files = env.files;
  const std::string& directory = options.directory;
  if (Status s = files.CreateDirectories(directory); !s.ok()) return s;
  auto found = Recover(files, directory);
  if (!found.ok()) return found.status();
  std::unique_ptr<env::File> file, next;
  if (!found->active) {
    auto made = StartLog(env, options, &*found);
    if (!made.ok()) return made.status();
    file = std::move(*made);
  } else {
    if (Status s = MakeDurable(files, directory, *found); !s.ok()) return s;
    auto opened = OpenSegment(files, directory, found->active->number);
    if (!opened.ok()) return opened.status();
    file = std::move(*opened);
    if (found->prepared) {
      opened = OpenSegment(files, directory, found->prepared->number);
      if (!opened.ok()) return opened.status();
      next = std::move(*opened);
    }
  }
  return std::unique_ptr<Wal>(std::make_unique<WalImpl>(env, std::move(options), std::move(*found),
                                                        std::move(file), std::move(next)));
}

WalImpl::WalImpl(env::Env env, Options options, RecoveredLog recovered,
                 std::unique_ptr<env::File> active, std::unique_ptr<env::File> next)
    : env_(env),
      options_(std::move(options)),
      log_id_(recovered.log_id),
      active_(*recovered.active),
      active_file_(std::move(active)),
      tail_(recovered.tail),
      next_sequence_(recovered.next_record.sequence),
      durable_sequence_(next_sequence_ - 1),
      link_(recovered.next_record.previous),
      first_segment_(recovered.first_segment),
      lowest_existing_(recovered.first_segment),
      next_(recovered.prepared),
      next_file_(std::move(next)),
      spares_(std::move(recovered.spares)),
      mark_needed_(!recovered.last_is_mark),
      last_activity_(env.executor.Now()),
      turn_end_(env.executor, [this] { OnTurnEnd(); }),
      preparer_(env.executor.NewWorker("wal-prepare")),
      writer_(env.executor.NewWorker("wal-write")) {
  for (auto& [id, log] : recovered.groups) {
    recovered_[id] = GroupState{log.hard_state(), log.shape()};
    Group& group = groups_[id];
    group.written_hard_state = log.hard_state();
    group.written_base = log.base();
    group.written_last = log.last();
    group.written = true;
    group.log = std::move(log);
  }
  if (!recovered.unneeded.empty()) {
    // Left over by a crash; older than first_segment_, so RetireBelow does not know them.
    lowest_existing_ = recovered.unneeded.front();
    RetireBelow(first_segment_);
  }
  if (mark_needed_) ArmIdle();
}

WalImpl::~WalImpl() {
  if (idle_timer_.value != 0) env_.executor.Cancel(idle_timer_);
}

std::vector<GroupId> WalImpl::Groups() const {
  std::vector<GroupId> ids;
  for (const auto& [id, state] : recovered_) ids.push_back(id);
  return ids;
}

GroupState WalImpl::Recovered(GroupId group) const {
  const auto it = recovered_.find(group);
  return it == recovered_.end() ? GroupState{} : it->second;
}

// ---- Gathering ----

uint64_t WalImpl::MaxRecordBytes() const {
  return std::min<uint64_t>(kMaxRecordBytes, (options_.segment_bytes - kFirstRecord) / 4);
}

void WalImpl::Append(Write write, Done done) {
  GroupLog& log = groups_[write.group].log;
  if (write.hard_state) {
    CHECK_GE(write.hard_state->term, log.hard_state().term);
    log.SetHardState(*write.hard_state);
  }
  if (!write.entries.empty()) {
    CHECK(log.MayAppend(write.entries[0].index, write.entries[0].term),
          "a gap, or a term that falls");
    log.Truncate(write.entries[0].index);
    for (const raft::Entry& entry : write.entries) {
      CHECK_EQ(entry.index, log.last().Next());
      CHECK_GE(entry.term, log.last_term());
      CHECK_LE(entry.data.size(), options_.segment_bytes / 2);
      log.Extend(entry.term);
    }
  }
  // A write larger than a record may be is cut into parts that each are valid alone.
  const uint64_t limit = MaxRecordBytes();
  uint64_t bytes = 0;
  size_t from = 0;
  for (size_t i = 0; i < write.entries.size(); ++i) {
    const uint64_t entry_bytes = write.entries[i].data.size() + 2 * sizeof(EntryHead);
    if (i > from && bytes + entry_bytes > limit) {
      Write part{write.group, write.hard_state, {}, write.sync};
      part.entries.assign(
          std::make_move_iterator(write.entries.begin() + static_cast<std::ptrdiff_t>(from)),
          std::make_move_iterator(write.entries.begin() + static_cast<std::ptrdiff_t>(i)));
      if (part.hard_state) {
        part.hard_state->commit = std::min(part.hard_state->commit, part.entries.back().index);
      }
      Buffer(std::move(part), nullptr, false);
      from = i;
      bytes = 0;
    }
    bytes += entry_bytes;
  }
  write.entries.erase(write.entries.begin(),
                      write.entries.begin() + static_cast<std::ptrdiff_t>(from));
  Buffer(std::move(write), std::move(done), true);
  turn_end_.Request();
}

void WalImpl::Buffer(Write write, Done done, bool has_done) {
  waiting_syncs_ += write.sync ? 1 : 0;
  waiting_.push_back({std::move(write), std::move(done), has_done});
}

// A sync may hold up the loop. So that what other components do at the end of this turn (peers' and
// clients' sockets) is not held up with it, the log goes once more to the end of the line.
void WalImpl::OnTurnEnd() {
  if (writing_ || waits_for_segment_) return;
  yielded_ = !yielded_;
  if (yielded_) {
    turn_end_.Request();
    return;
  }
  MaybeStart(true);
}

void WalImpl::MaybeStart(bool may_inline) {
  if (writing_ || waits_for_segment_) return;
  if (!failed_.ok()) {
    FailWaiting();
    return;
  }
  if (waiting_syncs_ == 0 && !flush_wanted_) {
    if (!waiting_.empty()) ArmIdle();
    return;
  }
  TakeBatch();
  BuildRecord();
  if (!EnsureRoom()) return;
  WriteRecord(may_inline);
}

// ---- Writing ----

void WalImpl::TakeBatch() {
  const uint64_t limit = MaxRecordBytes();
  uint64_t bytes = 0;
  while (!waiting_.empty()) {
    const Write& write = waiting_.front().write;
    uint64_t more = 2 * WriteSectionBytes(write.hard_state.has_value(), write.entries.size());
    for (const raft::Entry& entry : write.entries) more += entry.data.size();
    if (!under_way_.empty() && bytes + more > limit) break;
    bytes += more;
    waiting_syncs_ -= write.sync ? 1 : 0;
    under_way_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

void WalImpl::BuildRecord() {
  builder_.Start();
  if (tail_ == kFirstRecord) {
    for (const auto& [id, group] : groups_) {
      if (!group.written) continue;
      builder_.AddState(id, group.written_hard_state, group.written_base, group.written_last);
    }
  }
  for (const Buffered& buffered : under_way_) {
    const Write& write = buffered.write;
    if (!write.hard_state && write.entries.empty()) continue;
    builder_.AddWrite(write.group, write.hard_state, write.entries);
  }
}

// The batch is in builder_; when the segment has no room for it, the next one is begun. False:
// there is none yet, the batch waits.
bool WalImpl::EnsureRoom() {
  // Cuts are small but not in the record yet: keep room for all of them, twice.
  const uint64_t cuts = cuts_waiting_ ? groups_.size() * kCutSectionBytes : 0;
  const auto bytes = [&] { return builder_.bytes() + 2 * (cuts + kSectorBytes); };
  if (tail_ + bytes() <= active_.bytes) return true;
  if (!next_) {
    waits_for_segment_ = true;
    PrepareNext();
    return false;
  }
  SwitchSegment();
  BuildRecord();
  CHECK(tail_ + bytes() <= active_.bytes, "a record does not fit into an empty segment");
  return true;
}

void WalImpl::WriteRecord(bool may_inline) {
  for (const Buffered& buffered : under_way_) {
    const Write& write = buffered.write;
    if (!write.hard_state && write.entries.empty()) continue;
    Group& group = groups_[write.group];
    group.written = true;
    if (write.hard_state) group.written_hard_state = *write.hard_state;
    if (write.entries.empty()) continue;
    group.written_last = write.entries.back().index;
    group.log.Place({write.entries[0].index, static_cast<uint32_t>(active_.number),
                     static_cast<uint32_t>(tail_)});
  }
  AddWaitingCuts();
  // While a cut waits for entries that are not written, its segments are needed by whoever reads
  // the log now.
  if (first_segment_stale_ && !cuts_waiting_) {
    first_segment_ = FirstNeededSegment();
    first_segment_stale_ = false;
  }
  RecordHead head;
  head.prefix.log_id = log_id_;
  head.prefix.flags = tail_ == kFirstRecord ? kOpensSegment : 0;
  head.segment = active_.number;
  head.generation = active_.generation;
  head.sequence = next_sequence_++;
  head.durable = durable_sequence_;
  head.previous = link_;
  head.first_segment = first_segment_;
  head.offset = static_cast<uint32_t>(tail_);
  const uint64_t at = tail_;
  const uint64_t bytes = builder_.bytes();
  mark_needed_ = std::ranges::any_of(under_way_, [](const Buffered& b) { return b.write.sync; });
  link_ = builder_.Finish(head);
  tail_ += bytes;
  writing_ = true;
  flush_wanted_ = false;
  stats_.bytes_written += bytes;
  ++stats_.records;

  const env::Time begin = env_.executor.NowExact();
  env::File* file = active_file_.get();
  const auto write_and_sync = [this, file, at] {
    Status s = file->WriteAt(at, builder_.pieces());
    return s.ok() ? file->Sync() : s;
  };
  if (may_inline && bytes <= options_.inline_sync_bytes) {
    const Status s = write_and_sync();
    write_took_ = env_.executor.NowExact() - begin;
    OnWritten(s);
    return;
  }
  auto outcome = std::make_shared<Status>();
  writer_->Run([write_and_sync, outcome] { *outcome = write_and_sync(); },
               [this, outcome, begin] {
                 write_took_ = env_.executor.NowExact() - begin;
                 OnWritten(*outcome);
               });
}

// A cut is written once the entry that it names is.
void WalImpl::AddWaitingCuts() {
  if (!cuts_waiting_) return;
  cuts_waiting_ = false;
  for (auto& [id, group] : groups_) {
    if (group.written_base == group.log.base()) continue;
    if (group.log.base().index > group.written_last) {
      cuts_waiting_ = true;
      continue;
    }
    builder_.AddCut(id, group.log.base());
    group.written_base = group.log.base();
    first_segment_stale_ = true;
  }
}

uint64_t WalImpl::FirstNeededSegment() const {
  uint64_t first = active_.number;
  for (const auto& [id, group] : groups_) {
    if (const auto lowest = group.log.LowestSegment()) first = std::min<uint64_t>(first, *lowest);
  }
  return first;
}

void WalImpl::OnWritten(const Status& status) {
  writing_ = false;
  if (!status.ok()) {
    Fail(Status(status.code(),
                "log: " + Path(SegmentName(active_.number)) + ": " + status.message()));
    return;
  }
  durable_sequence_ = next_sequence_ - 1;
  last_activity_ = env_.executor.Now();
  ++stats_.syncs;
  stats_.last_sync = write_took_;
  if (observer_) observer_(write_took_);
  RetireBelow(first_segment_);
  if (tail_ >= active_.bytes / 4) PrepareNext();
  if (mark_needed_ || cuts_waiting_ || !waiting_.empty()) ArmIdle();
  if (waiting_syncs_ > 0) turn_end_.Request();
  Complete(std::exchange(under_way_, {}), OkStatus());
}

void WalImpl::Complete(std::vector<Buffered> batch, const Status& status) {
  for (Buffered& buffered : batch) {
    if (buffered.has_done && buffered.done) buffered.done(status);
  }
  batch.clear();
  if (under_way_.empty() && under_way_.capacity() < batch.capacity()) under_way_.swap(batch);
}

// Nothing is known of what reached the disk, so nothing is written any more.
void WalImpl::Fail(const Status& status) {
  if (failed_.ok()) {
    failed_ = status;
    log::Error("the log has failed", {{"directory", options_.directory}, {"error", status}});
  }
  waits_for_segment_ = false;
  Complete(std::exchange(under_way_, {}), failed_);
  FailWaiting();
}

void WalImpl::FailWaiting() {
  std::deque<Buffered> waiting = std::exchange(waiting_, {});
  waiting_syncs_ = 0;
  for (Buffered& buffered : waiting) {
    if (buffered.has_done && buffered.done) buffered.done(failed_);
  }
}

// ---- Idle ----

void WalImpl::ArmIdle() {
  if (idle_timer_.value != 0 || !failed_.ok()) return;
  idle_timer_ = env_.executor.Schedule(env_.executor.Now() + kIdle, [this] { OnIdle(); });
}

void WalImpl::OnIdle() {
  idle_timer_ = {};
  if (!failed_.ok() || writing_ || waits_for_segment_ || waiting_syncs_ > 0)
    return;  // armed again after it
  if (env_.executor.Now() - last_activity_ < kIdle) {
    ArmIdle();
    return;
  }
  flush_wanted_ = true;
  MaybeStart(false);
}

// ---- Segments ----

void WalImpl::SwitchSegment() {
  active_ = *std::exchange(next_, std::nullopt);
  active_file_ = std::move(next_file_);
  tail_ = kFirstRecord;
  first_segment_stale_ = true;
}

void WalImpl::PrepareNext() {
  if (next_ || preparing_ || !failed_.ok()) return;
  if (!prepare_error_.ok() && !waits_for_segment_) return;
  preparing_ = true;
  prepare_error_ = OkStatus();
  SegmentPlan plan{options_.directory,     log_id_,
                   active_.number + 1,     env_.executor.random().Next(),
                   options_.segment_bytes, {}};
  if (!spares_.empty()) {
    plan.spare = std::move(spares_.back());
    spares_.pop_back();
  }
  const SegmentInfo info{plan.number, plan.generation, plan.bytes};
  auto file = std::make_shared<Result<std::unique_ptr<env::File>>>(std::unique_ptr<env::File>());
  preparer_->Run([&files = env_.files, plan, file] { *file = PrepareSegment(files, plan); },
                 [this, info, file] { OnPrepared(info, std::move(*file)); });
}

void WalImpl::OnPrepared(const SegmentInfo& info, Result<std::unique_ptr<env::File>> file) {
  preparing_ = false;
  if (!failed_.ok()) return;
  if (!file.ok()) {
    const Status& why = file.status();
    prepare_error_ = Status(why.code(), "log: " + Path(SegmentName(info.number)) +
                                            " could not be prepared: " + why.message());
    // A full disk is no reason to stop while the current segment has room; anything else is a
    // failing disk.
    if (waits_for_segment_ || why.code() != StatusCode::kResourceExhausted) {
      Fail(prepare_error_);
    } else {
      log::Warn("the log's next segment could not be prepared", {{"error", prepare_error_}});
    }
    return;
  }
  next_ = info;
  next_file_ = std::move(*file);
  if (!std::exchange(waits_for_segment_, false)) return;
  CHECK(EnsureRoom());
  WriteRecord(false);
}

void WalImpl::RetireBelow(uint64_t first_needed) {
  if (lowest_existing_ >= first_needed || !failed_.ok()) return;
  std::vector<uint64_t> numbers;
  for (; lowest_existing_ < first_needed; ++lowest_existing_) {
    const auto name = Path(SegmentName(lowest_existing_));
    if (env_.files.Exists(name)) numbers.push_back(lowest_existing_);
  }
  std::erase_if(read_files_, [&](const auto& f) { return f.first < first_needed; });
  const size_t have = spares_.size() + retiring_;
  const size_t keep = options_.spare_segments > have ? options_.spare_segments - have : 0;
  const size_t coming = std::min(keep, numbers.size());
  retiring_ += coming;
  prepare_error_ = OkStatus();  // there is room again
  auto names = std::make_shared<Result<std::vector<std::string>>>(std::vector<std::string>());
  preparer_->Run([&files = env_.files, directory = options_.directory, numbers, keep,
                  names] { *names = RetireSegments(files, directory, numbers, keep); },
                 [this, names, coming] {
                   retiring_ -= coming;
                   if (!names->ok()) {
                     Fail(Status(names->status().code(), "log: a segment could not be put aside: " +
                                                             names->status().message()));
                     return;
                   }
                   for (std::string& name : **names) spares_.push_back(std::move(name));
                 });
}

void WalImpl::Cut(GroupId group, raft::EntryId upto) {
  GroupLog& log = groups_[group].log;
  if (upto == log.base()) return;
  CHECK(log.Holds(upto), "a cut names an entry that the log holds");
  log.Cut(upto);
  cuts_waiting_ = true;
  ArmIdle();
}

Stats WalImpl::stats() const {
  Stats stats = stats_;
  const uint64_t full = active_.number - std::min(active_.number, first_segment_);
  stats.retained_bytes = full * options_.segment_bytes + tail_;
  stats.segments = static_cast<uint32_t>(full + 1);
  return stats;
}

}  // namespace cairn::wal
