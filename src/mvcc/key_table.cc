#include "src/mvcc/key_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "src/base/check.h"
#include "src/base/checksum.h"

namespace cairn::mvcc {
namespace {

constexpr int kTagShift = 48;
constexpr uint64_t kPointerMask = (uint64_t{1} << kTagShift) - 1;
// Slots looked at for something to drop, on each insertion beyond the limit. What may not be
// dropped is passed over, so the bound keeps an insertion short when nearly everything is in the
// window.
constexpr int kEvictSteps = 32;

KeyState* StateOf(uint64_t word) { return reinterpret_cast<KeyState*>(word & kPointerMask); }
uint64_t TagOf(uint64_t hash) { return hash & ~kPointerMask; }

KeyState* NewState(std::string_view key, uint64_t hash) {
  void* at = ::operator new(sizeof(KeyState) + key.size());
  auto* state = new (at) KeyState{.newest = nullptr,
                                  .mod_main = 0,
                                  .meta = {},
                                  .mod_sub = 0,
                                  .hash = static_cast<uint32_t>(hash),
                                  .key_size = static_cast<uint32_t>(key.size()),
                                  .used = false,
                                  .run = 0};
  if (!key.empty()) std::memcpy(reinterpret_cast<char*>(state + 1), key.data(), key.size());
  CHECK_EQ(reinterpret_cast<uint64_t>(at) & ~kPointerMask, 0u);
  return state;
}

void FreeState(KeyState* state) {
  state->~KeyState();
  ::operator delete(state);
}

}  // namespace

KeyTable::KeyTable(size_t limit, uint64_t seed)
    : limit_(limit),
      seed_(seed),
      mask_(std::bit_ceil(std::max<size_t>(limit + limit / 2, 64)) - 1),
      slots_(NewSlots(mask_ + 1)) {}

KeyTable::~KeyTable() {
  for (size_t i = 0; i <= mask_; ++i) {
    if (slots_[i] != 0) FreeState(StateOf(slots_[i]));
  }
}

std::unique_ptr<uint64_t[], KeyTable::Free> KeyTable::NewSlots(size_t count) {
  auto* p = static_cast<uint64_t*>(std::calloc(count, sizeof(uint64_t)));
  CHECK(p != nullptr, "out of memory");
  return std::unique_ptr<uint64_t[], Free>(p);
}

uint64_t KeyTable::Hash(std::string_view key) const { return Checksum(key, seed_); }

KeyState* KeyTable::Find(std::string_view key, uint64_t hash) const {
  const uint64_t tag = TagOf(hash);
  for (size_t i = static_cast<uint32_t>(hash) & mask_; slots_[i] != 0; i = (i + 1) & mask_) {
    if ((slots_[i] & ~kPointerMask) != tag) continue;
    KeyState* state = StateOf(slots_[i]);
    if (state->key() == key) {
      state->used = true;
      return state;
    }
  }
  return nullptr;
}

KeyState* KeyTable::Insert(std::string_view key, uint64_t hash, int64_t files_revision) {
  if (size_ >= limit_) Evict(files_revision);
  if (size_ + 1 > (mask_ + 1) / 4 * 3) Grow();
  KeyState* state = NewState(key, hash);
  Place(TagOf(hash) | reinterpret_cast<uint64_t>(state));
  ++size_;
  bytes_ += sizeof(KeyState) + key.size();
  return state;
}

void KeyTable::Place(uint64_t word) {
  size_t i = StateOf(word)->hash & mask_;
  while (slots_[i] != 0) i = (i + 1) & mask_;
  slots_[i] = word;
}

void KeyTable::Evict(int64_t files_revision) {
  for (int step = 0; step < kEvictSteps && size_ >= limit_; ++step) {
    const uint64_t word = slots_[hand_];
    if (word != 0) {
      KeyState* state = StateOf(word);
      if (state->mod_main <= files_revision) {
        if (!state->used) {
          Erase(hand_);
          continue;  // another key may have moved here
        }
        state->used = false;
      }
    }
    hand_ = (hand_ + 1) & mask_;
  }
}

void KeyTable::Erase(size_t slot) {
  KeyState* state = StateOf(slots_[slot]);
  bytes_ -= sizeof(KeyState) + state->key_size;
  --size_;
  FreeState(state);
  // Closes the gap: each following key of the cluster moves here if its own place is not behind the
  // gap.
  size_t gap = slot;
  for (size_t i = (slot + 1) & mask_; slots_[i] != 0; i = (i + 1) & mask_) {
    const size_t home = StateOf(slots_[i])->hash & mask_;
    if (((i - home) & mask_) >= ((i - gap) & mask_)) {
      slots_[gap] = slots_[i];
      gap = i;
    }
  }
  slots_[gap] = 0;
}

void KeyTable::Grow() {
  const size_t old_mask = mask_;
  auto old = std::exchange(slots_, NewSlots((mask_ + 1) * 2));
  mask_ = old_mask * 2 + 1;
  hand_ = 0;
  for (size_t i = 0; i <= old_mask; ++i) {
    if (old[i] != 0) Place(old[i]);
  }
}

}  // namespace cairn::mvcc
