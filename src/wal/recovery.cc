#include "src/wal/recovery.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "src/wal/segment_files.h"

namespace cairn::wal {
namespace {

// Reads in large pieces; when one fails, finds the first sector-sized piece that does.
Result<std::string> ReadSegment(env::FileSystem& files, const std::string& path) {
  constexpr uint64_t kPieceBytes = 1 << 20;
  auto file = files.Open(path, env::OpenMode::kRead);
  if (!file.ok()) return file.status();
  auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  std::string bytes(std::min(*size, kMaxSegmentBytes), '\0');
  for (uint64_t at = 0; at < bytes.size();) {
    const uint64_t wanted = std::min<uint64_t>(kPieceBytes, bytes.size() - at);
    auto got = (*file)->ReadAt(at, std::span(bytes).subspan(at, wanted));
    if (!got.ok()) {
      uint64_t bad = at;
      std::string sector(kSectorBytes, '\0');
      while (bad + kSectorBytes < at + wanted && (*file)->ReadAt(bad, sector).ok()) {
        bad += kSectorBytes;
      }
      return Damage(path, bad, "unreadable: " + got.status().message());
    }
    if (*got == 0) return Damage(path, at, "segment cut short");
    at += *got;
  }
  return bytes;
}

class Recovery {
 public:
  Recovery(env::FileSystem& files, const std::string& directory)
      : files_(files), directory_(directory) {}

  Result<RecoveredLog> Run();

 private:
  Status List();
  Status ReadIdentity();
  Result<SegmentImage> Load(uint64_t number);
  // Applies the whole records of a segment; returns the offset behind the last.
  Result<uint64_t> ReadRecords(const SegmentImage& image, uint64_t* records);
  Status ReadLastSegment(SegmentImage image);
  Status EndIn(const SegmentImage& image, uint64_t tail_at, const Tail& tail);
  Status Finish(const SegmentImage& image, const Examined& record);
  void Refill(const SegmentImage& image, const std::vector<uint64_t>& residue);
  Status Apply(const SegmentImage& image, const Examined& record);
  Status ApplySection(const Section& section, const RecordHead& head);
  Status CheckComplete();
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

