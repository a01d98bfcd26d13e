#include "src/env/posix/timers.h"

#include <algorithm>
#include <utility>

namespace cairn::env::posix {
namespace {
constexpr size_t kFanOut = 4;
}  // namespace

TimerId TimerQueue::Add(Time at, Task task) {
  uint32_t index;
  if (free_slots_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& slot = slots_[index];
  slot.task = std::move(task);
  slot.used = true;
  const Entry entry{at, next_sequence_++, index};
  heap_.push_back(entry);
  SiftUp(heap_.size() - 1, entry);
  return TimerId{uint64_t{slot.generation} << 32 | index};
}

bool TimerQueue::Cancel(TimerId id) {
  const auto index = static_cast<uint32_t>(id.value);
  if (index >= slots_.size()) return false;
  const Slot& slot = slots_[index];
  if (!slot.used || slot.generation != id.value >> 32) return false;
  // The task dies only after the queue is whole again: its destructor may come back here.
  const Task task = Remove(slot.position);
  return true;
}

Task TimerQueue::PopDue(Time now, uint64_t sequence) {
  if (heap_.empty() || heap_.front().at > now || heap_.front().sequence >= sequence) return {};
  return Remove(0);
}

void TimerQueue::Clear() {
  while (!heap_.empty()) Remove(heap_.size() - 1);
}

Task TimerQueue::Remove(size_t position) {
  const uint32_t index = heap_[position].slot;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (position < heap_.size()) {
    SiftDown(position, last);
    SiftUp(slots_[last.slot].position, last);
  }
  Slot& slot = slots_[index];
  slot.used = false;
  ++slot.generation;
  if (slot.generation == 0) slot.generation = 1;  // 0 is TimerId's "none"
  free_slots_.push_back(index);
  return std::exchange(slot.task, Task());
}

void TimerQueue::Place(size_t position, const Entry& entry) {
  heap_[position] = entry;
  slots_[entry.slot].position = static_cast<uint32_t>(position);
}

void TimerQueue::SiftUp(size_t position, const Entry& entry) {
  while (position > 0) {
    const size_t parent = (position - 1) / kFanOut;
    if (!entry.Before(heap_[parent])) break;
    Place(position, heap_[parent]);
    position = parent;
  }
  Place(position, entry);
}

void TimerQueue::SiftDown(size_t position, const Entry& entry) {
  while (true) {
    const size_t first = position * kFanOut + 1;
    if (first >= heap_.size()) break;
    const size_t end = std::min(first + kFanOut, heap_.size());
    size_t least = first;
    for (size_t child = first + 1; child < end; ++child) {
      if (heap_[child].Before(heap_[least])) least = child;
    }
    if (!heap_[least].Before(entry)) break;
    Place(position, heap_[least]);
    position = least;
  }
  Place(position, entry);
}

}  // namespace cairn::env::posix
