#include "src/wal/record_builder.h"

#include <cstring>

#include "src/base/check.h"
#include "src/base/checksum.h"

namespace cairn::wal {

void RecordBuilder::Start() {
  buffer_.assign(sizeof(RecordHead), '\0');
  data_.clear();
  data_bytes_ = 0;
  sections_ = 0;
}

void RecordBuilder::AddState(GroupId group, const raft::HardState& hard_state, raft::EntryId base,
                             LogIndex last) {
  PutStateSection(&buffer_, group, hard_state, base, last);
  ++sections_;
}

void RecordBuilder::AddCut(GroupId group, raft::EntryId base) {
  PutCutSection(&buffer_, group, base);
  ++sections_;
}

void RecordBuilder::AddWrite(GroupId group, const std::optional<raft::HardState>& hard_state,
                             std::span<const raft::Entry> entries) {
  PutWriteSection(&buffer_, group, hard_state, entries);
  for (const raft::Entry& entry : entries) {
    if (entry.data.empty()) continue;
    data_.push_back(entry.data.view());
    data_bytes_ += entry.data.size();
  }
  ++sections_;
}

uint64_t RecordBuilder::Finish(RecordHead head) {
  static constexpr char kZeros[kSectorBytes] = {};
  const std::string_view meta = std::string_view(buffer_).substr(sizeof head);
  head.meta_bytes = static_cast<uint32_t>(meta.size());
  head.data_bytes = static_cast<uint32_t>(data_bytes_);
  head.sections = sections_;
  head.meta_checksum = Checksum(meta);
  const uint64_t pad = head.copy_at() - head.data_at() - data_bytes_;

  copy_.resize(head.total_bytes() - head.copy_at());
  head.prefix.copy = 1;
  Seal(&head);
  std::memcpy(copy_.data(), &head, sizeof head);
  std::memcpy(copy_.data() + sizeof head, meta.data(), meta.size());
  const size_t used = sizeof head + meta.size();
  std::memset(copy_.data() + used, 0, copy_.size() - used);
  head.prefix.copy = 0;
  Seal(&head);
  std::memcpy(buffer_.data(), &head, sizeof head);

  pieces_.clear();
  pieces_.push_back(buffer_);
  pieces_.insert(pieces_.end(), data_.begin(), data_.end());
  if (pad > 0) pieces_.emplace_back(kZeros, pad);
  pieces_.push_back(copy_);
  return head.prefix.checksum;
}

}  // namespace cairn::wal
