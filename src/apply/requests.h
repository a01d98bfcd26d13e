// The requests of etcd's KV service as views into the client's bytes. They are parsed here, and not
// by the generated classes, because a put passes this way once on each member: a parsed PutRequest
// costs no allocation and no copy. What the fields mean is said in proto/etcd/rpc.proto.
//
// A parsed request is valid as long as the bytes that it was parsed from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <variant>
#include <vector>

namespace cairn::apply {

struct PutRequest {
  std::string_view key;
  std::string_view value;
  int64_t lease = 0;
  bool prev_kv = false;
  bool ignore_value = false;
  bool ignore_lease = false;
};

struct DeleteRangeRequest {
  std::string_view key;
  std::string_view range_end;
  bool prev_kv = false;
};

// Enumerations are open in proto3: any number may come, what is not named here is for the reader to
// judge.
enum class SortOrder : int32_t { kNone = 0, kAscend = 1, kDescend = 2 };
enum class SortTarget : int32_t { kKey = 0, kVersion = 1, kCreate = 2, kMod = 3, kValue = 4 };

struct RangeRequest {
  std::string_view key;
  std::string_view range_end;
  int64_t limit = 0;
  int64_t revision = 0;
  SortOrder sort_order = SortOrder::kNone;
  SortTarget sort_target = SortTarget::kKey;
  bool serializable = false;
  bool keys_only = false;
  bool count_only = false;
  int64_t min_mod_revision = 0, max_mod_revision = 0;
  int64_t min_create_revision = 0, max_create_revision = 0;
};

enum class CompareResult : int32_t { kEqual = 0, kGreater = 1, kLess = 2, kNotEqual = 3 };
enum class CompareTarget : int32_t { kVersion = 0, kCreate = 1, kMod = 2, kValue = 3, kLease = 4 };

struct Compare {
  CompareResult result = CompareResult::kEqual;
  CompareTarget target = CompareTarget::kVersion;
  std::string_view key;
  std::string_view range_end;
  // What to compare with. It counts only if it was given for `target`; else it is 0, or empty.
  CompareTarget given_for = CompareTarget::kVersion;
  int64_t number = 0;
  std::string_view value;
};

struct TxnRequest;

// std::monostate: the client set none of the operations.
using RequestOp = std::variant<std::monostate, RangeRequest, PutRequest, DeleteRangeRequest,
                               std::unique_ptr<TxnRequest>>;

struct TxnRequest {
  std::vector<Compare> compare;
  std::vector<RequestOp> success;
  std::vector<RequestOp> failure;
};

// False when `message` is malformed; *to is then unspecified. *to must be fresh.
bool Parse(std::string_view message, PutRequest* to);
bool Parse(std::string_view message, DeleteRangeRequest* to);
bool Parse(std::string_view message, RangeRequest* to);

enum class ParseOutcome : uint8_t {
  kOk,
  kMalformed,  // or nested deeper than kMaxTxnDepth
  kTooMany,    // a list is longer than max_operations; parsing stopped there, to bound memory
};
inline constexpr int kMaxTxnDepth = 200;
inline constexpr size_t kNoOperationLimit = SIZE_MAX;

ParseOutcome Parse(std::string_view message, size_t max_operations, TxnRequest* to);

}  // namespace cairn::apply
