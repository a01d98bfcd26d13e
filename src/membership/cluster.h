// Cluster: who belongs to it. The members of the first configuration are given at the start, the
// same on every member (the cluster's id is computed from them); what the log changes of a member
// stands as a record beside the keys of the store, under "member/" and its id, and counts instead.
// Nothing is kept twice: each question reads the store's records, which are in memory.
//
// On the executor's thread.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "src/base/types.h"
#include "src/membership/member.h"
#include "src/mvcc/store.h"

namespace cairn::membership {

class Cluster {
 public:
  // `store` outlives the cluster. The names of `first` are not shown before their members publish
  // them.
  Cluster(ClusterId id, const mvcc::Store& store, std::vector<Member> first);

  ClusterId id() const { return id_; }
  // In order of id.
  std::vector<Member> Members() const;
  std::optional<Member> Find(NodeId id) const;

  // Writes the member's record in an entry's transaction.
  static void Save(mvcc::WriteTxn& txn, const Member& member);

 private:
  const ClusterId id_;
  std::map<NodeId, Member> first_;
  const mvcc::Store& store_;
};

}  // namespace cairn::membership
