#include "src/mvcc/flush.h"

#include <algorithm>

namespace cairn::mvcc {
namespace {

// The window lies in revision order and is read in key order: each version is a walk to a far
// place. So many versions ahead the walk is begun. Measured: halves the time of the writing
// thread's own code.
constexpr size_t kAhead = 12;

void Prefetch(const void* p) { __builtin_prefetch(p); }

struct SortedVersion {
  uint64_t digest;
  uint32_t position;  // in revision order
};
using SortedVersions = std::vector<SortedVersion>;

// The window's versions by key, newest first within a key.
SortedVersions SortByKey(const std::vector<const Version*>& versions) {
  KeyDigest digest;
  const size_t n = versions.size();
  for (size_t i = 0; i < n; ++i) {
    if (i + kAhead < n) Prefetch(versions[i + kAhead]->state);
    digest.Include(versions[i]->key());
  }
  SortedVersions sorted(n);
  for (size_t i = 0; i < n; ++i) {
    if (i + kAhead < n) Prefetch(versions[i + kAhead]->state);
    sorted[i] = {digest.Digest(versions[i]->key()), static_cast<uint32_t>(i)};
  }
  std::sort(sorted.begin(), sorted.end(), [&](const SortedVersion& a, const SortedVersion& b) {
    if (a.digest != b.digest) return a.digest < b.digest;
    const KeyState* of_a = versions[a.position]->state;
    const KeyState* of_b = versions[b.position]->state;
    return of_a != of_b ? of_a->key() < of_b->key() : a.position > b.position;
  });
  return sorted;
}

void AddRevisions(const std::vector<const Version*>& versions, SortedFiles::Batch* batch) {
  RevisionChunk chunk;
  std::string key;
  const auto close = [&] {
    if (chunk.empty()) return;
    EncodeRevision(chunk.last(), &key);
    batch->Put(Family::kRevisions, key, chunk.bytes());
    chunk.Clear();
  };
  for (size_t i = 0; i < versions.size(); ++i) {
    if (i + kAhead < versions.size()) Prefetch(versions[i + kAhead]->state);
    chunk.Add(versions[i]->revision(), versions[i]->key());
    if (chunk.full()) close();
  }
  close();
}

// A key that was made in this window is not in the files' latest family: nothing to delete there.
bool MadeTheKey(const Version& oldest_in_window) { return oldest_in_window.meta.version == 1; }

void AddVersions(const std::vector<const Version*>& versions, SortedFiles::Batch* batch) {
  const SortedVersions sorted = SortByKey(versions);
  const auto at = [&](size_t i) { return versions[sorted[i].position]; };
  const size_t n = sorted.size();
  std::string key, value;
  const Version* newest = nullptr;  // of the key stood at
  for (size_t i = 0; i < n; ++i) {
    if (i + 2 * kAhead < n) {
      const char* ahead = reinterpret_cast<const char*>(at(i + 2 * kAhead));
      for (size_t line = 0; line < 4; ++line) Prefetch(ahead + line * 64);
    }
    if (i + kAhead < n) Prefetch(at(i + kAhead)->state);
    const Version& v = *at(i);
    if (newest == nullptr) newest = &v;
    EncodeVersionKey(v.key(), v.revision(), &key);
    EncodeVersion(v.meta, v.value(), &value);
    batch->Put(Family::kVersions, key, value);
    if (i + 1 < n && at(i + 1)->state == v.state) continue;
    if (newest->meta.live()) {
      EncodeLatest({newest->revision(), newest->meta}, &value);
      batch->Put(Family::kLatest, newest->key(), value);
    } else if (!MadeTheKey(v)) {
      batch->Delete(Family::kLatest, newest->key());
    }
    newest = nullptr;
  }
}

}  // namespace

Status WriteSealed(const SealedWindow& sealed, SortedFiles& files) {
  std::unique_ptr<SortedFiles::Batch> batch = files.NewBatch();
  AddRevisions(sealed.window->versions(), batch.get());
  AddVersions(sealed.window->versions(), batch.get());
  batch->Put(Family::kSystem, kDurablePointKey, EncodeDurablePoint(sealed.point));
  std::string key;
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
