// TimerQueue: the timers of one loop, ordered by time and then by the order in which they were
// added. A 4-ary heap that knows where each timer stands, so that a cancelled timer leaves at once:
// thousands of request deadlines that are nearly all cancelled leave nothing behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "src/env/executor.h"
#include "src/env/time.h"

namespace cairn::env::posix {

class TimerQueue {
 public:
  TimerId Add(Time at, Task task);
  // True if the timer was still waiting. Its task is destroyed before this returns.
  bool Cancel(TimerId id);
  // When the earliest timer is due; Never when there is none.
  Time Next() const { return heap_.empty() ? Time::Never() : heap_.front().at; }
  // The number that the next Add is given: what is added from here on has at least this number.
  uint64_t next_sequence() const { return next_sequence_; }
  // Removes the earliest timer if it is due at `now` and was added before `sequence`, and gives its
  // task; an empty task otherwise.
  Task PopDue(Time now, uint64_t sequence);
  size_t size() const { return heap_.size(); }
  // Destroys all tasks that wait.
  void Clear();

 private:
  struct Entry {
    Time at;
    uint64_t sequence;
    uint32_t slot;
    bool Before(const Entry& o) const { return at != o.at ? at < o.at : sequence < o.sequence; }
  };
  struct Slot {
    Task task;
    uint32_t generation = 1;  // counts the timers that used this slot; a TimerId carries it
    uint32_t position = 0;    // in heap_, while in use
    bool used = false;
  };

  void Place(size_t position, const Entry& entry);
  void SiftUp(size_t position, const Entry& entry);
  void SiftDown(size_t position, const Entry& entry);
  // Takes the timer at `position` out and gives its task.
  Task Remove(size_t position);

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  uint64_t next_sequence_ = 0;
};

}  // namespace cairn::env::posix
