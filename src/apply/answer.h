// The answers of etcd's KV service, written straight into the buffer that goes to the client: a
// key's bytes are copied once, from where the store keeps them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "src/apply/requests.h"
#include "src/apply/view.h"
#include "src/base/proto.h"
#include "src/base/status.h"
#include "src/base/types.h"
#include "src/mvcc/store.h"

namespace cairn::apply {

// The part of a ResponseHeader that does not change with the request. In the answers inside a
// transaction's answer all of it is left out, as etcd does: they carry the revision alone.
struct HeaderBase {
  ClusterId cluster;
  NodeId member;
  Term term;
};

// No answer grows beyond this: neither should it be held in memory, nor could the clients' protobuf
// take much more. Who hits it asks for less at a time.
inline constexpr size_t kMaxAnswerBytes = 256u << 20;
Status AnswerTooLarge();

// Field 1 of every answer.
void AppendHeader(const HeaderBase& base, int64_t revision, std::string* to);

// An mvccpb.KeyValue as field `field` of the message that is being written.
void AppendKeyValue(uint32_t field, const mvcc::KeyValue& kv, std::string* to);

// The RangeResponse to `request` as `view` shows it. On an error nothing is appended.
Status AppendRange(ReadView& view, const RangeRequest& request, const HeaderBase& base,
                   std::string* to);

}  // namespace cairn::apply
