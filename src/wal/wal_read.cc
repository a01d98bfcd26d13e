// Reading entries back: from memory while they wait for the disk, else from the segments.
#include <algorithm>
#include <cstring>

#include "src/base/check.h"
#include "src/base/checksum.h"
#include "src/wal/format.h"
#include "src/wal/wal_impl.h"

namespace cairn::wal {
namespace {

constexpr size_t kMaxReadFiles = 4;
// Read at once with a record's head: the whole meta of most records.
constexpr size_t kFirstReadBytes = 4096;

Status ReadExactly(env::File& file, const std::string& path, uint64_t offset,
                   std::span<char> into) {
  auto got = file.ReadAt(offset, into);
  if (!got.ok()) return Damage(path, offset, "unreadable: " + got.status().message());
  if (*got != into.size()) return Damage(path, offset + *got, "segment cut short");
  return OkStatus();
}

}  // namespace

const raft::Entry* WalImpl::FindBuffered(GroupId group, LogIndex index) const {
  const auto find = [&](const auto& writes) -> const raft::Entry* {
    for (auto it = writes.rbegin(); it != writes.rend(); ++it) {
      const std::vector<raft::Entry>& entries = it->write.entries;
      if (it->write.group != group || entries.empty() || entries[0].index > index) continue;
      // The newest write that begins at or before the index: what follows it begins behind.
      return index <= entries.back().index ? &entries[index - entries[0].index] : nullptr;
    }
    return nullptr;
  };
  const raft::Entry* entry = find(waiting_);
  return entry != nullptr ? entry : find(under_way_);
}

LogIndex WalImpl::FirstBuffered(GroupId group, LogIndex otherwise) const {
  LogIndex first = otherwise;
  const auto look = [&](const auto& writes) {
    for (const Buffered& b : writes) {
      if (b.write.group == group && !b.write.entries.empty()) {
        first = std::min(first, b.write.entries[0].index);
      }
    }
  };
  look(waiting_);
  look(under_way_);
  return first;
}

Result<std::vector<raft::Entry>> WalImpl::Read(GroupId group, LogIndex first, LogIndex last,
                                               size_t max_bytes) {
  const auto it = groups_.find(group);
  CHECK(it != groups_.end(), "a group that the log does not know");
  const GroupLog& log = it->second.log;
  CHECK(first > log.base().index && first <= last && last <= log.last(),
        "entries that the log does not hold");
  if (!failed_.ok()) return failed_;  // what was to be written is neither on disk nor kept
  const LogIndex first_buffered = FirstBuffered(group, last.Next());
  std::vector<raft::Entry> out;
  size_t bytes = 0;
  for (LogIndex index = first; index <= last;) {
    if (index >= first_buffered) {
      const raft::Entry* entry = FindBuffered(group, index);
      CHECK(entry != nullptr);
      if (!out.empty() && bytes + entry->data.size() > max_bytes) break;
      bytes += entry->data.size();
      out.push_back(*entry);
      index = index.Next();
      continue;
    }
    const GroupLog::Found found = log.Find(index);
    const LogIndex to = std::min({found.last, last, first_buffered.Prev()});
    const size_t before = out.size();
    if (Status s = ReadFromDisk(group, found, index, to, max_bytes, &bytes, &out); !s.ok())
      return s;
    index = index + (out.size() - before);
    if (index <= to) break;  // max_bytes
  }
  return out;
}

Status WalImpl::ReadFromDisk(GroupId group, const GroupLog::Found& found, LogIndex first,
                             LogIndex last, size_t max_bytes, size_t* bytes,
                             std::vector<raft::Entry>* out) {
  auto opened = FileToRead(found.ref.segment);
  if (!opened.ok()) return opened.status();
  env::File& file = **opened;
  const std::string path = Path(SegmentName(found.ref.segment));
  auto record = ReadSections(file, path, found.ref);
  if (!record.ok()) return record.status();
  const auto& [head, sections] = *record;
  // A record may hold several writes of a group that begin at this index: the last one counts.
  const auto section = std::find_if(sections.rbegin(), sections.rend(), [&](const Section& s) {
    return s.group == group && !s.entries.empty() && s.first_index == found.ref.first;
  });
  if (section == sections.rend() || last - section->first_index >= section->entries.size()) {
    return Damage(path, found.ref.offset, "another record stands where one was written");
  }
  uint64_t at = head.offset + head.data_at() + section->data_at;
  const size_t from = first - section->first_index;
  for (size_t i = 0; i < from; ++i) at += section->entries[i].length;
  uint64_t length = 0;
  size_t count = 0;
  for (const size_t end = last - section->first_index + 1; from + count < end; ++count) {
    const uint64_t more = section->entries[from + count].length;
    if ((!out->empty() || count > 0) && *bytes + length + more > max_bytes) break;
    length += more;
  }
  *bytes += length;
  BytesArena arena(0);
  auto [to, data] = arena.Allocate(length);
  if (length > 0) {
    if (Status s = ReadExactly(file, path, at, {to, length}); !s.ok()) return s;
  }
  size_t in_data = 0;
  for (size_t i = from; i < from + count; ++i) {
    const EntryHead& entry = section->entries[i];
    const LogIndex index = section->first_index + i;
    SharedBytes slice = data.Slice(in_data, entry.length);
    if (Checksum(slice.view()) != entry.checksum) {
      return Damage(path, at + in_data,
                    "data damaged (group " + std::to_string(group.value) + ", index " +
                        std::to_string(index.value) + ")");
    }
    in_data += entry.length;
    out->push_back({Term(entry.term), index, entry.type, std::move(slice)});
  }
  return OkStatus();
}

Result<std::pair<RecordHead, std::vector<Section>>> WalImpl::ReadSections(env::File& file,
                                                                          const std::string& path,
                                                                          const RecordRef& ref) {
  std::string bytes(std::min<uint64_t>(kFirstReadBytes, kSectorBytes * 8), '\0');
  auto got = file.ReadAt(ref.offset, bytes);
  if (!got.ok()) return Damage(path, ref.offset, "unreadable: " + got.status().message());
  bytes.resize(*got);
  const auto head = Unseal<RecordHead>(bytes);
  if (!head) return Damage(path, ref.offset, "record head damaged");
  if (head->prefix.log_id != log_id_ || head->segment != ref.segment ||
      head->offset != ref.offset) {
    return Damage(path, ref.offset, "another record stands where one was written");
  }
  const size_t had = bytes.size();
  if (sizeof(RecordHead) + head->meta_bytes > had) {
    bytes.resize(sizeof(RecordHead) + head->meta_bytes);
    Status s = ReadExactly(file, path, ref.offset + had, std::span(bytes).subspan(had));
    if (!s.ok()) return s;
  }
  const auto meta = std::string_view(bytes).substr(sizeof(RecordHead), head->meta_bytes);
  if (Checksum(meta) != head->meta_checksum) return Damage(path, ref.offset, "record head damaged");
  auto sections = DecodeSections(*head, meta);
  if (!sections.ok()) return Damage(path, ref.offset, sections.status().message());
  return std::pair(*head, std::move(*sections));
}

Result<env::File*> WalImpl::FileToRead(uint32_t segment) {
  auto it = std::ranges::find(read_files_, segment, [](const auto& f) { return f.first; });
  if (it == read_files_.end()) {
    const std::string path = Path(SegmentName(segment));
    auto file = env_.files.Open(path, env::OpenMode::kRead);
    if (!file.ok()) return Damage(path, 0, "segment missing: " + file.status().message());
    if (read_files_.size() == kMaxReadFiles) read_files_.erase(read_files_.begin());
    read_files_.emplace_back(segment, std::move(*file));
    return read_files_.back().second.get();
  }
  std::rotate(it, it + 1, read_files_.end());
  return read_files_.back().second.get();
}

}  // namespace cairn::wal
