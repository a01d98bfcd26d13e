// The bytes of the log on disk, as docs/formats/wal.md says: layouts, checksums, fill. Nothing here
// touches a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/status.h"
#include "src/raft/types.h"

namespace cairn::wal {

inline constexpr uint64_t kSectorBytes = 512;
inline constexpr uint64_t kHeadCopyOffset = 4096;  // of the segment head's copy
inline constexpr uint64_t kFirstRecord = 8192;     // where a segment's records begin
inline constexpr uint64_t kMinSegmentBytes = 32 << 10;
inline constexpr uint64_t kMaxSegmentBytes = 1 << 30;
inline constexpr uint32_t kMagic = 0x4c415743;  // "CWAL"
inline constexpr uint8_t kVersion = 1;

enum class Kind : uint8_t { kSegment = 1, kRecord = 2, kIdentity = 3 };

// What all heads begin with. `checksum` is that of the bytes of the head behind it.
struct Prefix {
  uint64_t checksum = 0;
  uint32_t magic = kMagic;
  uint8_t version = kVersion;
  Kind kind = Kind::kRecord;
  uint8_t copy = 0;
  uint8_t flags = 0;
  uint64_t log_id = 0;
};
static_assert(sizeof(Prefix) == 24);

struct SegmentHead {
  Prefix prefix{.kind = Kind::kSegment};
  uint64_t segment = 0;
  uint64_t generation = 0;
  uint64_t segment_bytes = 0;
  uint64_t reserved[2] = {0, 0};
};
static_assert(sizeof(SegmentHead) == 64);

// The file `log`.
struct IdentityHead {
  Prefix prefix{.kind = Kind::kIdentity};
  uint64_t highest_segment = 0;
};
static_assert(sizeof(IdentityHead) == 32);

inline constexpr uint8_t kOpensSegment = 1;  // Prefix::flags of a record

struct RecordHead {
  Prefix prefix{.kind = Kind::kRecord};
  uint64_t segment = 0;
  uint64_t generation = 0;
  uint64_t sequence = 0;
  uint64_t durable = 0;
  uint64_t previous = 0;
  uint64_t first_segment = 0;
  uint32_t offset = 0;
  uint32_t meta_bytes = 0;
  uint32_t data_bytes = 0;
  uint32_t sections = 0;
  uint64_t meta_checksum = 0;

  // Relative to the record's beginning.
  uint64_t data_at() const { return sizeof(RecordHead) + meta_bytes; }
  uint64_t copy_at() const;
  uint64_t total_bytes() const;
};
static_assert(sizeof(RecordHead) == 96);

constexpr uint64_t RoundUp(uint64_t bytes) {
  return (bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
}
// What a record takes on disk.
constexpr uint64_t RecordBytes(uint64_t meta_bytes, uint64_t data_bytes) {
  const uint64_t head = sizeof(RecordHead) + meta_bytes;
  return RoundUp(head + data_bytes) + RoundUp(head + sizeof(uint64_t));
}
inline uint64_t RecordHead::copy_at() const { return RoundUp(data_at() + data_bytes); }
inline uint64_t RecordHead::total_bytes() const { return RecordBytes(meta_bytes, data_bytes); }

enum class SectionType : uint8_t { kState = 1, kWrite = 2, kCut = 3 };
inline constexpr uint8_t kHasHardState = 1;  // SectionHead::flags of a write

struct SectionHead {
  SectionType type = SectionType::kWrite;
  uint8_t flags = 0;
  uint16_t reserved = 0;
  uint32_t count = 0;
  uint64_t group = 0;
};
static_assert(sizeof(SectionHead) == 16);

struct EntryHead {
  uint64_t term = 0;
  uint64_t checksum = 0;
  uint32_t length = 0;
  raft::EntryType type = raft::EntryType::kNormal;
  uint8_t reserved[3] = {0, 0, 0};
};
static_assert(sizeof(EntryHead) == 24);

inline constexpr uint64_t kHardStateBytes = 24;
inline constexpr uint64_t kStateSectionBytes = sizeof(SectionHead) + kHardStateBytes + 24;
inline constexpr uint64_t kCutSectionBytes = sizeof(SectionHead) + 16;

// One section, decoded. `entries` point into nothing: copies, as the bytes need not be aligned.
struct Section {
  SectionType type = SectionType::kWrite;
  GroupId group;
  std::optional<raft::HardState> hard_state;  // state: always; write: when given
  raft::EntryId base;                         // state, cut
  LogIndex last;                              // state
  LogIndex first_index;                       // write with entries
  std::vector<EntryHead> entries;
  uint64_t data_at = 0;  // of its first entry, in the record's data
};

// Completes a head's checksum.
template <class Head>
void Seal(Head* head);
// The head at the front of `bytes`, if it is one: magic, kind and checksum are right. Its version
// may be a later one: the caller asks.
template <class Head>
std::optional<Head> Unseal(std::string_view bytes);

void PutStateSection(std::string* meta, GroupId group, const raft::HardState& hard_state,
                     raft::EntryId base, LogIndex last);
void PutCutSection(std::string* meta, GroupId group, raft::EntryId base);
// Returns the position in `meta` of its first entry head; the caller puts those behind.
void PutWriteSection(std::string* meta, GroupId group,
                     const std::optional<raft::HardState>& hard_state,
                     std::span<const raft::Entry> entries);
uint64_t WriteSectionBytes(bool has_hard_state, size_t entries);

// The sections of a meta whose checksum is right. DataLoss if it makes no sense all the same;
// Unimplemented for a section type of a later version.
Result<std::vector<Section>> DecodeSections(const RecordHead& head, std::string_view meta);

// ---- Fill ----
uint64_t FillWord(uint64_t generation, uint64_t sector);
// Fills `to`, which begins at the sector boundary `offset` of the segment.
void Fill(uint64_t generation, uint64_t offset, std::span<char> to);
// The sector at `offset` is fill from end to end / holds fill at its front or back: not, or not
// wholly, written.
bool IsFill(uint64_t generation, uint64_t offset, std::string_view sector);
bool IsMissing(uint64_t generation, uint64_t offset, std::string_view sector);

// ---- Names ----
std::string SegmentName(uint64_t number);
std::string SpareName(uint64_t number);
// The number in a segment's or spare's name.
std::optional<uint64_t> ParseSegmentName(std::string_view name);
std::optional<uint64_t> ParseSpareName(std::string_view name);

// DataLoss that says where: "log damaged: DIRECTORY/NAME, offset 8192: WHAT".
Status Damage(const std::string& path, uint64_t offset, std::string_view what);

}  // namespace cairn::wal
