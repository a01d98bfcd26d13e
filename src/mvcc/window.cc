#include "src/mvcc/window.h"

#include <endian.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "src/base/check.h"

namespace cairn::mvcc {

BlockPool::Block BlockPool::Take() {
  if (free_.empty()) return Block(new char[kBlockBytes]);
  Block block = std::move(free_.back());
  free_.pop_back();
  return block;
}

void BlockPool::Give(Block block) {
  if (free_.size() < keep_blocks_) free_.push_back(std::move(block));
}

Window::~Window() {
  for (BlockPool::Block& block : blocks_) pool_->Give(std::move(block));
}

char* Window::Allocate(size_t size) {
  size = (size + alignof(Version) - 1) & ~(alignof(Version) - 1);
  bytes_ += size;
  if (size > BlockPool::kBlockBytes / 4) {  // would waste the rest of a block
    large_.emplace_back(new char[size]);
    return large_.back().get();
  }
  if (block_used_ + size > BlockPool::kBlockBytes) {
    blocks_.push_back(pool_->Take());
    block_used_ = 0;
  }
  char* at = blocks_.back().get() + block_used_;
  block_used_ += size;
  return at;
}

void Window::Append(KeyState* state, Revision revision, const VersionMeta& meta,
                    std::string_view value) {
  DCHECK(versions_.empty() || versions_.back()->revision() < revision);
  char* at = Allocate(sizeof(Version) + value.size());
  auto* version = new (at) Version{.state = state,
                                   .older = state->newest,
                                   .older_main = state->mod_main,
                                   .skip = nullptr,
                                   .main = revision.main,
                                   .meta = meta,
                                   .sub = static_cast<uint32_t>(revision.sub),
                                   .value_size = static_cast<uint32_t>(value.size())};
  if (!value.empty()) std::memcpy(at + sizeof(Version), value.data(), value.size());
  versions_.push_back(version);
  bytes_ += sizeof version;
  if (state->mod_main <= base_revision_) {
    new_keys_.push_back(state);
    bytes_ += sizeof state;
    state->run = 0;
  } else {
    version->skip = state->run == 0 ? state->newest : state->newest->skip;
  }
  state->run = static_cast<uint8_t>((state->run + 1) % Version::kSkip);
  state->newest = version;
  state->mod_main = revision.main;
  state->mod_sub = version->sub;
  state->meta = meta;
}

const Window::KeyIndex& Window::OrderedKeys() {
  if (new_keys_.empty()) return keys_;
  struct Item {
    uint64_t digest;
    const KeyState* state;
  };
  KeyDigest digest;
  for (const KeyState* state : new_keys_) digest.Include(state->key());
  std::vector<Item> sorted;
  sorted.reserve(new_keys_.size());
  for (const KeyState* state : new_keys_) sorted.push_back({digest.Digest(state->key()), state});
  std::sort(sorted.begin(), sorted.end(), [](const Item& a, const Item& b) {
    return a.digest != b.digest ? a.digest < b.digest : KeyLess()(a.state, b.state);
  });
  // In order, so that neighbours go to the same leaf; behind the last key without a search.
  for (const Item& item : sorted) {
    if (keys_.empty() || KeyLess()(*keys_.rbegin(), item.state)) {
      keys_.insert(keys_.end(), item.state);
    } else {
      keys_.insert(item.state);
    }
  }
  new_keys_.clear();
  return keys_;
}

void KeyDigest::Include(std::string_view key) {
  if (!any_) {
    any_ = true;
    first_ = key;
    shared_ = key.size();
    return;
  }
  const size_t most = std::min(shared_, key.size());
  size_t same = 0;
  if (most > 0 && std::memcmp(first_.data(), key.data(), most) == 0) {
    same = most;
  } else {
    while (same < most && first_[same] == key[same]) ++same;
  }
  shared_ = same;
}

uint64_t KeyDigest::Digest(std::string_view key) const {
  // A shorter key is filled with zeros: equal digests say nothing, and are compared in full.
  key.remove_prefix(shared_);
  uint64_t v = 0;
  std::memcpy(&v, key.data(), std::min(key.size(), sizeof v));
  return be64toh(v);
}

}  // namespace cairn::mvcc
