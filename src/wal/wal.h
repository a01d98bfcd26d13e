// Wal: the durable log of a process, shared by all its groups. Pre-allocated, recycled segments;
// one writer; one fdatasync for everything that waits, over all groups. The format, and what each
// kind of damage means, stand in docs/formats/wal.md.
//
// A write is buffered by Append and goes to the disk at the end of the executor's turn: inline when
// that is all there is to do (saves two thread hops), on the log's worker when more is going on.
// While one sync runs, later writes gather and go out together with the next.
//
// All calls and completions on the executor's thread.
#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/env/env.h"
#include "src/raft/types.h"

namespace cairn::wal {

struct Options {
  std::string directory;
  uint64_t segment_bytes = 64ull << 20;
  // A turn's writes of at most this size are written and synced inline on the loop when no sync is
  // under way; larger ones, and all under load, go to the worker. 0: always the worker.
  size_t inline_sync_bytes = 64 << 10;
  // Empty segments kept for reuse beyond the one in use.
  uint32_t spare_segments = 2;
};

// What the log holds of one group when it is opened.
struct GroupState {
  raft::HardState hard_state;
  raft::LogShape log;
};

// One write of one group. If `entries` is not empty, the group's log is cut to entries[0].index - 1
// first.
struct Write {
  GroupId group;
  std::optional<raft::HardState> hard_state;
  std::vector<raft::Entry> entries;
  bool sync = true;  // false: may ride along with the next write that syncs (a commit index alone)
};

struct Stats {
  uint64_t syncs = 0;
  uint64_t bytes_written = 0;
  uint64_t records = 0;
  env::Duration last_sync{0};
  uint64_t retained_bytes = 0;  // in segments that are still needed
  uint32_t segments = 0;
};

class Wal {
 public:
  // Durable (Ok), or the disk failed: then every later write fails too and the owner must stop.
  // Writes complete in the order in which they were given.
  using Done = absl::AnyInvocable<void(const Status&)>;
  // Told of each sync's duration (for a histogram).
  using SyncObserver = absl::AnyInvocable<void(env::Duration)>;

  // Opens or creates the log in options.directory and recovers it. A torn tail (never acknowledged)
  // is cut; damage is DataLoss with segment, offset and kind in the message, and nothing on disk is
  // changed then.
  static Result<std::unique_ptr<Wal>> Open(env::Env env, Options options);
  virtual ~Wal() = default;

  // Groups found, in order of id.
  virtual std::vector<GroupId> Groups() const = 0;
  // What was recovered of a group; empty for an unknown one.
  virtual GroupState Recovered(GroupId group) const = 0;

  // Never runs `done` inside the call; `done` must not destroy the Wal. Entries follow the log
  // without a gap, their terms never fall, and each one's data is at most segment_bytes / 2.
  virtual void Append(Write write, Done done) = 0;

  // The entries [first, last] of a group, as many as fit into `max_bytes` of data (at least one).
  // They must exist: appended before (durable or not), not cut. Each is checked against its
  // checksum; DataLoss if damaged. Once the log has failed: the error that it failed with.
  virtual Result<std::vector<raft::Entry>> Read(GroupId group, LogIndex first, LogIndex last,
                                                size_t max_bytes) = 0;

  // Entries of the group up to `upto` (an id that the log holds) are needed no more. Segments in
  // which nothing is needed are recycled. The cut itself becomes durable with a later write; until
  // then it may be forgotten.
  virtual void Cut(GroupId group, raft::EntryId upto) = 0;

  virtual Stats stats() const = 0;
  virtual void SetSyncObserver(SyncObserver observer) = 0;
};

}  // namespace cairn::wal
