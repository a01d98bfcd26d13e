#include "src/membership/cluster.h"

#include <string>
#include <string_view>
#include <utility>

#include "src/base/check.h"

namespace cairn::membership {
namespace {

constexpr std::string_view kPrefix = "member/";

// The id with all its 16 digits, so that the records' order is that of the ids.
std::string RecordKey(NodeId id) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string key(kPrefix);
  for (int shift = 60; shift >= 0; shift -= 4) key.push_back(kDigits[id.value >> shift & 0xf]);
  return key;
}

// The files are checksummed and only Save writes records, so one that cannot be read is our own
// fault.
Member Decode(std::string_view record) {
  Result<Member> member = DecodeMember(record);
  CHECK(member.ok(), member.status().ToString());
  return *std::move(member);
}

}  // namespace

Cluster::Cluster(ClusterId id, const mvcc::Store& store, std::vector<Member> first)
    : id_(id), store_(store) {
  for (Member& member : first) {
    member.name.clear();
    const NodeId member_id = member.id;
    CHECK(first_.emplace(member_id, std::move(member)).second, "two members with one id");
  }
}

std::vector<Member> Cluster::Members() const {
  std::map<NodeId, Member> members = first_;
  store_.VisitSystem(kPrefix, [&](std::string_view, std::string_view record) {
    Member member = Decode(record);
    const NodeId id = member.id;
    members[id] = std::move(member);
  });
  std::vector<Member> result;
  for (auto& [id, member] : members) result.push_back(std::move(member));
  return result;
}

std::optional<Member> Cluster::Find(NodeId id) const {
  if (const std::optional<std::string> record = store_.System(RecordKey(id)))
    return Decode(*record);
  const auto found = first_.find(id);
  if (found == first_.end()) return std::nullopt;
  return found->second;
}

void Cluster::Save(mvcc::WriteTxn& txn, const Member& member) {
  txn.SetSystem(RecordKey(member.id), EncodeMember(member));
}

}  // namespace cairn::membership
