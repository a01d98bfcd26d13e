#include "src/raft/quorum/quorum.h"

#include <algorithm>

#include "src/base/check.h"

namespace cairn::raft::quorum {

MajorityConfig::MajorityConfig(std::vector<NodeId> voters) : voters_(std::move(voters)) {
  for (size_t i = 1; i < voters_.size(); ++i) CHECK_LT(voters_[i - 1], voters_[i]);
}

bool MajorityConfig::contains(NodeId id) const {
  return std::binary_search(voters_.begin(), voters_.end(), id);
}

uint64_t MajorityConfig::Median(uint64_t* values, size_t n) {
  if (n == 0) return UINT64_MAX;
  for (size_t i = 1; i < n; ++i) {  // greatest first
    const uint64_t v = values[i];
    size_t j = i;
    for (; j > 0 && values[j - 1] < v; --j) values[j] = values[j - 1];
    values[j] = v;
  }
  return values[n / 2];  // n/2 + 1 voters have reached it
}

VoteResult MajorityConfig::Count(size_t granted, size_t refused) const {
  if (voters_.empty()) return VoteResult::kWon;
  const size_t needed = voters_.size() / 2 + 1;
  if (granted >= needed) return VoteResult::kWon;
  const size_t open = voters_.size() - granted - refused;
  return granted + open >= needed ? VoteResult::kPending : VoteResult::kLost;
}

}  // namespace cairn::raft::quorum
