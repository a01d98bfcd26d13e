#include "src/raft/tracker/progress.h"

#include <algorithm>

namespace cairn::raft::tracker {

void Progress::ForgetSent() {
  inflights.Clear();
  probe_sent = false;
  verify = false;
  fetched.clear();
}

void Progress::BecomeProbe(LogIndex next_index) {
  ForgetSent();
  state = ProgressState::kProbe;
  next = std::max(next_index, match.Next());
}

void Progress::BecomeReplicate() {
  ForgetSent();
  state = ProgressState::kReplicate;
  next = match.Next();
}

void Progress::BecomeSnapshot() {
  ForgetSent();
  state = ProgressState::kSnapshot;
}

bool Progress::MaybeUpdateMatch(LogIndex index) {
  if (index <= match) return false;
  match = index;
  next = std::max(next, match.Next());
  stalled = false;
  inflights.FreeTo(match);
  return true;
}

}  // namespace cairn::raft::tracker
