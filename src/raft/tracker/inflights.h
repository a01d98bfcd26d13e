// Inflights: the AppendEntries sent to one peer and not acknowledged yet, bounded in number and
// bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "src/base/ring.h"
#include "src/base/types.h"

namespace cairn::raft::tracker {

class Inflights {
 public:
  Inflights(uint32_t max_messages, size_t max_bytes)
      : max_messages_(max_messages), max_bytes_(max_bytes) {}

  // No further message may be sent. One message may go over the bound in bytes, or none could ever
  // go.
  bool Full() const { return messages_.size() >= max_messages_ || bytes_ >= max_bytes_; }
  // A message whose last entry is `last` was sent. Indexes rise.
  void Add(LogIndex last, size_t bytes);
  // The peer has everything up to `match`.
  void FreeTo(LogIndex match);
  void Clear();

  size_t messages() const { return messages_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Sent {
    LogIndex last;
    size_t bytes = 0;
  };
  Ring<Sent> messages_;  // in order of index
  size_t bytes_ = 0;
  uint32_t max_messages_;
  size_t max_bytes_;
};

}  // namespace cairn::raft::tracker
