#include "src/base/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace cairn {

uint64_t Checksum(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

uint64_t Checksum(std::string_view first, std::string_view second, uint64_t seed) {
  XXH3_state_t state;
  XXH3_64bits_reset_withSeed(&state, seed);
  XXH3_64bits_update(&state, first.data(), first.size());
  XXH3_64bits_update(&state, second.data(), second.size());
  return XXH3_64bits_digest(&state);
}

uint64_t Checksum(std::string_view first, std::span<const SharedBytes> rest, uint64_t seed) {
  if (rest.empty()) return Checksum(first, seed);
  XXH3_state_t state;
  XXH3_64bits_reset_withSeed(&state, seed);
  XXH3_64bits_update(&state, first.data(), first.size());
  for (const SharedBytes& piece : rest) XXH3_64bits_update(&state, piece.data(), piece.size());
  return XXH3_64bits_digest(&state);
}

}  // namespace cairn
