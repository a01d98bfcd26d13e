// The log as its users see it: what goes in comes out, in order, after restarts, with failing
// disks.
#include "src/wal/wal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/wal/format.h"
#include "src/wal/testing/wal_fixture.h"

namespace cairn::wal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::LogFixture;

class WalTest : public ::testing::Test, public LogFixture {};

TEST_F(WalTest, NewLogIsEmpty) {
  Open();
  EXPECT_TRUE(wal->Groups().empty());
  EXPECT_EQ(wal->Recovered(kFirstGroup).log, raft::LogShape{});
  Reopen();
  EXPECT_TRUE(wal->Groups().empty());
}

TEST_F(WalTest, WritesComeBackAfterARestart) {
  Open();
  Put(1, {Entry(1, 1, "a"), Entry(1, 2, "")}, HardState(1, 7, 0));
  Put(2, {}, HardState(5, 3, 0));
  Put(1, {Entry(2, 3, "ccc")}, HardState(2, 7, 1));
  Reopen();
  EXPECT_THAT(wal->Groups(), ElementsAre(GroupId(1), GroupId(2)));
  const GroupState one = wal->Recovered(GroupId(1));
  EXPECT_EQ(one.hard_state, HardState(2, 7, 1));
  EXPECT_EQ(one.log.last, LogIndex(3));
  EXPECT_THAT(one.log.runs, ElementsAre(raft::TermRun{Term(1), LogIndex(1)},
                                        raft::TermRun{Term(2), LogIndex(3)}));
  EXPECT_EQ(wal->Recovered(GroupId(2)).hard_state, HardState(5, 3, 0));
  EXPECT_THAT(ReadAll(1), ElementsAre(Entry(1, 1, "a"), Entry(1, 2, ""), Entry(2, 3, "ccc")));
}

TEST_F(WalTest, BufferedEntriesAreRead) {
  Open();
  Put(1, {Entry(1, 1, "a"), Entry(1, 2, "b"), Entry(1, 3, "c")}, HardState(1, 0, 0));
  Append(1, {Entry(2, 3, "C"), Entry(2, 4, "D")}, HardState(2, 0, 0));
  Append(1, {Entry(3, 4, "dd")}, HardState(3, 0, 0));
  newest = LogIndex(4);
  EXPECT_THAT(ReadAll(1),
              ElementsAre(Entry(1, 1, "a"), Entry(1, 2, "b"), Entry(2, 3, "C"), Entry(3, 4, "dd")));
  loop.Settle();
  EXPECT_THAT(ReadAll(1),
              ElementsAre(Entry(1, 1, "a"), Entry(1, 2, "b"), Entry(2, 3, "C"), Entry(3, 4, "dd")));
  Reopen();
  EXPECT_THAT(ReadAll(1),
              ElementsAre(Entry(1, 1, "a"), Entry(1, 2, "b"), Entry(2, 3, "C"), Entry(3, 4, "dd")));
}

TEST_F(WalTest, ReadStopsAtMaxBytesButGivesOne) {
  Open();
  Put(1, {Entry(1, 1, "aaaa"), Entry(1, 2, "bbbb"), Entry(1, 3, "cccc")});
  Append(1, {Entry(1, 4, "dddd")});
  const auto read = [&](uint64_t first, size_t max) {
    return wal->Read(GroupId(1), LogIndex(first), LogIndex(4), max).value().size();
  };
  EXPECT_EQ(read(1, 0), 1u);
  EXPECT_EQ(read(1, 8), 2u);
  EXPECT_EQ(read(2, 11), 2u);
  EXPECT_EQ(read(3, 8), 2u);
  EXPECT_EQ(read(1, 100), 4u);
}

TEST_F(WalTest, CompletionsAreInOrderAndNeverInsideAppend) {
  Open();
  std::vector<int> order;
  bool inside = false;
  for (int i = 0; i < 3; ++i) {
    inside = true;
    wal->Append({GroupId(1), std::nullopt, {Entry(1, i + 1, "x")}, i != 1},
                [&, i](const Status& s) {
                  EXPECT_TRUE(s.ok());
                  EXPECT_FALSE(inside);
                  order.push_back(i);
                });
    inside = false;
  }
  loop.Settle();
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
  EXPECT_EQ(wal->stats().syncs, 1u);
}

TEST_F(WalTest, WhatArrivesDuringASyncGoesTogether) {
  options.inline_sync_bytes = 0;
  Open();
  Append(1, {Entry(1, 1, "a")});
  loop.Turn();  // the worker has it now
  for (int i = 2; i < 10; ++i) {
    Append(1, {Entry(1, i, "b")});
    loop.Turn();
  }
  EXPECT_EQ(completed, 0);
  loop.Settle();
  EXPECT_EQ(completed, 9);
  EXPECT_EQ(wal->stats().syncs, 2u);
}

