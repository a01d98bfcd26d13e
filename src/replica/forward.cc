#include "src/replica/forward.h"

#include <utility>

#include "src/base/wire.h"
#include "src/replica/command_tag.h"

namespace cairn::replica {

transport::Frame EncodeForward(const Forward& forward) {
  transport::Frame frame;
  frame.kind = static_cast<uint8_t>(FrameKind::kForward);
  WireWriter w(&frame.head);
  w.Varint(forward.group.value);
  w.Varint(forward.term.value);
  w.U64(forward.incarnation);
  w.Varint(forward.settled_below);
  w.Varint(forward.commands.size());
  for (const SharedBytes& command : forward.commands) w.Varint(command.size());
  frame.body = forward.commands;
  return frame;
}

Result<Forward> DecodeForward(const SharedBytes& payload) {
  WireReader r(payload.view());
  Forward forward;
  forward.group = GroupId(r.Varint());
  forward.term = Term(r.Varint());
  forward.incarnation = r.U64();
  forward.settled_below = r.Varint();
  const uint64_t count = r.Varint();
  // A size takes at least a byte and a command at least its tag: a count beyond that is no frame of
  // ours.
  if (!r.ok() || count > r.rest().size() / (1 + kCommandTagBytes)) {
    return Status(StatusCode::kInvalidArgument, "malformed forward frame");
  }
  std::vector<uint64_t> sizes;
  sizes.reserve(count);
  for (uint64_t i = 0; i < count; ++i) sizes.push_back(r.Varint());
  forward.commands.reserve(count);
  for (const uint64_t size : sizes) {
    const std::string_view command = r.Bytes(size);
    if (!r.ok() || size < kCommandTagBytes) {
      return Status(StatusCode::kInvalidArgument, "malformed forward frame");
    }
    forward.commands.push_back(
        payload.Slice(static_cast<size_t>(command.data() - payload.data()), command.size()));
  }
  if (!r.done()) return Status(StatusCode::kInvalidArgument, "malformed forward frame");
  return forward;
}

transport::Frame EncodeForwardRefused(const ForwardRefused& refused) {
  transport::Frame frame;
  frame.kind = static_cast<uint8_t>(FrameKind::kForwardRefused);
  WireWriter w(&frame.head);
  w.Varint(refused.group.value);
  w.Varint(refused.term.value);
  w.U64(refused.incarnation);
  w.Varint(refused.sequences.size());
  for (const uint64_t sequence : refused.sequences) w.Varint(sequence);
  return frame;
}

Result<ForwardRefused> DecodeForwardRefused(const SharedBytes& payload) {
  WireReader r(payload.view());
  ForwardRefused refused;
  refused.group = GroupId(r.Varint());
  refused.term = Term(r.Varint());
  refused.incarnation = r.U64();
  const uint64_t count = r.Varint();
  if (r.ok() && count <= r.rest().size()) {
    refused.sequences.reserve(count);
    for (uint64_t i = 0; i < count; ++i) refused.sequences.push_back(r.Varint());
    if (r.done()) return refused;
  }
  return Status(StatusCode::kInvalidArgument, "malformed forward-refused frame");
}

bool ReceivedForwards::FirstSight(uint64_t incarnation, uint64_t sequence, uint64_t settled_below) {
  Seen& seen = from_[incarnation];
  if (settled_below > seen.settled_below) {
    seen.settled_below = settled_below;
    seen.above.erase(seen.above.begin(), seen.above.lower_bound(settled_below));
  }
  return sequence >= seen.settled_below && seen.above.insert(sequence).second;
}

}  // namespace cairn::replica
