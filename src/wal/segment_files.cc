#include "src/wal/segment_files.h"

#include <algorithm>
#include <cstring>

#include "src/wal/format.h"

namespace cairn::wal {
namespace {

// Written and synced piece by piece, so that a sync of the log never waits behind a whole segment
// of fill.
constexpr uint64_t kFillPieceBytes = 1 << 20;

template <class Head>
void PutHeads(Head head, std::string* to) {
  Seal(&head);
  std::memcpy(to->data(), &head, sizeof head);
  head.prefix.copy = 1;
  Seal(&head);
  std::memcpy(to->data() + kHeadCopyOffset, &head, sizeof head);
}

Status WriteFill(env::File& file, const SegmentPlan& plan) {
  std::string piece(std::min(kFillPieceBytes, plan.bytes), '\0');
  for (uint64_t at = 0; at < plan.bytes; at += piece.size()) {
    piece.resize(std::min<uint64_t>(piece.size(), plan.bytes - at));
    Fill(plan.generation, at, piece);
    if (at == 0) {
      SegmentHead head;
      head.prefix.log_id = plan.log_id;
      head.segment = plan.number;
      head.generation = plan.generation;
      head.segment_bytes = plan.bytes;
      std::fill_n(piece.begin(), kFirstRecord, '\0');
      PutHeads(head, &piece);
    }
    if (Status s = file.WriteAt(at, piece); !s.ok()) return s;
    if (Status s = file.Sync(); !s.ok()) return s;
  }
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<env::File>> PrepareSegment(env::FileSystem& files, const SegmentPlan& plan) {
  const std::string folder = plan.directory + "/";
  const std::string from = folder + (plan.spare.empty() ? SpareName(plan.number) : plan.spare);
  const std::string name = folder + SegmentName(plan.number);
  auto file = files.Open(from, env::OpenMode::kCreate);
  if (!file.ok()) return file.status();
  auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  if (*size > plan.bytes) {
    if (Status s = (*file)->Truncate(plan.bytes); !s.ok()) return s;
  }
  if (Status s = (*file)->Allocate(plan.bytes); !s.ok()) return s;
  if (Status s = WriteFill(**file, plan); !s.ok()) return s;
  if (Status s = files.Rename(from, name); !s.ok()) return s;
  if (Status s = files.SyncDirectory(plan.directory); !s.ok()) return s;
  const std::string identity = EncodeIdentity(plan.log_id, plan.number);
  if (Status s = env::ReplaceFile(files, folder + kIdentityName, identity); !s.ok()) return s;
  return std::move(*file);
}

Result<std::vector<std::string>> RetireSegments(env::FileSystem& files,
                                                const std::string& directory,
                                                const std::vector<uint64_t>& numbers, size_t keep) {
  std::vector<std::string> spares;
  for (const uint64_t number : numbers) {
    const std::string name = directory + "/" + SegmentName(number);
    if (spares.size() < keep) {
      if (Status s = files.Rename(name, directory + "/" + SpareName(number)); !s.ok()) return s;
      spares.push_back(SpareName(number));
    } else if (Status s = files.Remove(name); !s.ok()) {
      return s;
    }
  }
  if (Status s = files.SyncDirectory(directory); !s.ok()) return s;
  return spares;
}

std::string EncodeIdentity(uint64_t log_id, uint64_t highest_segment) {
  std::string contents(kHeadCopyOffset + kSectorBytes, '\0');
  IdentityHead head;
  head.prefix.log_id = log_id;
  head.highest_segment = highest_segment;
  PutHeads(head, &contents);
  return contents;
}

}  // namespace cairn::wal
