#include "src/mvcc/key_table.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "src/base/random.h"

namespace cairn::mvcc {
namespace {

KeyState* Add(KeyTable& table, const std::string& key, int64_t mod, int64_t files_revision) {
  const uint64_t hash = table.Hash(key);
  KeyState* state = table.Find(key, hash);
  if (state == nullptr) state = table.Insert(key, hash, files_revision);
  state->mod_main = mod;
  return state;
}

TEST(KeyTableTest, KeepsWhatIsInMemoryAndBoundsTheRest) {
  KeyTable table(100, 7);
  // Nothing is in the files: nothing may go, however small the limit.
  std::map<std::string, KeyState*> held;
  for (int i = 0; i < 5000; ++i) {
    const std::string key = "key" + std::to_string(i);
    held[key] = Add(table, key, 2 + i, 1);
  }
  EXPECT_EQ(table.size(), 5000u);
  for (const auto& [key, state] : held) EXPECT_EQ(table.Find(key, table.Hash(key)), state);
  // Now all of them are; new keys push them out.
  for (int i = 0; i < 20000; ++i) Add(table, "new" + std::to_string(i), 1, 10000);
  EXPECT_LE(table.size(), 200u);
}

TEST(KeyTableTest, MatchesAMapUnderChurn) {
  Random random(11);
  KeyTable table(64, 3);
  std::map<std::string, int64_t> pinned;  // key -> mod, those above the files revision
  int64_t revision = 1, files_revision = 1;
  for (int i = 0; i < 100000; ++i) {
    const std::string key = std::to_string(random.Below(700));
    KeyState* state = Add(table, key, ++revision, files_revision);
    EXPECT_EQ(state->key(), key);
    pinned[key] = revision;
    if (random.Below(200) == 0) {
      files_revision = revision - static_cast<int64_t>(random.Below(50));
      std::erase_if(pinned, [&](const auto& p) { return p.second <= files_revision; });
    }
    const std::string other = std::to_string(random.Below(700));
    KeyState* found = table.Find(other, table.Hash(other));
    if (const auto it = pinned.find(other); it != pinned.end()) {
      ASSERT_NE(found, nullptr);
      EXPECT_EQ(found->mod_main, it->second);
    }
    if (found != nullptr) {
      EXPECT_EQ(found->key(), other);
    }
  }
}

}  // namespace
}  // namespace cairn::mvcc
