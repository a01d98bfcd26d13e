#include "src/wal/format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "src/base/checksum.h"

namespace cairn::wal {
namespace {

template <class T>
void Put(std::string* to, const T& v) {
  to->append(reinterpret_cast<const char*>(&v), sizeof v);
}

void PutHardState(std::string* to, const raft::HardState& hs) {
  Put(to, hs.term.value);
  Put(to, hs.vote.value);
  Put(to, hs.commit.value);
}

// Takes fixed-size values off the front of a meta; never reads past its end.
class Cursor {
 public:
  explicit Cursor(std::string_view rest) : rest_(rest) {}
  template <class T>
  bool Take(T* v) {
    if (rest_.size() < sizeof *v) return false;
    std::memcpy(v, rest_.data(), sizeof *v);
    rest_.remove_prefix(sizeof *v);
    return true;
  }
  bool Take(raft::HardState* hs) {
    return Take(&hs->term.value) && Take(&hs->vote.value) && Take(&hs->commit.value);
  }
  bool Take(raft::EntryId* id) { return Take(&id->term.value) && Take(&id->index.value); }
  bool empty() const { return rest_.empty(); }
  size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

bool TakeWrite(Cursor& in, const SectionHead& head, Section* section) {
  if ((head.flags & kHasHardState) != 0 && !in.Take(&section->hard_state.emplace())) return false;
  if (head.count == 0) return true;
  if (!in.Take(&section->first_index.value)) return false;
  if (head.count > in.left() / sizeof(EntryHead)) return false;
  section->entries.resize(head.count);
  for (EntryHead& entry : section->entries) {
    if (!in.Take(&entry)) return false;
  }
  return true;
}

bool TakeBody(Cursor& in, const SectionHead& head, Section* section) {
  switch (head.type) {
    case SectionType::kState:
      return in.Take(&section->hard_state.emplace()) && in.Take(&section->base) &&
             in.Take(&section->last.value);
    case SectionType::kCut:
      return in.Take(&section->base);
    case SectionType::kWrite:
      return TakeWrite(in, head, section);
  }
  return false;
}

std::optional<uint64_t> ParseName(std::string_view name, std::string_view extension) {
  if (name.size() != 16 + extension.size() || !name.ends_with(extension)) return std::nullopt;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 16, number, 16);
  if (error != std::errc() || end != name.data() + 16 || number == 0) return std::nullopt;
  return number;
}

std::string NumberName(uint64_t number, std::string_view extension) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string name(16, '0');
  for (size_t i = 16; i-- > 0; number >>= 4) name[i] = kDigits[number & 15];
  return name.append(extension);
}

}  // namespace

template <class Head>
void Seal(Head* head) {
  static_assert(std::has_unique_object_representations_v<Head>);
  const auto* bytes = reinterpret_cast<const char*>(head);
  head->prefix.checksum = Checksum({bytes + sizeof(uint64_t), sizeof(Head) - sizeof(uint64_t)});
}

template <class Head>
std::optional<Head> Unseal(std::string_view bytes) {
  if (bytes.size() < sizeof(Head)) return std::nullopt;
  Head head;
  std::memcpy(static_cast<void*>(&head), bytes.data(), sizeof head);
  if (head.prefix.magic != kMagic || head.prefix.kind != Head{}.prefix.kind) return std::nullopt;
  const std::string_view rest = bytes.substr(sizeof(uint64_t), sizeof(Head) - sizeof(uint64_t));
  if (Checksum(rest) != head.prefix.checksum) return std::nullopt;
  return head;
}

template void Seal(SegmentHead*);
template void Seal(IdentityHead*);
template void Seal(RecordHead*);
template std::optional<SegmentHead> Unseal(std::string_view);
template std::optional<IdentityHead> Unseal(std::string_view);
template std::optional<RecordHead> Unseal(std::string_view);

void PutStateSection(std::string* meta, GroupId group, const raft::HardState& hard_state,
                     raft::EntryId base, LogIndex last) {
  Put(meta, SectionHead{.type = SectionType::kState, .group = group.value});
  PutHardState(meta, hard_state);
  Put(meta, base.term.value);
  Put(meta, base.index.value);
  Put(meta, last.value);
}

void PutCutSection(std::string* meta, GroupId group, raft::EntryId base) {
  Put(meta, SectionHead{.type = SectionType::kCut, .group = group.value});
  Put(meta, base.term.value);
  Put(meta, base.index.value);
}