TEST_F(WalTest, OtherTurnEndTasksRunBeforeAnInlineSync) {
  Open();
  bool flushed = false, checked = false;
  wal->Append({GroupId(1), std::nullopt, {Entry(1, 1, "a")}, true}, [](const Status&) {});
  loop.AtTurnEnd([&] { flushed = true; });
  disk->on_change = [&](std::string_view kind, const std::string&) {
    if (kind == "sync") checked = flushed;
    return OkStatus();
  };
  loop.Turn();
  EXPECT_TRUE(checked);
}

TEST_F(WalTest, WritesWithoutSyncWaitForTheNextOrForIdleTime) {
  Open();
  wal->Append({GroupId(1), HardState(1, 0, 0), {}, false}, Counting());
  loop.Settle();
  EXPECT_EQ(completed, 0);
  EXPECT_EQ(wal->stats().syncs, 0u);
  Append(1, {Entry(1, 1, "a")});
  loop.Settle();
  EXPECT_EQ(completed, 2);
  wal->Append({GroupId(1), HardState(1, 0, 1), {}, false}, Counting());
  loop.Pass(env::milliseconds(200));
  EXPECT_EQ(completed, 3);
  EXPECT_EQ(loop.timers(), 0u) << "an idle log stays idle";
  Reopen();
  EXPECT_EQ(wal->Recovered(GroupId(1)).hard_state, HardState(1, 0, 1));
}

TEST_F(WalTest, SegmentsAreSwitchedRecycledAndBounded) {
  options.segment_bytes = kMinSegmentBytes;
  Open();
  for (uint64_t i = 1; i <= 400; ++i) {
    Put(1, {Entry(1, i, std::string(900, static_cast<char>('a' + i % 26)))},
        HardState(1, 0, i - 1));
    if (i > 40) wal->Cut(GroupId(1), {Term(1), LogIndex(i - 40)});
    if (i % 50 == 7) {
      Reopen();
      ASSERT_EQ(wal->Recovered(GroupId(1)).log.last, LogIndex(i));
    }
  }
  loop.Pass(env::seconds(1));
  EXPECT_LE(wal->stats().segments, 5u);
  EXPECT_LE(disk->names().size(), 5u + 1 + 1 + options.spare_segments)
      << "segments, next, log, spares";
  Reopen();
  EXPECT_EQ(wal->Recovered(GroupId(1)).log.base, (raft::EntryId{Term(1), LogIndex(360)}));
  const auto all = ReadAll(1);
  ASSERT_EQ(all.size(), 40u);
  EXPECT_EQ(all[0].index, LogIndex(361));
}

TEST_F(WalTest, AnIdleGroupDoesNotPinSegmentsOnceItIsCut) {
  options.segment_bytes = kMinSegmentBytes;
  Open();
  Put(9, {Entry(1, 1, "idle")}, HardState(1, 4, 1));
  wal->Cut(GroupId(9), {Term(1), LogIndex(1)});
  for (uint64_t i = 1; i <= 200; ++i) {
    Put(1, {Entry(1, i, std::string(900, 'x'))});
    wal->Cut(GroupId(1), {Term(1), LogIndex(i)});
  }
  Reopen();
  EXPECT_EQ(wal->stats().segments, 1u);
  EXPECT_EQ(wal->Recovered(GroupId(9)).hard_state, HardState(1, 4, 1));
  EXPECT_EQ(wal->Recovered(GroupId(9)).log.base, (raft::EntryId{Term(1), LogIndex(1)}));
}

TEST_F(WalTest, ACutOfEntriesThatAreNotWrittenYetKeepsWhatTheDiskNeeds) {
  Open();
  Put(1, {Entry(1, 1, "a"), Entry(1, 2, "b")});
  Append(1, {Entry(1, 3, "c")});
  wal->Cut(GroupId(1), {Term(1), LogIndex(3)});
  Put(2, {Entry(1, 1, "z")});
  Reopen();
  EXPECT_EQ(wal->Recovered(GroupId(1)).log.base.index, LogIndex(3));
}

TEST_F(WalTest, ALargeWriteIsSpreadOverRecords) {
  options.segment_bytes = kMinSegmentBytes;
  Open();
  std::vector<raft::Entry> entries;
  for (int i = 1; i <= 60; ++i) entries.push_back(Entry(1, i, std::string(1000, 'y')));
  Put(1, entries, HardState(1, 2, 60));
  EXPECT_GT(wal->stats().syncs, 5u);
  EXPECT_EQ(completed, 1);
  Reopen();
  EXPECT_EQ(wal->Recovered(GroupId(1)).hard_state, HardState(1, 2, 60));
  EXPECT_EQ(ReadAll(1), entries);
}

