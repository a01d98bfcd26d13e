// Recovery: reads a log directory and says what it holds and where it ends. Changes nothing; what
// is left to mend of a torn tail is given back as repairs, to be made once everything was found
// good.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/base/status.h"
#include "src/env/file.h"
#include "src/wal/group_log.h"
#include "src/wal/record_reader.h"

namespace cairn::wal {

struct SegmentInfo {
  uint64_t number = 0;
  uint64_t generation = 0;
  uint64_t bytes = 0;
};

struct Repair {
  std::string path;
  uint64_t offset = 0;
  std::string bytes;
};

struct RecoveredLog {
  uint64_t log_id = 0;
  std::map<GroupId, GroupLog> groups;
  Expected next_record;
  uint64_t first_segment = 0;           // the lowest that is needed
  std::optional<SegmentInfo> active;    // none: there is no log here yet
  uint64_t tail = kFirstRecord;         // where the next record goes in `active`
  std::optional<SegmentInfo> prepared;  // the segment behind `active`
  uint64_t highest_named = 0;           // what the file `log` says; 0: there is none
  bool last_is_mark = true;             // nothing is written that a mark would confirm
  std::vector<uint64_t> unneeded;       // segments to retire
  std::vector<std::string> spares;
  // Among them the last record, as it stands: the life before may have died before its sync, or
  // after one that failed, and then what is read here is in the page cache and will never reach the
  // disk by itself.
  std::vector<Repair> repairs;
};

// DataLoss: damage, with file, offset and kind. Other errors: the disk could not be read at all.
Result<RecoveredLog> Recover(env::FileSystem& files, const std::string& directory);

// Makes the repairs durable.
Status MakeRepairs(env::FileSystem& files, const std::vector<Repair>& repairs);

}  // namespace cairn::wal
