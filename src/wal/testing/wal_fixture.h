// What the log's tests share: a disk in memory, a loop by hand, a log on them, and short ways to
// write.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/wal/testing/memory_env.h"
#include "src/wal/wal.h"

namespace cairn::wal::testing {

inline raft::Entry Entry(uint64_t term, uint64_t index, std::string_view data) {
  return {Term(term), LogIndex(index), raft::EntryType::kNormal, SharedBytes::Copy(data)};
}
inline raft::HardState HardState(uint64_t term, uint64_t vote, uint64_t commit) {
  return {Term(term), NodeId(vote), LogIndex(commit)};
}

class LogFixture {
 public:
  LogFixture() { Start(); }

  // A new disk.
  void Start() {
    wal.reset();
    disk = std::make_unique<MemoryDisk>();
    completed = 0;
  }
  Result<std::unique_ptr<Wal>> TryOpen() {
    wal.reset();
    options.directory = "wal";
    return Wal::Open(env::Env{loop, *disk, network}, options);
  }
  void Open() {
    auto opened = TryOpen();
    ASSERT_TRUE(opened.ok()) << opened.status();
    wal = std::move(*opened);
  }
  // As a process that ends and is started again: what is in memory is gone, the page cache is not.
  void Reopen() {
    loop.Settle();
    Open();
  }

  static raft::Entry Entry(uint64_t term, uint64_t index, std::string_view data) {
    return testing::Entry(term, index, data);
  }
  static raft::HardState HardState(uint64_t term, uint64_t vote, uint64_t commit) {
    return testing::HardState(term, vote, commit);
  }

  Wal::Done Counting() {
    return [this](const Status& s) {
      EXPECT_TRUE(s.ok()) << s;
      ++completed;
    };
  }
  void Append(uint64_t group, std::vector<raft::Entry> entries,
              std::optional<raft::HardState> hard_state = std::nullopt) {
    wal->Append({GroupId(group), hard_state, std::move(entries), true}, Counting());
  }
  // Appends and waits until it is durable.
  void Put(uint64_t group, std::vector<raft::Entry> entries,
           std::optional<raft::HardState> hard_state = std::nullopt) {
    Append(group, std::move(entries), hard_state);
    loop.Settle();
  }
  std::vector<raft::Entry> ReadAll(uint64_t group) {
    const raft::LogShape shape = wal->Recovered(GroupId(group)).log;
    LogIndex last = shape.last;
    last = std::max(last, newest);
    std::vector<raft::Entry> all;
    for (LogIndex next = shape.base.index.Next(); next <= last;) {
      auto read = wal->Read(GroupId(group), next, last, 2000);
      EXPECT_TRUE(read.ok()) << read.status();
      if (!read.ok()) break;
      next = next + read->size();
      std::ranges::move(*read, std::back_inserter(all));
    }
    return all;
  }

  HandLoop loop{1};
  NoNetwork network;
  std::unique_ptr<MemoryDisk> disk;
  Options options{.directory = "wal", .segment_bytes = 64 << 10};
  LogIndex newest{0};  // ReadAll reads up to here at least
  int completed = 0;
  std::string newest_path;
  std::unique_ptr<Wal> wal;
};

}  // namespace cairn::wal::testing
