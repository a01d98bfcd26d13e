#include "src/base/checksum.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "src/base/random.h"

namespace cairn {
namespace {

TEST(ChecksumTest, IsXxh3WhateverTheMachine) {
  // Fixed by the formats on disk and network: these values may never change.
  EXPECT_EQ(Checksum(""), 0x2d06800538d394c2u);
  EXPECT_EQ(Checksum("a"), 0xe6c632b61e964e1fu);
}

TEST(ChecksumTest, PiecesGiveTheChecksumOfTheWhole) {
  Random random(1);
  for (int round = 0; round < 300; ++round) {
    std::string whole;
    for (uint64_t i = random.Below(2'000); i > 0; --i) whole += static_cast<char>(random.Next());
    const uint64_t seed = random.Below(3);
    const uint64_t expected = Checksum(whole, seed);
    const size_t cut = random.Below(whole.size() + 1);
    const std::string_view view = whole;
    EXPECT_EQ(Checksum(view.substr(0, cut), view.substr(cut), seed), expected);
    std::vector<SharedBytes> rest;
    for (size_t at = cut; at < whole.size();) {
      const size_t n = random.Below(300);
      rest.push_back(SharedBytes::Copy(view.substr(at, n)));
      at += rest.back().size();
    }
    EXPECT_EQ(Checksum(view.substr(0, cut), rest, seed), expected);
  }
}

TEST(ChecksumTest, SeedAndEachBitMatter) {
  const std::string text(100, 't');
  EXPECT_NE(Checksum(text, 0), Checksum(text, 1));
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(Checksum(flipped), Checksum(text));
  }
}

}  // namespace
}  // namespace cairn
