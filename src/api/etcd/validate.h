// What is wrong with a request, seen from the request alone. The messages are etcd's, to the
// letter: clients compare them.
#pragma once

#include <cstdint>

#include "src/apply/requests.h"
#include "src/base/status.h"

namespace cairn::api::etcd {

Status Validate(const apply::RangeRequest& request);
Status Validate(const apply::PutRequest& request);
Status Validate(const apply::DeleteRangeRequest& request);
// `max_operations` bounds each list of the transaction; what the longest one takes is missing for
// the transactions nested in it. No branch may put a key twice, or put and delete it.
Status Validate(const apply::TxnRequest& request, uint64_t max_operations);

Status TooManyOperations();

}  // namespace cairn::api::etcd
