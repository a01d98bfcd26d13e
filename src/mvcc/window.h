// Window: versions applied since the files' last step, in revision order, in memory.
//
//  - A Version is written once and never changes: header and value in the window's arena. It knows
//  the next
//    older version of its key, so the versions of a key in memory are a chain from newest to
//    oldest.
//  - A KeyState is what is known of one key: its newest version's metadata. The KeyTable holds one
//  for each
//    key that has a version in memory, and for as many of the others as fit (the hash that spares a
//    put the question to the files).
//  - The windows are ordered and dropped oldest first, whole: everything above one revision, the
//  store's
//    *files revision*, is in memory, everything at or below it is in the files. So a pointer to a
//    version is valid if and only if that version's revision is above the files revision, and
//    dropping a window touches no chain and no KeyState.
//
// Thread rules: the store's thread; a sealed window's versions and the keys they name may be read
// on the flush worker (they do not change), its key index may not.
#pragma once

#include <absl/container/btree_set.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "src/mvcc/codec.h"

namespace cairn::mvcc {

struct Version;

struct KeyState {
  const Version* newest;  // valid if mod_main is above the files revision
  // Of the newest version, in memory or not. mod_main 0: there never was one.
  int64_t mod_main;
  VersionMeta meta;
  uint32_t mod_sub;
  const uint32_t hash;  // low bits of the key's hash
  const uint32_t key_size;
  bool used;    // since the table's hand came by (second chance)
  uint8_t run;  // versions of this key in the newest version's window, modulo Version::kSkip

  std::string_view key() const { return {reinterpret_cast<const char*>(this + 1), key_size}; }
  Revision mod() const { return {mod_main, mod_sub}; }
  bool live() const { return meta.live(); }
};

struct Version {
  static constexpr uint8_t kSkip = 64;

  const KeyState* state;
  const Version* older;  // of the same key; valid if older_main is above the files revision
  int64_t older_main;
  // An older version of the key in the same window, up to kSkip before this one, whose own skip
  // goes kSkip further: the past of a hot key is not a walk over all its versions. Null when there
  // is none.
  const Version* skip;
  int64_t main;
  VersionMeta meta;
  uint32_t sub;
  uint32_t value_size;

  std::string_view key() const { return state->key(); }
  std::string_view value() const { return {reinterpret_cast<const char*>(this + 1), value_size}; }
  Revision revision() const { return {main, sub}; }
};

// Blocks for arenas, kept for the next window: a window's worth of fresh pages costs more than its
// writing.
class BlockPool {
 public:
  static constexpr size_t kBlockBytes = 1 << 20;
  using Block = std::unique_ptr<char[]>;

  explicit BlockPool(size_t keep_blocks) : keep_blocks_(keep_blocks) {}
  Block Take();
  void Give(Block block);

 private:
  size_t keep_blocks_;
  std::vector<Block> free_;
};

class Window {
 public:
  // Holds versions above `base_revision`. `pool` outlives the window.
  Window(int64_t base_revision, BlockPool* pool) : base_revision_(base_revision), pool_(pool) {}
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;
  ~Window();

  // Appends a version (revisions rise from call to call) and makes it the state's newest.
  void Append(KeyState* state, Revision revision, const VersionMeta& meta, std::string_view value);

  // In revision order. Watch catch-up and the flush read them.
  const std::vector<const Version*>& versions() const { return versions_; }
  int64_t base_revision() const { return base_revision_; }
  size_t bytes() const { return bytes_; }
  bool empty() const { return versions_.empty(); }

  // The keys that have a version here, in key order. Built when it is asked for: a put only notes
  // its key, and the first ordered read sorts what was noted since the last one. A load without
  // ordered reads never pays for the order, one with them pays for each key once, in batches.
  struct KeyLess {
    using is_transparent = void;
    bool operator()(const KeyState* a, const KeyState* b) const { return a->key() < b->key(); }
    bool operator()(const KeyState* a, std::string_view b) const { return a->key() < b; }
    bool operator()(std::string_view a, const KeyState* b) const { return a < b->key(); }
  };
  using KeyIndex = absl::btree_set<const KeyState*, KeyLess>;
  const KeyIndex& OrderedKeys();

 private:
  char* Allocate(size_t size);

  const int64_t base_revision_;
  BlockPool* const pool_;
  std::vector<BlockPool::Block> blocks_;
  std::vector<std::unique_ptr<char[]>> large_;  // one version each
  size_t block_used_ = BlockPool::kBlockBytes;
  size_t bytes_ = 0;
  std::vector<const Version*> versions_;
  std::vector<const KeyState*> new_keys_;  // not in keys_ yet
  KeyIndex keys_;
};

// Sorting by key: eight bytes from where the keys of a set begin to differ settle nearly every
// comparison without touching the keys, which lie all over the memory.
class KeyDigest {
 public:
  void Include(std::string_view key);
  // Orders as the keys do where it differs: the eight bytes behind the shared ones, big endian.
  uint64_t Digest(std::string_view key) const;

 private:
  std::string_view first_;
  size_t shared_ = 0;
  bool any_ = false;
};

}  // namespace cairn::mvcc
