#include "src/wal/record_reader.h"

#include <algorithm>
#include <cstring>

#include "src/base/checksum.h"

namespace cairn::wal {
namespace {

Status LaterVersion(const std::string& path) {
  return Status(StatusCode::kUnimplemented,
                path + " was written by a later version of cairn: start that version");
}

bool SameRecord(RecordHead a, RecordHead b) {
  a.prefix.checksum = b.prefix.checksum = 0;
  a.prefix.copy = b.prefix.copy = 0;
  return std::memcmp(&a, &b, sizeof a) == 0;
}

// Whether head and meta at `at` are those of `head`.
bool HeadIntact(const SegmentImage& image, const RecordHead& head, uint64_t at, uint8_t copy) {
  const std::string_view bytes = std::string_view(image.bytes).substr(at);
  const auto found = Unseal<RecordHead>(bytes);
  if (!found || found->prefix.copy != copy || !SameRecord(*found, head)) return false;
  return Checksum(bytes.substr(sizeof(RecordHead), head.meta_bytes)) == head.meta_checksum;
}

void CheckData(const SegmentImage& image, Examined* examined) {
  examined->data_ok = true;
  const uint64_t data_at = examined->head.offset + examined->head.data_at();
  for (const Section& section : examined->sections) {
    uint64_t at = data_at + section.data_at;
    for (size_t i = 0; i < section.entries.size(); ++i) {
      const EntryHead& entry = section.entries[i];
      if (Checksum(std::string_view(image.bytes).substr(at, entry.length)) != entry.checksum) {
        examined->data_ok = false;
        examined->bad_at = at;
        examined->bad_data = "group " + std::to_string(section.group.value) + ", index " +
                             std::to_string((section.first_index + i).value);
        return;
      }
      at += entry.length;
    }
  }
}

// Whether the head's numbers can be true at all in this segment.
bool Fits(const SegmentImage& image, const RecordHead& head) {
  return head.offset >= kFirstRecord && head.offset % kSectorBytes == 0 &&
         head.offset < image.bytes.size() && head.total_bytes() <= image.bytes.size() - head.offset;
}

bool BelongsTo(const SegmentImage& image, const RecordHead& head, uint64_t at) {
  if (head.prefix.log_id != image.log_id || head.segment != image.number ||
      head.generation != image.generation || !Fits(image, head)) {
    return false;
  }
  return at == head.offset + (head.prefix.copy == 0 ? 0 : head.copy_at());
}

}  // namespace

Result<SegmentImage> CheckSegment(std::string path, uint64_t number, uint64_t log_id,
                                  std::string bytes) {
  if (bytes.size() < kFirstRecord) return Damage(path, bytes.size(), "segment cut short");
  const std::string_view view(bytes);
  const auto first = Unseal<SegmentHead>(view);
  const auto copy = Unseal<SegmentHead>(view.substr(kHeadCopyOffset));
  const auto& known = first ? first : copy;
  if (known && known->prefix.version > kVersion) return LaterVersion(path);
  if (!first || first->prefix.copy != 0) return Damage(path, 0, "segment head damaged");
  if (!copy || copy->prefix.copy != 1 || copy->generation != first->generation) {
    return Damage(path, kHeadCopyOffset, "copy of the segment head damaged");
  }
  if (first->segment != number || (log_id != 0 && first->prefix.log_id != log_id)) {
    return Damage(path, 0, "segment misplaced: its head names another number or log");
  }
  if (bytes.size() != first->segment_bytes) {
    return Damage(path, std::min<uint64_t>(bytes.size(), first->segment_bytes),
                  "segment of the wrong size: its head says " +
                      std::to_string(first->segment_bytes) + " bytes");
  }
  const uint64_t id = first->prefix.log_id, generation = first->generation;
  return SegmentImage{std::move(path), id, number, generation, std::move(bytes)};
}

std::string Examined::What() const {
  if (!first_ok) return "record head damaged";
  if (!data_ok) return "data damaged (" + bad_data + ")";
  return "copy of the record head damaged";
}

Result<std::optional<RecordHead>> HeadAt(const SegmentImage& image, uint64_t offset) {
  const auto head = Unseal<RecordHead>(std::string_view(image.bytes).substr(offset));
  if (!head) return std::optional<RecordHead>();
  if (head->prefix.version > kVersion) return LaterVersion(image.path);
  if (head->prefix.copy != 0 || !BelongsTo(image, *head, offset))
    return std::optional<RecordHead>();
  return head;
}

Result<Examined> Examine(const SegmentImage& image, const RecordHead& head) {
  Examined examined;
  examined.head = head;
  const uint64_t copy_at = head.offset + head.copy_at();
  examined.first_ok = HeadIntact(image, head, head.offset, 0);
  examined.copy_ok = HeadIntact(image, head, copy_at, 1);
  if (examined.first_ok || examined.copy_ok) {
    const uint64_t at = examined.first_ok ? head.offset : copy_at;
    auto sections = DecodeSections(
        head, std::string_view(image.bytes).substr(at + sizeof(RecordHead), head.meta_bytes));
    if (!sections.ok()) {
      if (sections.status().code() == StatusCode::kUnimplemented) return LaterVersion(image.path);
      return Damage(image.path, at, sections.status().message());
    }
    examined.sections = std::move(*sections);
    CheckData(image, &examined);
  }
  if (!examined.first_ok) {
    examined.bad_at = head.offset;
  } else if (examined.data_ok && !examined.copy_ok) {
    examined.bad_at = copy_at;
  }
  if (!examined.whole()) {
    for (uint64_t at = head.offset; at < head.offset + head.total_bytes(); at += kSectorBytes) {
      examined.missing |= IsMissing(image.generation, at, image.Sector(at));
    }
  }
  return examined;
}

Status DescribeBreak(const SegmentImage& image, uint64_t offset) {
  if (offset >= image.bytes.size() || IsFill(image.generation, offset, image.Sector(offset))) {
    return Damage(image.path, offset, "record missing");
  }
  auto head = HeadAt(image, offset);
  if (!head.ok()) return head.status();
  if (!*head) return Damage(image.path, offset, "record head damaged");
  auto examined = Examine(image, **head);
  if (!examined.ok()) return examined.status();
  if (examined->whole()) return Damage(image.path, offset, "record missing before this one");
  return Damage(image.path, examined->bad_at, examined->What());
}

Result<Tail> JudgeTail(const SegmentImage& image, uint64_t offset, const Expected& expected) {
  Tail tail;
  std::optional<RecordHead> torn;
  for (uint64_t at = offset; at < image.bytes.size(); at += kSectorBytes) {
    if (IsFill(image.generation, at, image.Sector(at))) continue;
    tail.residue.push_back(at);
    const auto head = Unseal<RecordHead>(image.Sector(at));
    if (!head || head->prefix.log_id != image.log_id || head->sequence < expected.sequence)
      continue;
    if (head->prefix.version > kVersion) return LaterVersion(image.path);
    if (!BelongsTo(image, *head, at)) return Damage(image.path, at, "record misplaced");
    if (head->sequence > expected.sequence || head->durable >= expected.sequence ||
        head->offset != offset) {
      return DescribeBreak(image, offset);
    }
    torn = head;
  }
  if (tail.residue.empty()) return tail;
  tail.kind = Tail::Kind::kCut;
  if (!torn) {
    if (!IsMissing(image.generation, offset, image.Sector(offset))) {
      return Damage(image.path, offset, "record head damaged");
    }
    return tail;
  }
  auto examined = Examine(image, *torn);
  if (!examined.ok()) return examined.status();
  if (!examined->missing) return Damage(image.path, examined->bad_at, examined->What());
  if (examined->recoverable() && (expected.any || torn->previous == expected.previous)) {
    const uint64_t end = offset + torn->total_bytes();
    std::erase_if(tail.residue, [end](uint64_t at) { return at < end; });
    tail.kind = Tail::Kind::kFinish;
    tail.record = std::move(*examined);
  }
  return tail;
}

}  // namespace cairn::wal
