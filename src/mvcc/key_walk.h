// KeyWalk: the keys that exist at a revision, in order, merged out of memory and files.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/mvcc/reader.h"

namespace cairn::mvcc {

// The files' half: keys in order with their newest version at or below a revision.
class FileKeys {
 public:
  virtual ~FileKeys() = default;
  virtual bool Valid() const = 0;
  virtual void Next() = 0;
  virtual std::string_view key() const = 0;
  virtual Revision mod() const = 0;
  virtual const VersionMeta& meta() const = 0;  // a tombstone is told as such
  virtual std::string_view value() const = 0;
  virtual Status status() const = 0;
};

// Which family to walk: versions know values and the past; the latest family is a fraction of their
// size and holds one entry a key, but only the newest state.
enum class WalkOver : uint8_t { kVersions, kLatest };

// Starts at the first key at or after `from`.
std::unique_ptr<FileKeys> OpenFileKeys(SortedFiles& files, WalkOver over, int64_t revision,
                                       std::string_view from);

class KeyWalk {
 public:
  // Keys in [from, to), without an end if `to` is empty. kLatest only if the view allows it at
  // `revision`.
  KeyWalk(const ReadView& view, WalkOver over, int64_t revision, std::string_view from,
          std::string_view to);

  bool Valid() const { return valid_; }
  void Next();
  // Of the key stood at; the value is empty when walking over kLatest and the version is in the
  // files.
  std::string_view key() const { return key_; }
  Revision mod() const { return mod_; }
  const VersionMeta& meta() const { return meta_; }
  std::string_view value() const { return value_; }
  // Why the walk ended, if not at its end.
  Status status() const;

 private:
  struct Source {
    Window::KeyIndex::const_iterator at, end;
  };
  bool Beyond(std::string_view key) const { return !to_.empty() && key >= to_; }
  const KeyState* LeastInMemory() const;
  void PassInMemory(const KeyState* state);
  void Settle();
  bool TakeMemory(const Version& version);
  bool TakeFile();

  const ReadView& view_;
  const int64_t revision_;
  const std::string to_;
  std::vector<Source> memory_;
  std::unique_ptr<FileKeys> files_;
  // What Next has to move on.
  const KeyState* in_memory_ = nullptr;
  bool in_files_ = false;

  bool valid_ = false;
  std::string_view key_;
  Revision mod_;
  VersionMeta meta_;
  std::string_view value_;
};

}  // namespace cairn::mvcc
