// What a crash leaves behind and what a damaged disk does to it: a torn tail never stops a start,
// damage is never taken for anything else, and nobody ever reads other data than what was written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "src/wal/format.h"
#include "src/wal/segment_files.h"
#include "src/wal/testing/wal_fixture.h"

namespace cairn::wal {
namespace {

using testing::Entry;
using testing::HardState;
using ::testing::HasSubstr;
using testing::LogFixture;
using testing::MemoryDisk;

const char kFirst[] = "wal/0000000000000001.wal";

class WalDamageTest : public ::testing::Test, public LogFixture {
 protected:
  // Everything that the open log says about its groups.
  std::string Fingerprint() {
    std::string out;
    for (const GroupId group : wal->Groups()) {
      const GroupState state = wal->Recovered(group);
      out += "group " + std::to_string(group.value);
      for (const uint64_t v :
           {state.hard_state.term.value, state.hard_state.vote.value, state.hard_state.commit.value,
            state.log.base.term.value, state.log.base.index.value, state.log.last.value}) {
        out += " " + std::to_string(v);
      }
      for (const raft::Entry& e : ReadAll(group.value)) {
        out += "\n" + std::to_string(e.term.value) + "," + std::to_string(e.index.value) + "," +
               std::to_string(static_cast<int>(e.type)) + "," + std::string(e.data.view());
      }
      out += "\n";
    }
    return out;
  }
  std::string OpenedFingerprint() {
    Open();
    return Fingerprint();
  }

  // Some records of several shapes and groups in segments of the least size; the last one is not
  // confirmed by a mark. Gives the offset behind it.
  void BuildSmallLog() {
    Open();
    Put(1, {Entry(1, 1, "a"), Entry(1, 2, std::string(1300, 'b'))}, HardState(1, 2, 0));
    Put(2, {}, HardState(4, 1, 0));
    Put(1, {Entry(2, 2, std::string(700, '\0')), Entry(2, 3, "")}, HardState(2, 1, 1));
    Put(2, {Entry(4, 1, std::string(40, 'z'))});
  }
  // The last record alone: `before` and `after` it.
  void BuildTail(uint64_t* from, uint64_t* to) {
    options.segment_bytes = kMinSegmentBytes;
    BuildSmallLog();
    *from = kFirstRecord + wal->stats().bytes_written;
    before = disk->Clone();
    state_before = OpenedFingerprint();
    Append(1, {Entry(2, 4, std::string(600, '\0')), Entry(2, 5, std::string(900, 'q'))},
           HardState(2, 1, 2));
    Append(2, {Entry(5, 2, "w")}, HardState(5, 3, 1));
    loop.Settle();
    *to = *from + wal->stats().bytes_written;
    after = disk->Clone();
    state_after = OpenedFingerprint();
    ASSERT_NE(state_before, state_after);
  }
  // Opens the disk, which holds a torn tail: it must open with one of the two states, stay in it,
  // and go on.
  void ExpectStartsAndGoesOn() {
    const std::string state = OpenedFingerprint();
    ASSERT_TRUE(state == state_before || state == state_after);
    Reopen();
    ASSERT_EQ(Fingerprint(), state);
    // Another record in the same place, shorter, so that torn rests behind it would be noticed.
    Put(1, {Entry(7, 4, "new")}, HardState(7, 1, 3));
    Reopen();
    ASSERT_EQ(wal->Recovered(GroupId(1)).hard_state, HardState(7, 1, 3));
    ASSERT_EQ(ReadAll(1).back(), Entry(7, 4, "new"));
  }
  // Opens a disk with damage. True when it was reported; then nothing on it has changed.
  bool ReportsDamage(std::string* what = nullptr) {
    const auto contents = disk->Contents();
    auto opened = TryOpen();
    if (opened.ok()) {
      wal = std::move(*opened);
      return false;
    }
    EXPECT_EQ(opened.status().code(), StatusCode::kDataLoss) << opened.status();
    EXPECT_THAT(opened.status().message(), HasSubstr("wal/"));
    EXPECT_THAT(opened.status().message(), HasSubstr("offset "));
    EXPECT_EQ(disk->Contents(), contents) << "damage changes nothing on the disk";
    if (what != nullptr) *what = opened.status().message();
    return true;
  }

