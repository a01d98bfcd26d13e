#include "src/raft/tracker/inflights.h"

#include "src/base/check.h"

namespace cairn::raft::tracker {

void Inflights::Add(LogIndex last, size_t bytes) {
  if (!messages_.empty()) CHECK_GT(last, messages_.back().last);
  messages_.push_back({last, bytes});
  bytes_ += bytes;
}

void Inflights::FreeTo(LogIndex match) {
  while (!messages_.empty() && messages_.front().last <= match) {
    bytes_ -= messages_.front().bytes;
    messages_.pop_front();
  }
}

void Inflights::Clear() {
  messages_.clear();
  bytes_ = 0;
}

}  // namespace cairn::raft::tracker
