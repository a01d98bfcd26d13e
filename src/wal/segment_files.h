// Segments as files: preparing one for use, putting one aside, and the file `log`. Blocking; the
// Wal runs these on a worker, except when it opens. The order of the steps is what makes a segment
// in use always whole and named: docs/formats/wal.md, "Files".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/base/status.h"
#include "src/env/file.h"

namespace cairn::wal {

struct SegmentPlan {
  std::string directory;
  uint64_t log_id = 0;
  uint64_t number = 0;
  uint64_t generation = 0;
  uint64_t bytes = 0;
  std::string spare;  // the name of a spare to reuse; empty: a new file
};

// When it returns Ok the segment may be written. The returned file is open for that.
Result<std::unique_ptr<env::File>> PrepareSegment(env::FileSystem& files, const SegmentPlan& plan);

// What becomes of segments that are needed no more: the first `keep` become spares, whose names are
// returned, the others are removed. Durable when it returns.
Result<std::vector<std::string>> RetireSegments(env::FileSystem& files,
                                                const std::string& directory,
                                                const std::vector<uint64_t>& numbers, size_t keep);

inline constexpr char kIdentityName[] = "log";
std::string EncodeIdentity(uint64_t log_id, uint64_t highest_segment);

}  // namespace cairn::wal
