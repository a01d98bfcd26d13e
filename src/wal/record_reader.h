// Judges records in a segment's bytes: whole, torn, or damaged, as the table in docs/formats/wal.md
// says. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/status.h"
#include "src/wal/format.h"

namespace cairn::wal {

// A segment read into memory, its heads checked.
struct SegmentImage {
  std::string path;
  uint64_t log_id = 0;
  uint64_t number = 0;
  uint64_t generation = 0;
  std::string bytes;

  std::string_view Sector(uint64_t offset) const {
    return std::string_view(bytes).substr(offset, kSectorBytes);
  }
};

// Checks the segment's heads and size against what they ought to be. `log_id` 0: not known yet.
Result<SegmentImage> CheckSegment(std::string path, uint64_t number, uint64_t log_id,
                                  std::string bytes);

// Every part of a record of which at least one head is intact.
struct Examined {
  RecordHead head;
  bool first_ok = false;  // head and meta in front
  bool copy_ok = false;   // head and meta behind
  bool data_ok = false;   // every entry's data; false when neither meta is intact
  bool missing = false;   // some sector of it was never written
  std::string bad_data;   // "group 1, index 17", the first entry that does not check
  uint64_t bad_at = 0;    // where in the segment the first thing stands that does not check
  std::vector<Section> sections;

  bool whole() const { return first_ok && copy_ok && data_ok; }
  bool recoverable() const { return (first_ok || copy_ok) && data_ok; }
  std::string What() const;
};

// The record whose first head stands at `offset`, if that head is intact and is where it belongs.
// Unimplemented: written by a later version.
Result<std::optional<RecordHead>> HeadAt(const SegmentImage& image, uint64_t offset);
Result<Examined> Examine(const SegmentImage& image, const RecordHead& head);

// What recovery has read up to the tail.
struct Expected {
  uint64_t sequence = 1;  // of the next record
  uint64_t previous = 0;  // its link; ignored when `any` is set
  bool any = false;       // nothing was read yet: whatever comes first is taken
};

// What stands at `offset`, where no whole record is, in words; as the DataLoss to report if it
// turns out that there must have been one.
Status DescribeBreak(const SegmentImage& image, uint64_t offset);

struct Tail {
  enum class Kind { kClean, kCut, kFinish };
  Kind kind = Kind::kClean;
  Examined record;                // kFinish
  std::vector<uint64_t> residue;  // sectors that must be fill again, rising
};

// Judges what stands at and behind `offset`, where the log ends. DataLoss: damage.
Result<Tail> JudgeTail(const SegmentImage& image, uint64_t offset, const Expected& expected);

}  // namespace cairn::wal
