// What stands before a command in an entry's data: who took it and under which number. The replica
// that took it recognises it when it is applied; all others pass over the tag.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "src/base/bytes.h"

namespace cairn::replica {

struct CommandTag {
  uint64_t incarnation = 0;  // random, drawn anew at each start of a process
  uint64_t sequence = 0;     // rises by one for each command that incarnation takes
};

inline constexpr size_t kCommandTagBytes = 16;

inline SharedBytes TagCommand(BytesArena& arena, CommandTag tag, std::string_view command) {
  auto [to, bytes] = arena.Allocate(kCommandTagBytes + command.size());
  std::memcpy(to, &tag.incarnation, 8);
  std::memcpy(to + 8, &tag.sequence, 8);
  if (!command.empty()) std::memcpy(to + kCommandTagBytes, command.data(), command.size());
  return std::move(bytes);
}

// Nothing if `data` is too short to be a tagged command.
inline std::optional<CommandTag> ReadTag(std::string_view data) {
  if (data.size() < kCommandTagBytes) return std::nullopt;
  CommandTag tag;
  std::memcpy(&tag.incarnation, data.data(), 8);
  std::memcpy(&tag.sequence, data.data() + 8, 8);
  return tag;
}

inline std::string_view CommandOf(std::string_view data) { return data.substr(kCommandTagBytes); }

}  // namespace cairn::replica
