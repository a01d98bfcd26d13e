#include "src/api/etcd/validate.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::api::etcd {
namespace {

Status Invalid(std::string_view message) {
  return {StatusCode::kInvalidArgument, std::string(message)};
}
Status NoKey() { return Invalid("etcdserver: key is not provided"); }
Status DuplicateKey() { return Invalid("etcdserver: duplicate key given in txn request"); }

using Ops = std::vector<apply::RequestOp>;

Status ValidateShape(const apply::TxnRequest& request, uint64_t max_operations);

Status ValidateOps(const Ops& ops, uint64_t max_operations) {
  for (const apply::RequestOp& op : ops) {
    Status status;
    if (const auto* range = std::get_if<apply::RangeRequest>(&op)) {
      status = Validate(*range);
    } else if (const auto* put = std::get_if<apply::PutRequest>(&op)) {
      status = Validate(*put);
    } else if (const auto* erase = std::get_if<apply::DeleteRangeRequest>(&op)) {
      status = Validate(*erase);
    } else if (const auto* txn = std::get_if<std::unique_ptr<apply::TxnRequest>>(&op)) {
      status = ValidateShape(**txn, max_operations);
    } else {
      status = Invalid("etcdserver: key not found");  // etcd's answer to an operation that is none
    }
    if (!status.ok()) return status;
  }
  return OkStatus();
}

// A set of keys as disjoint intervals [begin, end).
class KeySet {
 public:
  // As etcd has it, a range without an end (range_end "\0") is empty here: deleting everything from
  // a key on and putting one of the keys is allowed in one transaction, in that order.
  void Add(const apply::DeleteRangeRequest& request) {
    std::string begin(request.key);
    std::string end(request.range_end.empty() ? begin + '\0' : std::string(request.range_end));
    Add(std::move(begin), std::move(end));
  }
  void Add(const KeySet& other) {
    for (const auto& [begin, end] : other.ends_) Add(begin, end);
  }
  bool Contains(std::string_view key) const {
    auto after = ends_.upper_bound(key);
    return after != ends_.begin() && key < (--after)->second;
  }

 private:
  void Add(std::string begin, std::string end) {
    if (begin >= end) return;
    auto at = ends_.upper_bound(begin);
    if (at != ends_.begin() && std::prev(at)->second >= begin) --at;
    while (at != ends_.end() && at->first <= end) {
      begin = std::min(begin, at->first);
      end = std::max(end, at->second);
      at = ends_.erase(at);
    }
    ends_.emplace(std::move(begin), std::move(end));
  }
  std::map<std::string, std::string, std::less<>> ends_;
};

struct Touched {
  std::set<std::string_view> puts;
  KeySet deletes;
};

Status CollectTouched(const Ops& ops, Touched* touched);

// The two branches of a nested transaction exclude each other: both may put a key.
Status CollectNested(const apply::TxnRequest& txn, Touched* touched) {
  Touched success, failure;
  if (Status status = CollectTouched(txn.success, &success); !status.ok()) return status;
  if (Status status = CollectTouched(txn.failure, &failure); !status.ok()) return status;
  std::set<std::string_view> puts = success.puts;
  puts.insert(failure.puts.begin(), failure.puts.end());
  for (const std::string_view key : puts) {
    if (touched->deletes.Contains(key) || !touched->puts.insert(key).second) return DuplicateKey();
  }
  touched->deletes.Add(success.deletes);
  touched->deletes.Add(failure.deletes);
  return OkStatus();
}

// Deletes of this level first, then what is nested, then this level's puts: the order decides what
// counts as an overlap, and is etcd's.
Status CollectTouched(const Ops& ops, Touched* touched) {
  for (const apply::RequestOp& op : ops) {
    if (const auto* erase = std::get_if<apply::DeleteRangeRequest>(&op))
      touched->deletes.Add(*erase);
  }
  for (const apply::RequestOp& op : ops) {
    const auto* txn = std::get_if<std::unique_ptr<apply::TxnRequest>>(&op);
    if (txn == nullptr) continue;
    if (Status status = CollectNested(**txn, touched); !status.ok()) return status;
  }
  for (const apply::RequestOp& op : ops) {
    const auto* put = std::get_if<apply::PutRequest>(&op);
    if (put == nullptr) continue;
    if (touched->deletes.Contains(put->key) || !touched->puts.insert(put->key).second) {
      return DuplicateKey();
    }
  }
  return OkStatus();
}

// Compares, options and number of operations, of this transaction and those nested in it.
Status ValidateShape(const apply::TxnRequest& request, uint64_t max_operations) {
  const uint64_t longest =
      std::max({request.compare.size(), request.success.size(), request.failure.size()});
  if (longest > max_operations) return TooManyOperations();
  for (const apply::Compare& compare : request.compare) {
    if (compare.key.empty()) return NoKey();
  }
  Status status = ValidateOps(request.success, max_operations - longest);
  if (status.ok()) status = ValidateOps(request.failure, max_operations - longest);
  return status;
}

}  // namespace

Status TooManyOperations() { return Invalid("etcdserver: too many operations in txn request"); }

Status Validate(const apply::RangeRequest& request) {
  if (request.key.empty()) return NoKey();
  const auto order = static_cast<int32_t>(request.sort_order);
  const auto target = static_cast<int32_t>(request.sort_target);
  if (order < 0 || order > static_cast<int32_t>(apply::SortOrder::kDescend) || target < 0 ||
      target > static_cast<int32_t>(apply::SortTarget::kValue)) {
    return Invalid("etcdserver: invalid sort option");
  }
  return OkStatus();
}

Status Validate(const apply::PutRequest& request) {
  if (request.key.empty()) return NoKey();
  if (request.ignore_value && !request.value.empty()) {
    return Invalid("etcdserver: value is provided");
  }
  if (request.ignore_lease && request.lease != 0) return Invalid("etcdserver: lease is provided");
  return OkStatus();
}

Status Validate(const apply::DeleteRangeRequest& request) {
  return request.key.empty() ? NoKey() : OkStatus();
}

Status Validate(const apply::TxnRequest& request, uint64_t max_operations) {
  if (Status status = ValidateShape(request, max_operations); !status.ok()) return status;
  for (const Ops* ops : {&request.success, &request.failure}) {
    Touched touched;
    if (Status status = CollectTouched(*ops, &touched); !status.ok()) return status;
  }
  return OkStatus();
}

}  // namespace cairn::api::etcd
