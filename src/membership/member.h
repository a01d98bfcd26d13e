// Member: one server of the cluster as its users see it, and the ids of members and cluster, which
// are computed as etcd computes them: a first cluster started with the same URLs and token gets the
// same ids on every member without a word between them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/status.h"
#include "src/base/types.h"

namespace cairn::membership {

struct Member {
  NodeId id;
  std::string name;                      // empty until it has published itself
  std::vector<std::string> peer_urls;    // sorted
  std::vector<std::string> client_urls;  // as published
  bool is_learner = false;
  friend bool operator==(const Member&, const Member&) = default;
};

// The first 8 bytes, big endian, of SHA-1 over the peer URLs, sorted and joined, then the token;
// for a member that is added later also the time, in seconds since 1970, in decimal.
NodeId MemberId(std::vector<std::string> peer_urls, std::string_view token,
                std::optional<int64_t> unix_seconds = std::nullopt);

// Likewise over the members' ids, sorted, 8 bytes big endian each.
ClusterId MakeClusterId(std::vector<NodeId> members);

// The record of a member in the store:
//   version  1 byte, 1
//   id       8 bytes
//   learner  1 byte, 0 or 1
//   name, then the peer URLs and the client URLs, each list with its length before it; base/wire.h
std::string EncodeMember(const Member& member);
// DataLoss when the record is not one that EncodeMember writes.
Result<Member> DecodeMember(std::string_view record);

}  // namespace cairn::membership
