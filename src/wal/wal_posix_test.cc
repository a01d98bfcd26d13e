// The log on real files and threads: what the hand-stepped tests cannot show is that the loop and
// the workers share nothing while a write is under way.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "src/env/posix/real_env.h"
#include "src/wal/wal.h"

namespace cairn::wal {
namespace {

class WalPosixTest : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(::testing::TempDir()) /
                 ("wal_posix_test." + std::to_string(getpid()) + "." + std::to_string(GetParam()));
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path directory_;
};

TEST_P(WalPosixTest, WritesReadsAndCutsGoOnWhileTheWorkersWrite) {
  Options options;
  options.directory = directory_ / "deep" / "wal";
  options.segment_bytes = 128 << 10;
  options.inline_sync_bytes = GetParam();
  constexpr uint64_t kWrites = 400;
  constexpr uint64_t kKeep = 50;
  const auto data = [](uint64_t i) {
    return std::string(100 + i * 7 % 2000, static_cast<char>('a' + i % 26));
  };
  for (int life = 0; life < 2; ++life) {
    env::posix::RealEnv real;
    auto opened = Wal::Open(real.env(), options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    Wal& wal = **opened;
    const uint64_t start = wal.Recovered(kFirstGroup).log.last.value;
    ASSERT_EQ(start, life * kWrites);
    uint64_t given = start, durable = start;
    while (durable < start + kWrites) {
      for (int n = 0; n < 3 && given < start + kWrites; ++n) {
        ++given;
        raft::Entry entry{Term(1), LogIndex(given), raft::EntryType::kNormal,
                          SharedBytes::Copy(data(given))};
        wal.Append({kFirstGroup, std::nullopt, {entry}, true},
                   [&, number = given](const Status& s) {
                     ASSERT_TRUE(s.ok()) << s;
                     ASSERT_EQ(++durable, number);
                   });
      }
      const uint64_t first = given > kKeep ? given - kKeep + 1 : 1;
      auto read = wal.Read(kFirstGroup, LogIndex(first), LogIndex(given), 1 << 20);
      ASSERT_TRUE(read.ok()) << read.status();
      ASSERT_EQ(read->size(), given - first + 1);
      for (const raft::Entry& e : *read) ASSERT_EQ(e.data.view(), data(e.index.value));
      if (durable > kKeep) wal.Cut(kFirstGroup, {Term(1), LogIndex(std::min(durable, first - 1))});
      real.loop().RunTurn(env::milliseconds(1));
    }
    // Idle: the mark is written, and the cut with it.
    const uint64_t syncs = wal.stats().syncs;
    while (wal.stats().syncs == syncs) real.loop().RunTurn(env::milliseconds(10));
    EXPECT_LE(wal.stats().segments, 4u);
  }
}

INSTANTIATE_TEST_SUITE_P(InlineAndWorker, WalPosixTest, ::testing::Values(0, 1 << 20));

}  // namespace
}  // namespace cairn::wal
