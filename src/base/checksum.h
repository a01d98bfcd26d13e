// The checksum of everything we write to a disk or a network: XXH3, 64 bits.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "src/base/bytes.h"

namespace cairn {

// XXH3-64 of `bytes`; `seed` keeps records of different kinds or places apart.
uint64_t Checksum(std::string_view bytes, uint64_t seed = 0);
// The checksum of `first` followed by `second` without joining them.
uint64_t Checksum(std::string_view first, std::string_view second, uint64_t seed);
// The checksum of `first` followed by all of `rest`, likewise.
uint64_t Checksum(std::string_view first, std::span<const SharedBytes> rest, uint64_t seed);

}  // namespace cairn
