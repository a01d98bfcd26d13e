// The bytes of a Message: docs/formats/raft-messages.md. Entry data is neither copied on the way
// out (but for small pieces, where a copy is cheaper than a piece) nor on the way in.
#pragma once

#include <string>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/status.h"
#include "src/raft/message.h"

namespace cairn::raft {

// A payload in pieces: `head`, then the slices of `body`, in order.
struct EncodedMessage {
  std::string head;
  std::vector<SharedBytes> body;
};

struct DecodedMessage {
  GroupId group;
  Message message;
};

EncodedMessage Encode(GroupId group, const Message& message);

// `payload` is one whole encoded message; the entries' data are slices of it. InvalidArgument,
// saying what is wrong, for anything that Encode does not make.
Result<DecodedMessage> Decode(const SharedBytes& payload);

}  // namespace cairn::raft
