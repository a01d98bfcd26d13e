// Raft's values as people read them in test scripts.
#pragma once

#include <string>

#include "src/raft/raw_node.h"

namespace cairn::raft::testing {

std::string Describe(EntryId id);          // "2/5": term 2, index 5
std::string Describe(const Entry& entry);  // "2/5 \"data\"", "2/5 no-op"
std::string Describe(
    const Message& m);  // "1>2 term 3 AppendEntries prev 2/5 [3/6 no-op] commit 5 round 1"
std::string Describe(Role role);
std::string Describe(ProgressState state);

}  // namespace cairn::raft::testing
