#include "src/replica/pending.h"

#include <utility>

namespace cairn::replica {

// Rounded up, so that a slot that has come up holds nothing that is not due.
int64_t PendingCommands::SlotOf(env::Time t) {
  constexpr env::Duration kSlot = env::milliseconds(20);
  return t.since_start / kSlot + (t.since_start % kSlot > env::Duration::zero() ? 1 : 0);
}

uint64_t PendingCommands::Add(SharedBytes data, env::Time deadline, Done done) {
  const uint64_t sequence = next_sequence();
  count_ += 1;
  bytes_ += data.size();
  if (deadline != env::Time::Never()) deadlines_[SlotOf(deadline)].push_back(sequence);
  commands_.push_back(Command{State::kWaiting, Term(), std::move(data), deadline, std::move(done)});
  return sequence;
}

PendingCommands::Command* PendingCommands::Find(uint64_t sequence) {
  if (sequence < first_ || sequence >= next_sequence()) return nullptr;
  Command& command = commands_[sequence - first_];
  return command.state == State::kSettled ? nullptr : &command;
}

PendingCommands::Done PendingCommands::Settle(uint64_t sequence) {
  Command* command = Find(sequence);
  CHECK(command != nullptr, "a command is answered once");
  Done done = std::move(command->done);
  count_ -= 1;
  bytes_ -= command->data.size();
  *command = Command();
  while (!commands_.empty() && commands_.front().state == State::kSettled) {
    commands_.pop_front();
    ++first_;
  }
  return done;
}

std::vector<uint64_t> PendingCommands::Select(
    absl::FunctionRef<bool(const Command&)> wanted) const {
  std::vector<uint64_t> chosen;
  for (size_t i = 0; i < commands_.size(); ++i) {
    if (commands_[i].state != State::kSettled && wanted(commands_[i])) chosen.push_back(first_ + i);
  }
  return chosen;
}

std::vector<uint64_t> PendingCommands::TakeExpired(env::Time now) {
  std::vector<uint64_t> expired;
  while (!deadlines_.empty()) {
    auto slot = deadlines_.begin();
    if (env::milliseconds(20) * slot->first > now.since_start) break;
    for (const uint64_t sequence : slot->second) {
      if (Find(sequence) != nullptr) expired.push_back(sequence);
    }
    deadlines_.erase(slot);
  }
  return expired;
}

}  // namespace cairn::replica
