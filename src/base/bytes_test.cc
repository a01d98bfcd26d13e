#include "src/base/bytes.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "src/base/random.h"

namespace cairn {
namespace {

TEST(SharedBytesTest, CopyOwnsItsBytes) {
  std::string source = "hello";
  const SharedBytes bytes = SharedBytes::Copy(source);
  source = "XXXXX";
  EXPECT_EQ(bytes.view(), "hello");
  EXPECT_EQ(bytes.bytes().size(), 5u);
  EXPECT_TRUE(SharedBytes::Copy("").empty());
  EXPECT_TRUE(SharedBytes().empty());
}

TEST(SharedBytesTest, SlicesShareAndOutliveTheWhole) {
  SharedBytes slice;
  const char* where = nullptr;
  {
    const SharedBytes whole = SharedBytes::Copy("0123456789");
    where = whole.data();
    slice = whole.Slice(2, 5).Slice(1, 3);
  }
  EXPECT_EQ(slice.view(), "345");
  EXPECT_EQ(slice.data(), where + 3);
}

TEST(SharedBytesTest, MovesAndAssignments) {
  SharedBytes a = SharedBytes::Copy("a");
  SharedBytes b = std::move(a);
  EXPECT_TRUE(a.empty());  // NOLINT: what a moved-from one is, is part of the type
  EXPECT_EQ(b.view(), "a");
  b = *&b;
  EXPECT_EQ(b.view(), "a");
  const SharedBytes c = b;
  b = SharedBytes::Static("static");
  EXPECT_EQ(b.view(), "static");
  EXPECT_EQ(c.view(), "a");
  EXPECT_EQ(c, SharedBytes::Static("a"));
}

TEST(SharedBytesDeathTest, SliceBeyondTheEndIsABrokenInvariant) {
  const SharedBytes bytes = SharedBytes::Copy("abc");
  EXPECT_DEATH((void)bytes.Slice(4, 0), "CHECK failed");
  EXPECT_DEATH((void)bytes.Slice(1, 3), "CHECK failed");
}

TEST(SharedBytesTest, ManyThreadsMayCopyAndDrop) {
  for (int round = 0; round < 50; ++round) {
    std::vector<std::thread> threads;
    {
      const SharedBytes bytes = SharedBytes::Copy("shared");
      for (int t = 0; t < 4; ++t) {
        threads.emplace_back([bytes] {
          for (int i = 0; i < 200; ++i) {
            const SharedBytes copy = bytes.Slice(1, 3);
            EXPECT_EQ(copy.view(), "har");
          }
        });
      }
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(BytesArenaTest, CutsInOrderAndKeepsEverySliceWhole) {
  Random random(11);
  BytesArena arena(1000);
  std::deque<std::pair<SharedBytes, std::string>> kept;
  for (int i = 0; i < 5'000; ++i) {
    const std::string text(random.Below(400), static_cast<char>(random.Next()));
    kept.emplace_back(arena.Copy(text), text);
    if (kept.size() > 50) {
      EXPECT_EQ(kept.front().first.view(), kept.front().second);
      kept.pop_front();
    }
  }
  for (const auto& [slice, text] : kept) EXPECT_EQ(slice.view(), text);
}

TEST(BytesArenaTest, SmallOnesStandSideBySideAndLargeOnesAlone) {
  BytesArena arena(1000);
  const SharedBytes a = arena.Copy(std::string(100, 'a'));
  const SharedBytes large = arena.Copy(std::string(251, 'l'));
  const SharedBytes b = arena.Copy(std::string(100, 'b'));
  EXPECT_EQ(b.data(), a.data() + 100);
  EXPECT_EQ(large.view(), std::string(251, 'l'));
  auto [to, slice] = arena.Allocate(3);
  std::copy_n("xyz", 3, to);
  EXPECT_EQ(slice.view(), "xyz");
}

TEST(BytesArenaTest, SlicesOutliveTheArena) {
  SharedBytes slice;
  {
    BytesArena arena;
    slice = arena.Copy("still here");
  }
  EXPECT_EQ(slice.view(), "still here");
}

}  // namespace
}  // namespace cairn