TEST_F(WalTest, AFailedSyncFailsEverythingAfterItAndIsNotTriedAgain) {
  for (const char* failing : {"write", "sync"}) {
    Start();
    Open();
    Put(1, {Entry(1, 1, "a")});
    int tries = 0;
    disk->on_change = [&](std::string_view kind, const std::string&) {
      if (kind != failing) return OkStatus();
      ++tries;
      return Status(StatusCode::kInternal, "Input/output error");
    };
    std::vector<Status> outcomes;
    for (int i = 2; i < 6; ++i) {
      wal->Append({GroupId(1), std::nullopt, {Entry(1, i, "b")}, true},
                  [&](const Status& s) { outcomes.push_back(s); });
      if (i % 2 == 1) loop.Settle();
    }
    loop.Pass(env::seconds(1));
    ASSERT_EQ(outcomes.size(), 4u);
    for (const Status& s : outcomes) {
      EXPECT_EQ(s.code(), StatusCode::kInternal);
      EXPECT_THAT(s.message(), HasSubstr("0000000000000001.wal: Input/output error"));
    }
    EXPECT_EQ(tries, 1);
  }
}

TEST_F(WalTest, ADiskThatIsFullStopsTheLogWhenTheRoomIsNeeded) {
  options.segment_bytes = kMinSegmentBytes;
  Open();
  disk->on_change = [](std::string_view kind, const std::string&) {
    return kind == "allocate" ? Status(StatusCode::kResourceExhausted, "No space left on device")
                              : OkStatus();
  };
  int ok = 0, full = 0;
  for (uint64_t i = 1; i <= 40; ++i) {
    wal->Append({GroupId(1), std::nullopt, {Entry(1, i, std::string(900, 'x'))}, true},
                [&](const Status& s) {
                  if (s.ok()) {
                    EXPECT_EQ(full, 0) << "in order";
                    ++ok;
                  } else {
                    EXPECT_EQ(s.code(), StatusCode::kResourceExhausted);
                    EXPECT_THAT(s.message(),
                                HasSubstr("0000000000000002.wal could not be prepared"));
                    ++full;
                  }
                });
    loop.Settle();
  }
  EXPECT_GT(ok, 10) << "the room that is there is used";
  EXPECT_EQ(ok + full, 40);
  disk->on_change = nullptr;
  Reopen();
  EXPECT_EQ(wal->Recovered(GroupId(1)).log.last, LogIndex(ok));
}

TEST_F(WalTest, AFullDiskIsNoMatterOnceASegmentCanBeReused) {
  options.segment_bytes = kMinSegmentBytes;
  Open();
  uint64_t i = 0;
  while (wal->stats().segments < 2) Put(1, {Entry(1, ++i, std::string(900, 'x'))});
  int refused = 0;
  disk->on_change = [&refused](std::string_view kind, const std::string& path) {
    if (kind != "create" || !path.ends_with(".spare")) return OkStatus();
    ++refused;
    return Status(StatusCode::kResourceExhausted, "No space left on device");
  };
  while (refused == 0) Put(1, {Entry(1, ++i, std::string(900, 'x'))});
  wal->Cut(GroupId(1), {Term(1), LogIndex(i)});
  const int before = completed;
  for (int n = 0; n < 100; ++n) {
    Put(1, {Entry(1, ++i, std::string(900, 'x'))});
    wal->Cut(GroupId(1), {Term(1), LogIndex(i)});
  }
  EXPECT_EQ(completed, before + 100);
}

TEST_F(WalTest, TheNextSegmentsNameIsDurableBeforeItIsWritten) {
  options.segment_bytes = kMinSegmentBytes;
  Open();
  std::set<std::string> named;  // by a directory sync since they appeared
  disk->on_change = [&](std::string_view kind, const std::string& path) {
    if (kind == "syncdir") {
      for (const auto& [name, node] : disk->names()) named.insert(name);
    }
    if (kind == "write" && path.ends_with(".wal") && !path.ends_with("1.wal")) {
      EXPECT_TRUE(named.contains(path)) << path;
    }
    return OkStatus();
  };
  for (uint64_t i = 1; i <= 100; ++i) Put(1, {Entry(1, i, std::string(900, 'x'))});
  EXPECT_GT(wal->stats().segments, 3u);
}

}  // namespace
}  // namespace cairn::wal
