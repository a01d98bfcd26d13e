// KeyTable: what is known of keys without asking the files, found by hash.
//
// It holds every key that has a version in memory, and beyond those the most recently used others
// up to a limit (second chance). So a key that is not here has its newest version in the files, and
// a write to a key that is here asks nobody. What is held changes how long a call takes, never what
// it answers.
//
// The hash is seeded: who does not know the seed cannot pick keys that collide. The table never
// grows in one stop while it stays within its limit; its slots are touched, and so take memory, as
// they fill.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "src/mvcc/window.h"

namespace cairn::mvcc {

class KeyTable {
 public:
  // `limit`: keys held at most, apart from those that have versions in memory.
  KeyTable(size_t limit, uint64_t seed);
  KeyTable(const KeyTable&) = delete;
  KeyTable& operator=(const KeyTable&) = delete;
  ~KeyTable();

  uint64_t Hash(std::string_view key) const;
  KeyState* Find(std::string_view key, uint64_t hash) const;
  // Adds a key that is not here. May first drop keys whose newest version is at or below
  // `files_revision`; the address of a KeyState stays the same as long as it is held.
  KeyState* Insert(std::string_view key, uint64_t hash, int64_t files_revision);

  size_t size() const { return size_; }
  size_t bytes() const { return bytes_ + (mask_ + 1) * sizeof(uint64_t); }

 private:
  struct Free {
    void operator()(uint64_t* p) const { std::free(p); }
  };
  static std::unique_ptr<uint64_t[], Free> NewSlots(size_t count);
  void Place(uint64_t word);
  void Evict(int64_t files_revision);
  void Erase(size_t slot);
  void Grow();

  size_t limit_;
  uint64_t seed_;
  size_t mask_;
  size_t size_ = 0;
  size_t bytes_ = 0;
  size_t hand_ = 0;
  // 0: free. Else the address of a KeyState in the low 48 bits, the hash's upper 16 bits above it:
  // a key that is another one is nearly always told from its slot alone. Linear probing, no
  // tombstones.
  std::unique_ptr<uint64_t[], Free> slots_;  // zeroed by the system, page by page
};

}  // namespace cairn::mvcc
