#include "sim/checkers/replica_hashes.h"

namespace cairn::sim {

void ReplicaHashes::OnState(size_t node, raft::EntryId applied, uint64_t hash, int64_t revision) {
  const auto [it, fresh] = states_.try_emplace(applied.index, State{node, hash, revision});
  const auto who = [&](size_t n) { return "member " + std::to_string(n); };
  if (!fresh) {
    compared_ += it->second.node != node;
    if (it->second.hash == hash && it->second.revision == revision) return;
    violations_.Report("replica hashes", who(node) + " and " + who(it->second.node) +
                                             " differ after applying " + Text(applied) +
                                             ": revisions " + std::to_string(revision) + " and " +
                                             std::to_string(it->second.revision));
    return;
  }
  const auto next = std::next(it);
  const bool above = it != states_.begin() && std::prev(it)->second.revision > revision;
  if (above || (next != states_.end() && next->second.revision < revision)) {
    violations_.Report("replica hashes",
                       who(node) + ": the revision goes back at " + Text(applied));
  }
}

}  // namespace cairn::sim