  env::FileSystem& files_;
  const std::string& directory_;
  std::vector<uint64_t> numbers_;
  uint64_t low_ = 0;  // the range without a gap that ends with the highest number
  RecoveredLog out_;
  // The segment before the one being read, and where its records end.
  std::optional<SegmentImage> before_;
  uint64_t before_end_ = 0;
  uint64_t last_record_ = 0;  // where the last record that was applied begins
};

Result<RecoveredLog> Recovery::Run() {
  if (Status s = List(); !s.ok()) return s;
  if (Status s = ReadIdentity(); !s.ok()) return s;
  if (numbers_.empty()) return std::move(out_);
  out_.next_record.any = true;
  for (uint64_t number = low_; number <= numbers_.back(); ++number) {
    auto image = Load(number);
    if (!image.ok()) return image.status();
    out_.log_id = image->log_id;
    if (number == numbers_.back()) {
      if (Status s = ReadLastSegment(std::move(*image)); !s.ok()) return s;
      break;
    }
    uint64_t records = 0;
    auto end = ReadRecords(*image, &records);
    if (!end.ok()) return end.status();
    // A segment is prepared only when the one before it holds a durable record.
    if (records == 0) return DescribeBreak(*image, *end);
    before_ = std::move(*image);
    before_end_ = *end;
  }
  if (Status s = CheckComplete(); !s.ok()) return s;
  return std::move(out_);
}

Status Recovery::List() {
  auto names = files_.List(directory_);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (const auto number = ParseSegmentName(name)) numbers_.push_back(*number);
    if (ParseSpareName(name)) out_.spares.push_back(name);
  }
  std::ranges::sort(numbers_);
  if (!numbers_.empty()) {
    low_ = numbers_.back();
    for (size_t i = numbers_.size() - 1; i-- > 0 && numbers_[i] + 1 == low_;) --low_;
  }
  return OkStatus();
}

Status Recovery::ReadIdentity() {
  const std::string path = Path(kIdentityName);
  if (!files_.Exists(path)) return OkStatus();
  auto contents = env::ReadWholeFile(files_, path);
  if (!contents.ok()) return Damage(path, 0, "unreadable: " + contents.status().message());
  auto head = Unseal<IdentityHead>(*contents);
  if (!head && contents->size() > kHeadCopyOffset) {
    head = Unseal<IdentityHead>(std::string_view(*contents).substr(kHeadCopyOffset));
  }
  if (!head) return Damage(path, 0, "both copies damaged");
  if (head->prefix.version > kVersion) {
    return Status(StatusCode::kUnimplemented,
                  path + " was written by a later version of cairn: start that version");
  }
  out_.log_id = head->prefix.log_id;
  out_.highest_named = head->highest_segment;
  const uint64_t highest = numbers_.empty() ? 0 : numbers_.back();
  if (highest < out_.highest_named) {
    return Damage(Path(SegmentName(highest + 1)), 0, "segment missing");
  }
  return OkStatus();
}

Result<SegmentImage> Recovery::Load(uint64_t number) {
  const std::string path = Path(SegmentName(number));
  auto bytes = ReadSegment(files_, path);
  if (!bytes.ok()) return bytes.status();
  return CheckSegment(path, number, out_.log_id, std::move(*bytes));
}

Result<uint64_t> Recovery::ReadRecords(const SegmentImage& image, uint64_t* records) {
  uint64_t at = kFirstRecord;
  *records = 0;
  while (at < image.bytes.size()) {
    auto head = HeadAt(image, at);
    if (!head.ok()) return head.status();
    if (!*head) break;
    auto examined = Examine(image, **head);
    if (!examined.ok()) return examined.status();
    if (!examined->whole()) break;
    const Expected& expected = out_.next_record;
    if (!expected.any &&
        ((*head)->sequence != expected.sequence || (*head)->previous != expected.previous)) {
      // Something whole follows, but not what should: the records between are gone.
      if (*records == 0 && before_) return DescribeBreak(*before_, before_end_);
      return Damage(image.path, at, "record missing before this one");
    }
    if (Status s = Apply(image, *examined); !s.ok()) return s;
    last_record_ = at;
    at += (*head)->total_bytes();
    ++*records;
  }
  return at;
}

// The last segment holds the log's end, or is prepared and the one before it holds the end.
Status Recovery::ReadLastSegment(SegmentImage image) {
  uint64_t records = 0;
  auto end = ReadRecords(image, &records);
  if (!end.ok()) return end.status();
  if (records == 0 && !before_ && (image.number != 1 || out_.highest_named > 1)) {
    // A lone segment without a record is that of a log that was never written. Any other had
    // predecessors.
    return Damage(Path(SegmentName(image.number - 1)), 0, "segment missing");
  }
  auto tail = JudgeTail(image, *end, out_.next_record);
  if (!tail.ok()) return tail.status();
  if (records > 0 || !before_) return EndIn(image, *end, *tail);

  auto before = JudgeTail(*before_, before_end_, out_.next_record);
  if (!before.ok()) return before.status();
  if (tail->kind != Tail::Kind::kClean && before->kind != Tail::Kind::kClean) {
    // A write to this segment had begun, so all in the one before was durable.
    return DescribeBreak(*before_, before_end_);
  }
  if (tail->kind == Tail::Kind::kFinish) return EndIn(image, *end, *tail);
  Refill(image, tail->residue);
  out_.prepared = SegmentInfo{image.number, image.generation, image.bytes.size()};
  return EndIn(*before_, before_end_, *before);
}

Status Recovery::EndIn(const SegmentImage& image, uint64_t tail_at, const Tail& tail) {
  out_.active = SegmentInfo{image.number, image.generation, image.bytes.size()};
  out_.tail = tail_at;
  Refill(image, tail.residue);
  if (tail.kind != Tail::Kind::kFinish) {
    if (tail_at > kFirstRecord) {
      out_.repairs.push_back(
          {image.path, last_record_, image.bytes.substr(last_record_, tail_at - last_record_)});
    }
    return OkStatus();
  }
  out_.tail += tail.record.head.total_bytes();
  return Finish(image, tail.record);
}

// Writes a torn record again whose information is whole.
Status Recovery::Finish(const SegmentImage& image, const Examined& record) {
  RecordHead head = record.head;
  const uint64_t from = head.offset + (record.first_ok ? 0 : head.copy_at());
  const std::string meta = image.bytes.substr(from + sizeof head, head.meta_bytes);
  std::string bytes;
  const auto put_head = [&](uint8_t copy) {
    head.prefix.copy = copy;
    Seal(&head);
    bytes.append(reinterpret_cast<const char*>(&head), sizeof head).append(meta);
  };
  put_head(0);
  Examined whole = record;
  whole.head = head;
  bytes.append(image.bytes, head.offset + head.data_at(), head.data_bytes);
  bytes.resize(head.copy_at());
  put_head(1);
  bytes.resize(head.total_bytes());
  out_.repairs.push_back({image.path, head.offset, std::move(bytes)});
  return Apply(image, whole);
}

void Recovery::Refill(const SegmentImage& image, const std::vector<uint64_t>& residue) {
  for (size_t i = 0; i < residue.size();) {
    size_t n = 1;
    while (i + n < residue.size() && residue[i + n] == residue[i] + n * kSectorBytes) ++n;
    Repair repair{image.path, residue[i], std::string(n * kSectorBytes, '\0')};
    Fill(image.generation, repair.offset, repair.bytes);
    out_.repairs.push_back(std::move(repair));
    i += n;
  }
}

Status Recovery::Apply(const SegmentImage& image, const Examined& record) {
  const RecordHead& head = record.head;
  const bool opens = head.offset == kFirstRecord;
  if (opens != ((head.prefix.flags & kOpensSegment) != 0)) {
    return Damage(image.path, head.offset,
                  "contradiction: first record of a segment in its middle");
  }
  size_t states = 0;
  const size_t groups = out_.groups.size();
  for (const Section& section : record.sections) {
    states += section.type == SectionType::kState ? 1 : 0;
    if (Status s = ApplySection(section, head); !s.ok()) {
      return Damage(image.path, head.offset, "contradiction: " + s.message());
    }
  }
  if (opens && !out_.next_record.any && states != groups) {
    return Damage(image.path, head.offset, "contradiction: groups without a state");
  }
  out_.next_record = {
      .sequence = head.sequence + 1, .previous = head.prefix.checksum, .any = false};
  out_.first_segment = head.first_segment;
  out_.last_is_mark = head.sections == 0;
  return OkStatus();
}

Status Recovery::ApplySection(const Section& section, const RecordHead& head) {
  const auto wrong = [&section](std::string_view what) {
    return Status(StatusCode::kDataLoss,
                  std::string(what) + " in group " + std::to_string(section.group.value));
  };
  const bool known = out_.groups.contains(section.group);
  GroupLog& group = out_.groups[section.group];
  switch (section.type) {
    case SectionType::kState:
      if (head.offset != kFirstRecord) return wrong("state in the middle of a segment");
      if (!known) {
        group.SetHardState(*section.hard_state);
        group.StartFrom(section.base, section.last);
      }
      if (group.hard_state() != *section.hard_state || group.base() != section.base ||
          group.last() != section.last) {
        return wrong("a state that differs from what was read");
      }
      return OkStatus();
    case SectionType::kCut:
      if (section.base.index < group.base().index || section.base.index > group.last()) {
        return wrong("a cut outside the log");
      }
      group.Cut(section.base);
      return OkStatus();
    case SectionType::kWrite:
      break;
  }
  if (section.hard_state) {
    if (section.hard_state->term < group.hard_state().term) return wrong("a term that falls");
    group.SetHardState(*section.hard_state);
  }
  if (section.entries.empty()) return OkStatus();
  if (!group.MayAppend(section.first_index, Term(section.entries[0].term))) {
    return wrong("a gap in the log, or a term that falls,");
  }
  group.Truncate(section.first_index);
  for (const EntryHead& entry : section.entries) {
    if (Term(entry.term) < group.last_term()) return wrong("a term that falls in the log");
    group.Extend(Term(entry.term));
  }
  group.Place({section.first_index, static_cast<uint32_t>(head.segment), head.offset});
  return OkStatus();
}

Status Recovery::CheckComplete() {
  if (out_.highest_named == 0 && (numbers_.back() > 1 || out_.next_record.sequence > 1)) {
    return Damage(Path(kIdentityName), 0, "file missing");
  }
  if (out_.next_record.any) {  // prepared and never written
    out_.next_record = {};
    out_.first_segment = low_;
  }
  if (out_.first_segment < low_) {
    return Damage(Path(SegmentName(low_ - 1)), 0, "segment missing");
  }
  for (const auto& [id, group] : out_.groups) {
    if (const auto index = group.FirstUnplaced()) {
      return Damage(Path(SegmentName(low_)), 0,
                    "entries missing: group " + std::to_string(id.value) + " from index " +
                        std::to_string(index->value));
    }
  }
  for (const uint64_t number : numbers_) {
    if (number < out_.first_segment) out_.unneeded.push_back(number);
  }
  return OkStatus();
}

}  // namespace

Result<RecoveredLog> Recover(env::FileSystem& files, const std::string& directory) {
  return Recovery(files, directory).Run();
}

Status MakeRepairs(env::FileSystem& files, const std::vector<Repair>& repairs) {
  std::string open_path;
  std::unique_ptr<env::File> file;
  for (const Repair& repair : repairs) {
    if (repair.path != open_path) {
      if (file != nullptr) {
        if (Status s = file->Sync(); !s.ok()) return s;
      }
      auto opened = files.Open(repair.path, env::OpenMode::kReadWrite);
      if (!opened.ok()) return opened.status();
      file = std::move(*opened);
      open_path = repair.path;
    }
    if (Status s = file->WriteAt(repair.offset, repair.bytes); !s.ok()) return s;
  }
  return file == nullptr ? OkStatus() : file->Sync();
}

}  // namespace cairn::wal