void PutWriteSection(std::string* meta, GroupId group,
                     const std::optional<raft::HardState>& hard_state,
                     std::span<const raft::Entry> entries) {
  const size_t at = meta->size();
  Put(meta, SectionHead{.type = SectionType::kWrite,
                        .flags = hard_state ? kHasHardState : uint8_t{0},
                        .count = static_cast<uint32_t>(entries.size()),
                        .group = group.value});
  if (hard_state) PutHardState(meta, *hard_state);
  if (entries.empty()) return;
  Put(meta, entries[0].index.value);
  meta->resize(at + WriteSectionBytes(hard_state.has_value(), entries.size()));
  char* to = meta->data() + meta->size() - entries.size() * sizeof(EntryHead);
  for (const raft::Entry& entry : entries) {
    const EntryHead head{.term = entry.term.value,
                         .checksum = Checksum(entry.data.view()),
                         .length = static_cast<uint32_t>(entry.data.size()),
                         .type = entry.type};
    std::memcpy(to, &head, sizeof head);
    to += sizeof head;
  }
}

uint64_t WriteSectionBytes(bool has_hard_state, size_t entries) {
  return sizeof(SectionHead) + (has_hard_state ? kHardStateBytes : 0) +
         (entries == 0 ? 0 : sizeof(uint64_t) + entries * sizeof(EntryHead));
}

Result<std::vector<Section>> DecodeSections(const RecordHead& head, std::string_view meta) {
  Cursor in(meta);
  std::vector<Section> sections;
  uint64_t data_at = 0;
  while (!in.empty()) {
    SectionHead section_head;
    if (!in.Take(&section_head)) return Status(StatusCode::kDataLoss, "section cut short");
    Section section;
    section.type = section_head.type;
    section.group = GroupId(section_head.group);
    section.data_at = data_at;
    if (section.type < SectionType::kState || section.type > SectionType::kCut) {
      return Status(StatusCode::kUnimplemented, "section type unknown to this version");
    }
    if (!TakeBody(in, section_head, &section)) {
      return Status(StatusCode::kDataLoss, "section cut short");
    }
    for (const EntryHead& entry : section.entries) data_at += entry.length;
    sections.push_back(std::move(section));
  }
  if (data_at != head.data_bytes || sections.size() != head.sections) {
    return Status(StatusCode::kDataLoss, "record head and sections contradict each other");
  }
  return sections;
}

uint64_t FillWord(uint64_t generation, uint64_t sector) {
  // SplitMix64's finish: every sector of every generation has a word of its own.
  uint64_t z = generation + (sector + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void Fill(uint64_t generation, uint64_t offset, std::span<char> to) {
  std::array<uint64_t, kSectorBytes / sizeof(uint64_t)> sector;
  for (size_t at = 0; at < to.size(); at += kSectorBytes) {
    sector.fill(FillWord(generation, (offset + at) / kSectorBytes));
    std::memcpy(to.data() + at, sector.data(), std::min(to.size() - at, size_t{kSectorBytes}));
  }
}

bool IsFill(uint64_t generation, uint64_t offset, std::string_view sector) {
  const uint64_t word = FillWord(generation, offset / kSectorBytes);
  uint64_t differs = 0;
  for (size_t at = 0; at + sizeof word <= sector.size(); at += sizeof word) {
    uint64_t found;
    std::memcpy(&found, sector.data() + at, sizeof found);
    differs |= found ^ word;
  }
  return differs == 0;
}

bool IsMissing(uint64_t generation, uint64_t offset, std::string_view sector) {
  const uint64_t word = FillWord(generation, offset / kSectorBytes);
  return std::memcmp(sector.data(), &word, sizeof word) == 0 ||
         std::memcmp(sector.data() + sector.size() - sizeof word, &word, sizeof word) == 0;
}

std::string SegmentName(uint64_t number) { return NumberName(number, ".wal"); }
std::string SpareName(uint64_t number) { return NumberName(number, ".spare"); }
std::optional<uint64_t> ParseSegmentName(std::string_view name) { return ParseName(name, ".wal"); }
std::optional<uint64_t> ParseSpareName(std::string_view name) { return ParseName(name, ".spare"); }

Status Damage(const std::string& path, uint64_t offset, std::string_view what) {
  return Status(StatusCode::kDataLoss, "log damaged: " + path + ", offset " +
                                           std::to_string(offset) + ": " + std::string(what));
}

}  // namespace cairn::wal
