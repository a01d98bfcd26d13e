// Revisions: the store's own order of all changes, over all keys, as clients see it (etcd's API
// guarantees, "strict serializability" of kv operations). Every change has a revision of its own;
// an operation that began after another had ended has a revision that is not lower, and a higher
// one when it changes something; what is read at a revision is what the changes up to it left. One
// pass over the history, so it sees what per-key checking cannot: transactions and ranges in the
// order of everything else.
#pragma once

#include "sim/checkers/history.h"
#include "sim/checkers/violations.h"

namespace cairn::sim {

void CheckRevisions(const History& history, Violations& violations);

}  // namespace cairn::sim
