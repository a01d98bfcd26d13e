// Commands: what an entry's data means to the state machine. One byte says the kind, the rest is
// the client's protobuf message, byte for byte as it came: it is never encoded again.
//
// Kinds are part of the log's format: a number is never given a second meaning. A command of an
// unknown kind, or one whose body cannot be parsed, is refused in the same way on every member and
// changes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::apply {

enum class CommandKind : uint8_t {
  kPut = 1,          // etcdserverpb.PutRequest
  kDeleteRange = 2,  // etcdserverpb.DeleteRangeRequest
  kTxn = 3,          // etcdserverpb.TxnRequest
  kMemberAttributes =
      4,  // etcdserverpb.Member: ID, name and clientURLs of a member that has started
};

// Replaces *to with the command; a caller that keeps the string does not allocate.
inline void EncodeCommand(CommandKind kind, std::string_view message, std::string* to) {
  to->clear();
  to->reserve(1 + message.size());
  to->push_back(static_cast<char>(kind));
  to->append(message);
}

}  // namespace cairn::apply
