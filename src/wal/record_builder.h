// RecordBuilder: gathers one record for one write call: heads, metas and padding in a buffer that
// is used again and again, entry data where it is.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/wal/format.h"

namespace cairn::wal {

class RecordBuilder {
 public:
  void Start();
  void AddState(GroupId group, const raft::HardState& hard_state, raft::EntryId base,
                LogIndex last);
  void AddCut(GroupId group, raft::EntryId base);
  // The entries' data must live until the record is written.
  void AddWrite(GroupId group, const std::optional<raft::HardState>& hard_state,
                std::span<const raft::Entry> entries);

  // What the record will take on disk as it is now.
  uint64_t bytes() const { return RecordBytes(buffer_.size() - sizeof(RecordHead), data_bytes_); }
  uint32_t sections() const { return sections_; }
  // Completes the head (all but sizes, sections and checksums is given) and lays out the pieces,
  // valid until Start. Returns the checksum that the next record links to.
  uint64_t Finish(RecordHead head);
  std::span<const std::string_view> pieces() const { return pieces_; }

 private:
  std::string buffer_;  // head and meta
  std::string copy_;    // the same once more, with padding
  std::vector<std::string_view> data_;
  std::vector<std::string_view> pieces_;
  uint64_t data_bytes_ = 0;
  uint32_t sections_ = 0;
};

}  // namespace cairn::wal
