// What a flush writes: one sealed window, the system records that changed with it, and the durable
// point that is true when both are in the files.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/mvcc/codec.h"
#include "src/mvcc/sorted_files.h"
#include "src/mvcc/window.h"

namespace cairn::mvcc {

struct SealedWindow {
  std::unique_ptr<Window> window;
  DurablePoint point;  // as it stood at the seal
  // Records changed since the seal before, sorted by key; no value: erased.
  std::vector<std::pair<std::string, std::optional<std::string>>> system;
};

// Adds everything to one batch and commits it. On the flush worker; reads only what does not
// change.
Status WriteSealed(const SealedWindow& sealed, SortedFiles& files);

}  // namespace cairn::mvcc
