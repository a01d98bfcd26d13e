// The core alone: three nodes in memory on one core, writes durable at once, messages handed over
// without a copy. Reports committed entries a second and allocations an entry.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <deque>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "src/base/check.h"
#include "src/raft/raw_node.h"

namespace {
size_t g_allocations = 0;
}  // namespace

// Counts what the core allocates. Not inlined: the compiler would take malloc and delete for a
// mismatched pair.
[[gnu::noinline]] void* operator new(size_t size) {
  ++g_allocations;
  void* p = std::malloc(size);
  if (p == nullptr) std::abort();
  return p;
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace cairn::raft {
namespace {

class Group {
 public:
  Group() {
    ConfState conf;
    for (uint64_t i = 1; i <= 3; ++i) conf.voters.emplace_back(i);
    for (uint64_t i = 1; i <= 3; ++i) {
      Config config;
      config.id = NodeId(i);
      config.check_invariants = false;
      nodes_.push_back(std::make_unique<RawNode>(config, Restored{{}, conf, {}, {}}));
    }
    leader().Step(Campaign{});
    Settle();
    CHECK(leader().role() == Role::kLeader);
  }

  RawNode& leader() { return *nodes_[0]; }

  // Runs everything to its end.
  void Settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (auto& node : nodes_) {
        while (node->HasReady()) {
          busy = true;
          Process(*node);
        }
      }
      while (!network_.empty()) {
        Message m = std::move(network_.front());
        network_.pop_front();
        RawNode& to = *nodes_[m.to.value - 1];
        to.Step(std::move(m));
      }
    }
  }

 private:
  void Process(RawNode& node) {
    Ready ready = node.TakeReady();
    for (Message& m : ready.messages) network_.push_back(std::move(m));
    if (ready.persist.has_value()) {
      for (Message& m : ready.persist->messages) network_.push_back(std::move(m));
      node.Step(Appended{ready.persist->id, ready.persist->term});
    }
    if (!ready.committed.empty()) node.Step(Applied{ready.committed.back().index});
  }

  std::vector<std::unique_ptr<RawNode>> nodes_;
  std::deque<Message> network_;
};

// range(0) entries are proposed in each turn.
void BM_Commit(benchmark::State& state) {
  Group group;
  BytesArena arena;
  const std::string value(128, 'v');
  uint64_t entries = 0;
  const size_t before = g_allocations;
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) {
      CHECK(group.leader().Propose(arena.Copy(value)).ok());
    }
    group.Settle();
    entries += static_cast<uint64_t>(state.range(0));
  }
  CHECK_EQ(group.leader().commit_index().value, entries + 1);
  state.SetItemsProcessed(static_cast<int64_t>(entries));
  state.counters["allocations/entry"] =
      static_cast<double>(g_allocations - before) / static_cast<double>(entries);
}
BENCHMARK(BM_Commit)->Arg(1)->Arg(8)->Arg(64)->Arg(512);

}  // namespace
}  // namespace cairn::raft

BENCHMARK_MAIN();
