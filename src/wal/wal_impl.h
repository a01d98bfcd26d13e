// WalImpl: the Wal. Split from wal.h to keep that header free of how it is done.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/wal/group_log.h"
#include "src/wal/record_builder.h"
#include "src/wal/recovery.h"
#include "src/wal/wal.h"

namespace cairn::wal {

class WalImpl final : public Wal {
 public:
  // `active` is open for writing, and `next` when a segment is prepared.
  WalImpl(env::Env env, Options options, RecoveredLog recovered, std::unique_ptr<env::File> active,
          std::unique_ptr<env::File> next);
  ~WalImpl() override;

  std::vector<GroupId> Groups() const override;
  GroupState Recovered(GroupId group) const override;
  void Append(Write write, Done done) override;
  Result<std::vector<raft::Entry>> Read(GroupId group, LogIndex first, LogIndex last,
                                        size_t max_bytes) override;
  void Cut(GroupId group, raft::EntryId upto) override;
  Stats stats() const override;
  void SetSyncObserver(SyncObserver observer) override { observer_ = std::move(observer); }

 private:
  // A group now, as Append left it, and as the last record left it: the difference waits in memory.
  struct Group {
    GroupLog log;
    raft::HardState written_hard_state;
    raft::EntryId written_base;
    LogIndex written_last;
    bool written = false;  // some record names the group
  };
  // Waits for its record, or is in the one under way. The last part of a large write has its Done.
  struct Buffered {
    Write write;
    Done done;
    bool has_done = false;
  };

  // ---- Gathering (wal.cc) ----
  void Buffer(Write write, Done done, bool has_done);
  uint64_t MaxRecordBytes() const;
  void OnTurnEnd();
  void MaybeStart(bool may_inline);
  // ---- Writing ----
  void TakeBatch();
  void BuildRecord();
  void AddWaitingCuts();
  uint64_t FirstNeededSegment() const;
  bool EnsureRoom();
  void WriteRecord(bool may_inline);
  void OnWritten(const Status& status);
  void Complete(std::vector<Buffered> batch, const Status& status);
  void Fail(const Status& status);
  void FailWaiting();
  // ---- Idle ----
  void ArmIdle();
  void OnIdle();
  // ---- Segments ----
  void SwitchSegment();
  void PrepareNext();
  void OnPrepared(const SegmentInfo& info, Result<std::unique_ptr<env::File>> file);
  void RetireBelow(uint64_t first_needed);
  std::string Path(const std::string& name) const { return options_.directory + "/" + name; }

  // ---- Reading (wal_read.cc) ----
  const raft::Entry* FindBuffered(GroupId group, LogIndex index) const;
  LogIndex FirstBuffered(GroupId group, LogIndex otherwise) const;
  Status ReadFromDisk(GroupId group, const GroupLog::Found& found, LogIndex first, LogIndex last,
                      size_t max_bytes, size_t* bytes, std::vector<raft::Entry>* out);
  Result<std::pair<RecordHead, std::vector<Section>>> ReadSections(env::File& file,
                                                                   const std::string& path,
                                                                   const RecordRef& ref);
  Result<env::File*> FileToRead(uint32_t segment);

  env::Env env_;
  const Options options_;
  const uint64_t log_id_;
  std::map<GroupId, Group> groups_;
  std::map<GroupId, GroupState> recovered_;

  // The log's end. A record under way has its place already: tail_ is behind it.
  SegmentInfo active_;
  std::unique_ptr<env::File> active_file_;
  uint64_t tail_;
  uint64_t next_sequence_;
  uint64_t durable_sequence_;
  uint64_t link_;  // what the next record's `previous` says

  // Segments.
  uint64_t first_segment_;    // said to be needed by the last record
  uint64_t lowest_existing_;  // not given to RetireSegments yet
  std::optional<SegmentInfo> next_;
  std::unique_ptr<env::File> next_file_;
  bool preparing_ = false;
  Status prepare_error_;  // disk full: not fatal before the room is needed
  std::vector<std::string> spares_;
  size_t retiring_ = 0;  // segments on their way to spares_
  bool first_segment_stale_ = false;

  // Writes.
  std::deque<Buffered> waiting_;
  size_t waiting_syncs_ = 0;  // of them, those that ask for a sync
  std::vector<Buffered> under_way_;
  bool writing_ = false;
  bool waits_for_segment_ = false;
  bool yielded_ = false;
  bool cuts_waiting_ = false;
  bool flush_wanted_ = false;  // idle: write a mark and what waits without a sync
  bool mark_needed_;           // somebody relies on the last record
  Status failed_;
  RecordBuilder builder_;
  env::Duration write_took_{0};
  env::Time last_activity_;
  env::TimerId idle_timer_;

  Stats stats_;
  SyncObserver observer_;
  std::vector<std::pair<uint32_t, std::unique_ptr<env::File>>> read_files_;  // last used last

  env::TurnTask turn_end_;
  // Last: destroyed first, so that nothing runs that uses the rest.
  std::unique_ptr<env::Worker> preparer_;
  std::unique_ptr<env::Worker> writer_;
};

}  // namespace cairn::wal
