#include "src/mvcc/reader.h"

#include "src/base/check.h"
#include "src/mvcc/key_walk.h"

namespace cairn::mvcc {
namespace {

Status Damaged(std::string what) { return {StatusCode::kDataLoss, "store: " + std::move(what)}; }

bool Within(int64_t v, int64_t min, int64_t max) {
  return (min == 0 || v >= min) && (max == 0 || v <= max);
}

bool Passes(const RangeQuery& query, Revision mod, const VersionMeta& meta) {
  return Within(mod.main, query.min_mod_revision, query.max_mod_revision) &&
         Within(meta.create_revision, query.min_create_revision, query.max_create_revision);
}

bool HasBounds(const RangeQuery& query) {
  return query.min_mod_revision != 0 || query.max_mod_revision != 0 ||
         query.min_create_revision != 0 || query.max_create_revision != 0;
}

KeyValue ToKeyValue(std::string_view key, Revision mod, const VersionMeta& meta,
                    std::string_view value) {
  return {.key = key,
          .value = value,
          .create_revision = meta.create_revision,
          .mod_revision = mod.main,
          .version = meta.version,
          .lease = meta.lease};
}

}  // namespace

bool CoversAllKeys(const KeyRange& keys) {
  // The empty key cannot be stored, so the range from "\0" on leaves nothing out either.
  return keys.range_end == std::string_view("\0", 1) &&
         (keys.key.empty() || keys.key == std::string_view("\0", 1));
}

const Version* Reader::InMemory(const KeyState& state, int64_t revision, const ReadView& view) {
  if (state.mod_main <= view.files_revision) return nullptr;
  const Version* v = state.newest;
  while (v->main > revision) {
    if (v->skip != nullptr && v->skip->main > revision) {
      v = v->skip;
      continue;
    }
    if (v->older_main <= view.files_revision) return nullptr;
    v = v->older;
  }
  return v;
}

Result<LatestMeta> Reader::Find(std::string_view key, int64_t revision, std::string_view* value) {
  const KeyState* state = view_->table->Find(key, view_->table->Hash(key));
  if (state == nullptr) {
    // Nothing in memory, and so nothing of this key in a flush on its way.
    Result<LatestMeta> latest = FindLatestInFiles(key);
    if (!latest.ok()) return latest;
    if (latest->meta.live() ? latest->mod.main > revision : revision < view_->files_revision) {
      return FindInFilesAt(key, revision, value);
    }
    if (value != nullptr && latest->meta.live()) {
      if (Status s = LoadValue(key, latest->mod, value); !s.ok()) return s;
    }
    return latest;
  }
  if (const Version* v = InMemory(*state, revision, *view_); v != nullptr) {
    if (value != nullptr) *value = v->value();
    return LatestMeta{v->revision(), v->meta};
  }
  if (state->mod_main > revision) return FindInFilesAt(key, revision, value);
  if (value != nullptr && state->live()) {
    if (Status s = LoadValue(key, state->mod(), value); !s.ok()) return s;
  }
  return LatestMeta{state->mod(), state->meta};
}

Result<LatestMeta> Reader::FindLatestInFiles(std::string_view key) {
  Result<bool> found = view_->files->Get(Family::kLatest, key, &value_buffer_);
  if (!found.ok()) return found.status();
  if (!*found) return LatestMeta{};
  const auto latest = DecodeLatest(value_buffer_);
  if (!latest.has_value()) return Damaged("a key's latest metadata cannot be decoded");
  return *latest;
}

Status Reader::LoadValue(std::string_view key, Revision revision, std::string_view* value) {
  EncodeVersionKey(key, revision, &key_buffer_);
  Result<bool> found = view_->files->Get(Family::kVersions, key_buffer_, &value_buffer_);
  if (!found.ok()) return found.status();
  if (!*found || !DecodeVersion(value_buffer_, value).has_value()) {
    return Damaged("the version at revision " + std::to_string(revision.main) +
                   " that a key's metadata names is missing or cannot be decoded");
  }
  return OkStatus();
}

Result<LatestMeta> Reader::FindInFilesAt(std::string_view key, int64_t revision,
                                         std::string_view* value) {
  auto cursor = view_->files->NewCursor(Family::kVersions, SortedFiles::Reach::kOneKey);
  EncodeVersionKey(key, {revision, UINT32_MAX}, &key_buffer_);
  cursor->Seek(key_buffer_);
  const std::string_view prefix =
      std::string_view(key_buffer_).substr(0, key_buffer_.size() - kVersionSuffixBytes);
  if (!cursor->Valid()) {
    if (Status s = cursor->status(); !s.ok()) return s;
    return LatestMeta{};
  }
  if (!cursor->key().starts_with(prefix)) return LatestMeta{};
  std::string unescaped;
  const auto at = DecodeVersionKey(cursor->key(), &unescaped);
  value_buffer_.assign(cursor->value());
  std::string_view bytes;
  const auto meta = DecodeVersion(value_buffer_, &bytes);
  if (!at.has_value() || !meta.has_value()) return Damaged("a version cannot be decoded");
  if (value != nullptr) *value = bytes;
  return LatestMeta{at->revision, *meta};
}

Result<RangeSummary> Reader::PointRange(const RangeQuery& query, int64_t revision, Visitor visit) {
  const bool want_value = !query.keys_only && !query.count_only;
  std::string_view value;
  Result<LatestMeta> found = Find(query.keys.key, revision, want_value ? &value : nullptr);
  if (!found.ok()) return found.status();
  RangeSummary summary;
  if (!found->meta.live()) return summary;
  summary.count = 1;
  if (!query.count_only && Passes(query, found->mod, found->meta)) {
    visit(ToKeyValue(query.keys.key, found->mod, found->meta, value));
  }
  return summary;
}

Result<RangeSummary> Reader::Range(const RangeQuery& query, int64_t revision,
                                   std::optional<int64_t> total, Visitor visit) {
  if (query.keys.range_end.empty()) return PointRange(query, revision, visit);
  const bool endless = query.keys.range_end == std::string_view("\0", 1);
  const std::string_view to = endless ? std::string_view() : query.keys.range_end;
  RangeSummary summary;
  if (!endless && to <= query.keys.key) return summary;

  const bool latest_serves = revision >= view_->files_may_reach;
  const WalkOver for_counting = latest_serves ? WalkOver::kLatest : WalkOver::kVersions;
  std::string from(query.keys.key);
  if (!query.count_only) {
    const WalkOver over = query.keys_only ? for_counting : WalkOver::kVersions;
    KeyWalk walk(*view_, over, revision, from, to);
    int64_t visited = 0;
    for (; walk.Valid() && (query.limit == 0 || visited < query.limit); walk.Next()) {
      ++summary.count;
      if (!Passes(query, walk.mod(), walk.meta())) continue;
      visit(ToKeyValue(walk.key(), walk.mod(), walk.meta(),
                       query.keys_only ? std::string_view() : walk.value()));
      ++visited;
    }
    if (!walk.Valid()) {
      if (Status s = walk.status(); !s.ok()) return s;
      return summary;
    }
    from.assign(walk.key());
  }
  // What is left is only counted, and asked whether it holds one more that passes.
  if (total.has_value() && (query.count_only || !HasBounds(query))) {
    summary.more = !query.count_only && *total > summary.count;
    summary.count = *total;
    return summary;
  }
  KeyWalk rest(*view_, for_counting, revision, from, to);
  for (; rest.Valid(); rest.Next()) {
    ++summary.count;
    if (!query.count_only && !summary.more) {
      summary.more = Passes(query, rest.mod(), rest.meta());
    }
  }
  if (Status s = rest.status(); !s.ok()) return s;
  return summary;
}

}  // namespace cairn::mvcc