  std::unique_ptr<MemoryDisk> before, after;
  std::string state_before, state_after;
};

TEST_F(WalDamageTest, ATailTornAtAnyByteIsCutOrFinished) {
  uint64_t from = 0, to = 0;
  BuildTail(&from, &to);
  const std::string written = after->Contents().at(kFirst).substr(from, to - from);
  int finished = 0;
  for (size_t n = 0; n <= written.size(); ++n) {
    wal.reset();
    disk = before->Clone();
    disk->Overwrite(kFirst, from, written.substr(0, n));
    SCOPED_TRACE(n);
    ExpectStartsAndGoesOn();
    if (HasFatalFailure()) return;
    finished += n == written.size() || Fingerprint() == state_after ? 1 : 0;
  }
  EXPECT_GE(finished, 1);
}

TEST_F(WalDamageTest, AnySetOfTheTailsSectorsIsCutOrFinished) {
  uint64_t from = 0, to = 0;
  BuildTail(&from, &to);
  const std::string written = after->Contents().at(kFirst).substr(from, to - from);
  const size_t sectors = written.size() / kSectorBytes;
  ASSERT_GE(sectors, 5u);
  ASSERT_LE(sectors, 10u);
  for (uint64_t set = 0; set < (1u << sectors); ++set) {
    wal.reset();
    disk = before->Clone();
    for (size_t s = 0; s < sectors; ++s) {
      if ((set >> s & 1) == 0) continue;
      disk->Overwrite(kFirst, from + s * kSectorBytes,
                      written.substr(s * kSectorBytes, kSectorBytes));
    }
    SCOPED_TRACE(set);
    ExpectStartsAndGoesOn();
    if (HasFatalFailure()) return;
  }
}

TEST_F(WalDamageTest, ATornRecordOfWhichNothingIsLostIsFinished) {
  uint64_t from = 0, to = 0;
  BuildTail(&from, &to);
  std::string fill(kSectorBytes, '\0');
  const std::string untouched = before->Contents().at(kFirst);
  // Its last sector holds nothing but the copy of the heads.
  disk->Overwrite(kFirst, to - kSectorBytes, untouched.substr(to - kSectorBytes, kSectorBytes));
  EXPECT_EQ(OpenedFingerprint(), state_after);
  EXPECT_EQ(disk->Contents().at(kFirst), after->Contents().at(kFirst));
}

TEST_F(WalDamageTest, ACrashWhileTheTailIsCutIsCutAgain) {
  uint64_t from = 0, to = 0;
  BuildTail(&from, &to);
  const std::string written = after->Contents().at(kFirst).substr(from, to - from);
  Random random(7);
  for (int round = 0; round < 300; ++round) {
    wal.reset();
    disk = before->Clone();
    for (size_t s = 0; s < written.size(); s += kSectorBytes) {
      if (random.Chance(0.5)) disk->Overwrite(kFirst, from + s, written.substr(s, kSectorBytes));
    }
    // The disk dies after some operations of the recovery, and again, and what is unsynced may be
    // lost.
    for (int crash = 0; crash < 3; ++crash) {
      uint64_t left = random.Below(4);
      disk->on_change = [&left](std::string_view, const std::string&) {
        return left-- == 0 ? Status(StatusCode::kInternal, "dead") : OkStatus();
      };
      auto opened = TryOpen();
      if (!opened.ok()) {
        ASSERT_NE(opened.status().code(), StatusCode::kDataLoss) << opened.status();
      }
      opened = Status(StatusCode::kInternal, "gone");
      disk->on_change = nullptr;
      disk->PowerLoss(random);
    }
    ExpectStartsAndGoesOn();
    if (HasFatalFailure()) return;
  }
}

// Every sector of every file of a log, replaced in several ways. The last record is acknowledged
// and not confirmed, so what would be harmless in a torn tail (a sector gone back to fill) is the
// one thing that may be cut.
TEST_F(WalDamageTest, DamageToAnySectorIsReportedOrHarmless) {
  uint64_t from = 0, to = 0;
  BuildTail(&from, &to);
  loop.Pass(env::milliseconds(10));
  wal.reset();
  const auto original = disk->Clone();
  int reported = 0, harmless = 0, cut = 0;
  for (const auto& [path, contents] : original->Contents()) {
    for (uint64_t at = 0; at < contents.size(); at += kSectorBytes) {
      const std::string sector = contents.substr(at, kSectorBytes);
      std::string noise = sector, one_bit = sector, one_byte = sector;
      for (char& c : noise) c = static_cast<char>(c ^ 0x5a);
      one_bit[at / kSectorBytes * 7 % sector.size()] ^= 4;
      one_byte[at / kSectorBytes * 13 % sector.size()] ^= 0x7f;
      const uint64_t other = path == kFirst ? kFirstRecord + (at + 1024) % (to - kFirstRecord) : 0;
      const std::vector<std::string> kinds = {
          std::string(sector.size(), '\0'),
          noise,
          one_bit,
          one_byte,
          contents.substr(other / kSectorBytes * kSectorBytes, sector.size()),
          before->Contents().contains(path) ? before->Contents().at(path).substr(at, sector.size())
                                            : sector};
      for (size_t kind = 0; kind < kinds.size(); ++kind) {
        if (kinds[kind] == sector) continue;
        SCOPED_TRACE(path + " at " + std::to_string(at) + " kind " + std::to_string(kind));
        wal.reset();
        disk = original->Clone();
        disk->Overwrite(path, at, kinds[kind]);
        if (ReportsDamage()) {
          ++reported;
          continue;
        }
        const std::string state = Fingerprint();
        const bool lost_in_last = kind == 5 && path == kFirst && at >= from && at < to;
        if (state == state_before && lost_in_last) {
          ++cut;
          continue;
        }
        ASSERT_EQ(state, state_after);
        ++harmless;
        Put(1, {Entry(7, 4, "new")}, HardState(7, 1, 3));
        Reopen();
        ASSERT_EQ(ReadAll(1).back(), Entry(7, 4, "new"));
      }
    }
  }
  EXPECT_GT(reported, 40);
  EXPECT_GT(harmless, 40);
  EXPECT_GT(cut, 0);
}

TEST_F(WalDamageTest, AMarkReportsEvenAWriteThatTheDiskLost) {
  uint64_t from = 0, to = 0;
  BuildTail(&from, &to);
  loop.Pass(env::milliseconds(200));
  wal.reset();
  const auto original = disk->Clone();
  for (uint64_t at = from; at < to; at += kSectorBytes) {
    disk = original->Clone();
    disk->Overwrite(kFirst, at, before->Contents().at(kFirst).substr(at, kSectorBytes));
    EXPECT_TRUE(ReportsDamage()) << at;
  }
  disk = original->Clone();
  disk->Overwrite(kFirst, from, before->Contents().at(kFirst).substr(from, to - from));
  EXPECT_TRUE(ReportsDamage());
}

TEST_F(WalDamageTest, AFlippedBitInAnyByteOfTheLogIsReported) {
  uint64_t from = 0, to = 0;
  BuildTail(&from, &to);
  wal.reset();
  const auto original = disk->Clone();
  std::string what;
  int reported = 0;
  for (uint64_t at = 0; at < to + 600; ++at) {
    const int bit = static_cast<int>(at % 8);
    const std::string was = original->Contents().at(kFirst).substr(at, 1);
    const std::string flipped(1, static_cast<char>(was[0] ^ (1 << bit)));
    wal.reset();
    disk->Overwrite(kFirst, at, flipped);
    auto opened = TryOpen();
    if (opened.ok()) {
      wal = std::move(*opened);
      ASSERT_EQ(Fingerprint(), state_after) << at;
      disk = original->Clone();
    } else {
      ASSERT_EQ(opened.status().code(), StatusCode::kDataLoss);
      ++reported;
      disk->Overwrite(kFirst, at, was);
    }
  }
  EXPECT_GT(reported, 3000);
}

TEST_F(WalDamageTest, TheMessageNamesFileOffsetAndKind) {
  uint64_t from = 0, to = 0;
  BuildTail(&from, &to);
  wal.reset();
  const auto original = disk->Clone();
  const auto damaged = [&](uint64_t at) {
    disk = original->Clone();
    disk->Overwrite(kFirst, at, "!");
    std::string what;
    EXPECT_TRUE(ReportsDamage(&what));
    return what;
  };
  const std::string where = std::string("log damaged: ") + kFirst + ", offset ";
  EXPECT_EQ(damaged(3), where + "0: segment head damaged");
  EXPECT_EQ(damaged(kHeadCopyOffset + 5), where + "4096: copy of the segment head damaged");
  EXPECT_EQ(damaged(from + 20), where + std::to_string(from) + ": record head damaged");
  EXPECT_THAT(damaged(from + 1400), HasSubstr("data damaged (group 1, index 5)"));
  EXPECT_EQ(damaged(to - kSectorBytes + 9),
            where + std::to_string(to - kSectorBytes) + ": copy of the record head damaged");
  // A record in the middle: its index is named too.
  EXPECT_EQ(damaged(kFirstRecord + 700), where + "8385: data damaged (group 1, index 2)");
}

TEST_F(WalDamageTest, DataThatGoesBadLaterIsReportedByRead) {
  Open();
  Put(1, {Entry(1, 1, "first"), Entry(1, 2, "second")});
  const std::string contents = disk->Contents().at(kFirst);
  disk->Overwrite(kFirst, contents.find("second"), "SECOND");
  EXPECT_TRUE(wal->Read(GroupId(1), LogIndex(1), LogIndex(1), 100).ok());
  const auto read = wal->Read(GroupId(1), LogIndex(1), LogIndex(2), 100);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(read.status().message(), HasSubstr("data damaged (group 1, index 2)"));
  disk->Overwrite(kFirst, kFirstRecord + 40, "!");
  EXPECT_THAT(wal->Read(GroupId(1), LogIndex(1), LogIndex(1), 100).status().message(),
              HasSubstr("offset 8192: record head damaged"));
}

TEST_F(WalDamageTest, ASectorThatCannotBeReadIsNamed) {
  Open();
  Put(1, {Entry(1, 1, "first")});
  disk->on_read = [](const std::string& path, uint64_t offset) {
    return path == kFirst && offset == 9216 ? Status(StatusCode::kInternal, "Input/output error")
                                            : OkStatus();
  };
  std::string what;
  ASSERT_TRUE(ReportsDamage(&what));
  EXPECT_THAT(what, HasSubstr("0000000000000001.wal, offset 9216: unreadable: Input/output error"));
}

// A log of many small segments, some of them cut away.
class WalSegmentsDamageTest : public WalDamageTest {
 protected:
  void BuildSegments() {
    options.segment_bytes = kMinSegmentBytes;
    Open();
    for (uint64_t i = 1; i <= 100; ++i) {
      Put(1, {Entry(1, i, std::string(900, static_cast<char>('a' + i % 26)))},
          HardState(1, 1, i - 1));
      if (i == 50) wal->Cut(GroupId(1), {Term(1), LogIndex(40)});
    }
    loop.Pass(env::milliseconds(200));
    state_after = OpenedFingerprint();
    wal.reset();
  }
};

TEST_F(WalSegmentsDamageTest, AMissingOrShortSegmentIsReported) {
  BuildSegments();
  const auto original = disk->Clone();
  int segments = 0;
  for (const auto& [path, contents] : original->Contents()) {
    if (!path.ends_with(".wal")) continue;
    ++segments;
    SCOPED_TRACE(path);
    disk = original->Clone();
    disk->names().erase(path);
    std::string what;
    EXPECT_TRUE(ReportsDamage(&what));
    EXPECT_THAT(what, HasSubstr(path + ", offset 0: segment missing"));
    for (uint64_t size = 0; size < contents.size(); size += kSectorBytes) {
      disk = original->Clone();
      disk->names()[path]->cache.resize(size);
      EXPECT_TRUE(ReportsDamage()) << size;
    }
  }
  EXPECT_GE(segments, 4);
  disk = original->Clone();
  disk->names().erase("wal/log");
  EXPECT_TRUE(ReportsDamage());
  disk = std::make_unique<MemoryDisk>();
  disk->names()["wal/log"] = original->Clone()->names()["wal/log"];
  EXPECT_TRUE(ReportsDamage()) << "all segments gone";
}

TEST_F(WalSegmentsDamageTest, ASegmentOfAnotherLogOrPlaceIsReported) {
  BuildSegments();
  auto original = disk->Clone();
  const auto names = original->names();
  const auto first = names.lower_bound("wal/0"), second = std::next(first);
  disk = original->Clone();
  std::swap(disk->names()[first->first]->cache, disk->names()[second->first]->cache);
  std::string what;
  EXPECT_TRUE(ReportsDamage(&what));
  EXPECT_THAT(what, HasSubstr("misplaced"));
  // The same number of another log.
  Start();
  BuildSegments();
  auto other = disk->Clone();
  disk = original->Clone();
  disk->names()[second->first]->cache = other->names()[second->first]->cache;
  EXPECT_TRUE(ReportsDamage());
}

TEST_F(WalSegmentsDamageTest, DamageToAnySectorOfManySegmentsIsReportedOrHarmless) {
  BuildSegments();
  const auto original = disk->Clone();
  int reported = 0;
  for (const auto& [path, contents] : original->Contents()) {
    for (uint64_t at = 0; at < contents.size(); at += kSectorBytes) {
      std::string noise = contents.substr(at, kSectorBytes);
      for (char& c : noise) c = static_cast<char>(c ^ 0x21);
      wal.reset();
      disk = original->Clone();
      disk->Overwrite(path, at, noise);
      if (ReportsDamage()) {
        ++reported;
      } else {
        ASSERT_EQ(Fingerprint(), state_after) << path << " at " << at;
      }
    }
  }
  EXPECT_GT(reported, 150);
}

// What an earlier life of a segment's file left behind must never be read as new, even where the
// fill that should have overwritten it was lost.
TEST_F(WalSegmentsDamageTest, AStaleRecordInARecycledSegmentIsNotTakenForNew) {
  options.segment_bytes = kMinSegmentBytes;
  options.spare_segments = 1;
  Open();
  std::vector<std::unique_ptr<MemoryDisk>> lives;
  uint64_t i = 0;
  for (int n = 0; n < 120; ++n) {
    ++i;
    Put(1, {Entry(1, i, std::string(900, static_cast<char>('a' + i % 26)))});
    if (i % 10 == 0) {
      wal->Cut(GroupId(1), {Term(1), LogIndex(i)});
      lives.push_back(disk->Clone());
    }
  }
  const uint64_t tail = [&] {  // where the next record will go
    const auto now = disk->Clone();
    Put(1, {Entry(1, i + 1, "x")});
    for (const auto& [path, contents] : disk->Contents()) {
      const std::string old = now->Contents().at(path);
      for (uint64_t at = 0; at < contents.size(); at += kSectorBytes) {
        if (path.ends_with(".wal") &&
            contents.substr(at, kSectorBytes) != old.substr(at, kSectorBytes)) {
          disk = now->Clone();
          newest_path = path;
          return at;
        }
      }
    }
    return uint64_t{0};
  }();
  ASSERT_GT(tail, kFirstRecord);
  wal.reset();
  const auto original = disk->Clone();
  state_after = OpenedFingerprint();
  int tried = 0;
  for (const auto& life : lives) {
    for (const auto& [path, contents] : life->Contents()) {
      if (!path.ends_with(".wal") || path == newest_path) continue;
      const std::string stale = contents.substr(tail);
      if (stale == original->Contents().at(newest_path).substr(tail)) continue;
      ++tried;
      wal.reset();
      disk = original->Clone();
      disk->Overwrite(newest_path, tail, stale);
      if (!ReportsDamage()) {
        ASSERT_EQ(Fingerprint(), state_after);
      }
    }
  }
  EXPECT_GT(tried, 5);
}

TEST_F(WalSegmentsDamageTest, SegmentsThatACrashLeftBehindAreNoDamage) {
  options.segment_bytes = kMinSegmentBytes;
  Open();
  uint64_t i = 0;
  for (; i < 60; ++i) Put(1, {Entry(1, i + 1, std::string(900, 'x'))});
  const auto early = disk->Clone();
  wal->Cut(GroupId(1), {Term(1), LogIndex(i)});
  Put(1, {Entry(1, i + 1, "y")});
  Reopen();
  state_after = Fingerprint();
  wal.reset();
  const auto original = disk->Clone();
  const auto names = early->Contents();
  int left = 0;
  for (const auto& [path, contents] : names) {
    if (!path.ends_with(".wal") || original->Contents().contains(path)) continue;
    ++left;
    // This one alone came back: its removal or renaming was not durable.
    disk = original->Clone();
    disk->names()[path] = std::make_shared<MemoryDisk::Node>(MemoryDisk::Node{contents, contents});
    Reopen();
    EXPECT_EQ(Fingerprint(), state_after) << path;
    loop.Settle();
    EXPECT_FALSE(disk->names().contains(path)) << path;
  }
  EXPECT_GE(left, 2);
}

TEST_F(WalDamageTest, AVersionFromTheFutureIsSaidToBeOne) {
  Open();
  Put(1, {Entry(1, 1, "a")});
  wal.reset();
  const std::string contents = disk->Contents().at(kFirst);
  SegmentHead head = *Unseal<SegmentHead>(contents);
  head.prefix.version = kVersion + 1;
  Seal(&head);
  disk->Overwrite(kFirst, 0, {reinterpret_cast<const char*>(&head), sizeof head});
  const auto opened = TryOpen();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().code(), StatusCode::kUnimplemented);
  EXPECT_THAT(opened.status().message(), HasSubstr("written by a later version"));
}

}  // namespace
}  // namespace cairn::wal
