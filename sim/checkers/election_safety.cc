#include "sim/checkers/election_safety.h"

namespace cairn::sim {

void ElectionSafety::OnLeader(size_t node, Term term) {
  const auto [it, fresh] = leaders_.try_emplace(term, node);
  if (it->second == node) return;
  violations_.Report("election safety",
                     "term " + std::to_string(term.value) + " has two leaders: member " +
                         std::to_string(it->second) + " and member " + std::to_string(node));
}

void ElectionSafety::OnVote(size_t voter, Term term, size_t candidate) {
  const auto [it, fresh] = votes_.try_emplace({term, voter}, candidate);
  if (it->second == candidate) return;
  violations_.Report("election safety", "member " + std::to_string(voter) +
                                            " voted twice in term " + std::to_string(term.value) +
                                            ": for member " + std::to_string(it->second) +
                                            " and member " + std::to_string(candidate));
}

}  // namespace cairn::sim
