#include "src/mvcc/key_walk.h"

#include <algorithm>

#include "src/base/check.h"

namespace cairn::mvcc {
namespace {

Status Damaged(std::string_view what) {
  return {StatusCode::kDataLoss, "store: an entry of the " + std::string(what) +
                                     " family cannot be decoded; the files are damaged"};
}

// So many steps to the next key before a seek is the cheaper way.
constexpr int kStepsBeforeSeek = 8;

class VersionKeys : public FileKeys {
 public:
  VersionKeys(SortedFiles& files, int64_t revision, std::string_view from)
      : cursor_(files.NewCursor(Family::kVersions)), revision_(revision) {
    EncodeKeyStart(from, &target_);
    cursor_->Seek(target_);
    Settle();
  }

  bool Valid() const override { return valid_; }
  std::string_view key() const override { return at_.key; }
  Revision mod() const override { return at_.revision; }
  const VersionMeta& meta() const override { return meta_; }
  std::string_view value() const override { return value_; }
  Status status() const override { return damage_.ok() ? cursor_->status() : damage_; }

  void Next() override {
    current_.assign(VersionKeyPrefix(cursor_->key()));
    for (int i = 0; i < kStepsBeforeSeek; ++i) {
      cursor_->Next();
      if (!cursor_->Valid() || !cursor_->key().starts_with(current_)) return Settle();
    }
    current_.back() = '\1';  // EncodeKeyEnd of the same key
    cursor_->Seek(current_);
    Settle();
  }

 private:
  // Stops at the first version at or below the revision, of this key or a later one.
  void Settle() {
    valid_ = false;
    for (int steps = 0; cursor_->Valid(); ++steps) {
      const auto at = DecodeVersionKey(cursor_->key(), &unescaped_);
      const auto meta = DecodeVersion(cursor_->value(), &value_);
      if (!at.has_value() || !meta.has_value()) {
        damage_ = Damaged("versions");
        return;
      }
      if (at->revision.main <= revision_) {
        at_ = *at;
        meta_ = *meta;
        valid_ = true;
        return;
      }
      if (steps < kStepsBeforeSeek) {
        cursor_->Next();
      } else {
        EncodeVersionKey(at->key, {revision_, UINT32_MAX}, &target_);
        cursor_->Seek(target_);
        steps = 0;
      }
    }
  }

  std::unique_ptr<SortedFiles::Cursor> cursor_;
  const int64_t revision_;
  bool valid_ = false;
  VersionKey at_;
  VersionMeta meta_;
  std::string_view value_;
  std::string unescaped_, current_, target_;
  Status damage_;
};

class LatestKeys : public FileKeys {
 public:
  LatestKeys(SortedFiles& files, std::string_view from)
      : cursor_(files.NewCursor(Family::kLatest)) {
    cursor_->Seek(from);
    Decode();
  }

  bool Valid() const override { return valid_; }
  void Next() override {
    cursor_->Next();
    Decode();
  }
  std::string_view key() const override { return cursor_->key(); }
  Revision mod() const override { return latest_.mod; }
  const VersionMeta& meta() const override { return latest_.meta; }
  std::string_view value() const override { return {}; }
  Status status() const override { return damage_.ok() ? cursor_->status() : damage_; }

 private:
  void Decode() {
    valid_ = cursor_->Valid();
    if (!valid_) return;
    const auto latest = DecodeLatest(cursor_->value());
    if (latest.has_value()) {
      latest_ = *latest;
    } else {
      valid_ = false;
      damage_ = Damaged("latest");
    }
  }

  std::unique_ptr<SortedFiles::Cursor> cursor_;
  bool valid_ = false;
  LatestMeta latest_;
  Status damage_;
};

}  // namespace

std::unique_ptr<FileKeys> OpenFileKeys(SortedFiles& files, WalkOver over, int64_t revision,
                                       std::string_view from) {
  if (over == WalkOver::kLatest) return std::make_unique<LatestKeys>(files, from);
  return std::make_unique<VersionKeys>(files, revision, from);
}

KeyWalk::KeyWalk(const ReadView& view, WalkOver over, int64_t revision, std::string_view from,
                 std::string_view to)
    : view_(view),
      revision_(revision),
      to_(to),
      files_(OpenFileKeys(*view.files, over, revision, from)) {
  CHECK(over == WalkOver::kVersions || revision >= view.files_may_reach);
  for (Window* window : view.windows) {
    const Window::KeyIndex& keys = window->OrderedKeys();
    memory_.push_back({keys.lower_bound(from), keys.end()});
  }
  Settle();
}

Status KeyWalk::status() const { return valid_ ? OkStatus() : files_->status(); }

void KeyWalk::Next() {
  if (in_memory_ != nullptr) PassInMemory(in_memory_);
  if (in_files_) files_->Next();
  Settle();
}

const KeyState* KeyWalk::LeastInMemory() const {
  const KeyState* least = nullptr;
  for (const Source& source : memory_) {
    if (source.at == source.end || *source.at == least) continue;
    if (least == nullptr || (*source.at)->key() < least->key()) least = *source.at;
  }
  return least;
}

void KeyWalk::PassInMemory(const KeyState* state) {
  for (Source& source : memory_) {
    if (source.at != source.end && *source.at == state) ++source.at;
  }
}

void KeyWalk::Settle() {
  while (true) {
    valid_ = in_files_ = false;
    in_memory_ = LeastInMemory();
    if (!files_->Valid() && !files_->status().ok()) return;  // what follows is not known
    if (in_memory_ == nullptr && !files_->Valid()) return;
    // Which side has the lesser key; both, when it is the same.
    int order = -1;
    if (in_memory_ == nullptr) {
      order = 1;
    } else if (files_->Valid()) {
      order = in_memory_->key().compare(files_->key());
    }
    if (order > 0) in_memory_ = nullptr;
    in_files_ = order >= 0;
    if (Beyond(in_memory_ != nullptr ? in_memory_->key() : files_->key())) return;

    const Version* version = nullptr;
    if (in_memory_ != nullptr) version = Reader::InMemory(*in_memory_, revision_, view_);
    if (version != nullptr ? TakeMemory(*version) : in_files_ && TakeFile()) return;
    if (in_memory_ != nullptr) PassInMemory(in_memory_);
    if (in_files_) files_->Next();
  }
}

bool KeyWalk::TakeMemory(const Version& version) {
  if (!version.meta.live()) return false;
  key_ = version.key();
  mod_ = version.revision();
  meta_ = version.meta;
  value_ = version.value();
  return valid_ = true;
}

bool KeyWalk::TakeFile() {
  if (!files_->meta().live()) return false;
  key_ = files_->key();
  mod_ = files_->mod();
  meta_ = files_->meta();
  value_ = files_->value();
  return valid_ = true;
}

}  // namespace cairn::mvcc
