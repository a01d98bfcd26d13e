#include "src/replica/reads.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace cairn::replica {
namespace {

void MoveTo(std::vector<PendingReads::Read>& to, std::vector<PendingReads::Read>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  from.clear();
}

void TakeExpiredOf(std::vector<PendingReads::Read>& reads, env::Time now,
                   std::vector<PendingReads::Read>& expired) {
  auto due = std::stable_partition(reads.begin(), reads.end(),
                                   [now](const PendingReads::Read& r) { return r.deadline > now; });
  expired.insert(expired.end(), std::make_move_iterator(due), std::make_move_iterator(reads.end()));
  reads.erase(due, reads.end());
}

}  // namespace

std::optional<raft::ReadId> PendingReads::BeginRound(env::Time now) {
  if (round_ != raft::ReadId() || waiting_.empty()) return std::nullopt;
  round_ = raft::ReadId(next_id_++);
  round_began_ = now;
  std::swap(in_round_, waiting_);
  return round_;
}

bool PendingReads::Confirmed(raft::ReadId id, LogIndex index) {
  if (id != round_ || id == raft::ReadId()) return false;
  round_ = raft::ReadId();
  // A later round may be answered by a leader whose commit index we know to be lower than what an
  // earlier round already waits for; waiting for the higher of both keeps the queue ordered and is
  // never wrong.
  if (!confirmed_.empty()) index = std::max(index, confirmed_.back().index);
  confirmed_.push_back(Confirmation{index, std::move(in_round_)});
  in_round_.clear();
  return true;
}

bool PendingReads::Dropped(raft::ReadId id) {
  if (id != round_ || id == raft::ReadId()) return false;
  round_ = raft::ReadId();
  MoveTo(in_round_, waiting_);
  std::swap(in_round_, waiting_);
  in_round_.clear();
  return true;
}

bool PendingReads::DropIfOlder(env::Time now, env::Duration patience) {
  return round_ != raft::ReadId() && now - round_began_ > patience && Dropped(round_);
}

std::vector<PendingReads::Read> PendingReads::TakeServable(LogIndex applied) {
  std::vector<Read> reads;
  while (!confirmed_.empty() && confirmed_.front().index <= applied) {
    MoveTo(reads, confirmed_.front().reads);
    confirmed_.pop_front();
  }
  return reads;
}

std::vector<PendingReads::Read> PendingReads::TakeExpired(env::Time now) {
  std::vector<Read> expired;
  for (size_t i = 0; i < confirmed_.size(); ++i) TakeExpiredOf(confirmed_[i].reads, now, expired);
  TakeExpiredOf(in_round_, now, expired);
  TakeExpiredOf(waiting_, now, expired);
  return expired;
}

std::vector<PendingReads::Read> PendingReads::TakeAll() {
  std::vector<Read> all;
  for (size_t i = 0; i < confirmed_.size(); ++i) MoveTo(all, confirmed_[i].reads);
  confirmed_.clear();
  MoveTo(all, in_round_);
  MoveTo(all, waiting_);
  round_ = raft::ReadId();
  return all;
}

size_t PendingReads::count() const {
  size_t n = waiting_.size() + in_round_.size();
  for (size_t i = 0; i < confirmed_.size(); ++i) n += confirmed_[i].reads.size();
  return n;
}

}  // namespace cairn::replica
