#include "src/mvcc/flush.h"

#include <algorithm>

namespace cairn::mvcc {
namespace {

// The window's versions by key, newest first within a key.
std::vector<SortItem<const Version*>> SortByKey(const Window& window) {
  KeyDigest digest;
  for (const Version* v : window.versions()) digest.Include(v->key());
  std::vector<SortItem<const Version*>> sorted;
  sorted.reserve(window.versions().size());
  for (const Version* v : window.versions()) sorted.push_back({digest.Digest(v->key()), v});
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    if (a.digest != b.digest) return a.digest < b.digest;
    if (a.item->state != b.item->state) return a.item->key() < b.item->key();
    return a.item->revision() > b.item->revision();
  });
  return sorted;
}

// A new key's state before this window was "none", so the files' latest family has nothing to
// delete.
bool MadeTheKey(const Version& oldest_in_window) { return oldest_in_window.meta.version == 1; }

}  // namespace

Status WriteSealed(const SealedWindow& sealed, SortedFiles& files) {
  std::unique_ptr<SortedFiles::Batch> batch = files.NewBatch();
  std::string key, value;
  for (const Version* v : sealed.window->versions()) {
    EncodeRevision(v->revision(), &key);
    batch->Put(Family::kRevisions, key, v->key());
  }
  const auto sorted = SortByKey(*sealed.window);
  for (size_t begin = 0; begin < sorted.size();) {
    const KeyState* state = sorted[begin].item->state;
    size_t end = begin;
    for (; end < sorted.size() && sorted[end].item->state == state; ++end) {
      const Version& v = *sorted[end].item;
      EncodeVersionKey(v.key(), v.revision(), &key);
      EncodeVersion(v.meta, v.value(), &value);
      batch->Put(Family::kVersions, key, value);
    }
    const Version& newest = *sorted[begin].item;
    if (newest.meta.live()) {
      EncodeLatest({newest.revision(), newest.meta}, &value);
      batch->Put(Family::kLatest, newest.key(), value);
    } else if (!MadeTheKey(*sorted[end - 1].item)) {
      batch->Delete(Family::kLatest, newest.key());
    }
    begin = end;
  }
  batch->Put(Family::kSystem, kDurablePointKey, EncodeDurablePoint(sealed.point));
  for (const auto& [name, record] : sealed.system) {
    key.assign(1, kSystemRecordPrefix).append(name);
    if (record.has_value()) {
      batch->Put(Family::kSystem, key, *record);
    } else {
      batch->Delete(Family::kSystem, key);
    }
  }
  return batch->Commit();
}

}  // namespace cairn::mvcc
