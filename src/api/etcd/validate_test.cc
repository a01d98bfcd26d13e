#include "src/api/etcd/validate.h"

#include <gtest/gtest.h>

#include "proto/etcd/rpc.pb.h"

namespace cairn::api::etcd {
namespace {

using etcdserverpb::TxnRequest;

Status Check(const TxnRequest& txn, uint64_t limit = 128) {
  const std::string bytes = txn.SerializeAsString();
  apply::TxnRequest parsed;
  EXPECT_EQ(apply::Parse(bytes, apply::kNoOperationLimit, &parsed), apply::ParseOutcome::kOk);
  return Validate(parsed, limit);
}

Status Invalid(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }
const Status kNoKey = Invalid("etcdserver: key is not provided");
const Status kDuplicate = Invalid("etcdserver: duplicate key given in txn request");
const Status kTooMany = Invalid("etcdserver: too many operations in txn request");

using Ops = google::protobuf::RepeatedPtrField<etcdserverpb::RequestOp>;

void Put(Ops* ops, const char* key) { ops->Add()->mutable_request_put()->set_key(key); }
void Delete(Ops* ops, const char* key, std::string range_end = "") {
  auto& erase = *ops->Add()->mutable_request_delete_range();
  erase.set_key(key);
  erase.set_range_end(std::move(range_end));
}
TxnRequest& Nested(Ops* ops) { return *ops->Add()->mutable_request_txn(); }

TEST(Validate, Range) {
  apply::RangeRequest range;
  EXPECT_EQ(Validate(range), kNoKey);
  range.key = "k";
  EXPECT_TRUE(Validate(range).ok());
  const Status bad = Invalid("etcdserver: invalid sort option");
  for (const int wrong : {-1, 3}) {
    range.sort_order = apply::SortOrder{wrong};
    EXPECT_EQ(Validate(range), bad);
  }
  range.sort_order = apply::SortOrder::kDescend;
  for (const int wrong : {-1, 5}) {
    range.sort_target = apply::SortTarget{wrong};
    EXPECT_EQ(Validate(range), bad);
  }
  range.sort_target = apply::SortTarget::kValue;
  EXPECT_TRUE(Validate(range).ok());
}

TEST(Validate, PutAndDelete) {
  apply::PutRequest put;
  EXPECT_EQ(Validate(put), kNoKey);
  put.key = "k";
  EXPECT_TRUE(Validate(put).ok());
  put.value = "v";
  put.ignore_value = true;
  EXPECT_EQ(Validate(put), Invalid("etcdserver: value is provided"));
  put.value = "";
  EXPECT_TRUE(Validate(put).ok());
  put.lease = 1;
  put.ignore_lease = true;
  EXPECT_EQ(Validate(put), Invalid("etcdserver: lease is provided"));
  EXPECT_EQ(Validate(apply::DeleteRangeRequest{}), kNoKey);
}

TEST(Validate, EveryOperationOfATransactionIsLookedAt) {
  TxnRequest txn;
  EXPECT_TRUE(Check(txn).ok());
  txn.add_failure();
  EXPECT_EQ(Check(txn), Invalid("etcdserver: key not found"));
  txn.mutable_failure(0)->mutable_request_range();
  EXPECT_EQ(Check(txn), kNoKey);
  txn.clear_failure();
  txn.add_compare();
  EXPECT_EQ(Check(txn), kNoKey);
  txn.mutable_compare(0)->set_key("k");
  Put(Nested(Nested(txn.mutable_success()).mutable_failure()).mutable_success(), "");
  EXPECT_EQ(Check(txn), kNoKey);
}

TEST(Validate, NestedTransactionsShareTheLimit) {
  TxnRequest txn;
  for (int i = 0; i < 3; ++i) txn.add_compare()->set_key("k");
  EXPECT_TRUE(Check(txn, 3).ok());
  EXPECT_EQ(Check(txn, 2), kTooMany);
  TxnRequest& nested = Nested(txn.mutable_success());
  Put(nested.mutable_failure(), "a");
  Put(nested.mutable_failure(), "b");
  EXPECT_TRUE(Check(txn, 5).ok());
  EXPECT_EQ(Check(txn, 4), kTooMany);
}

TEST(Validate, NoKeyTwice) {
  TxnRequest txn;
  Put(txn.mutable_success(), "a");
  Put(txn.mutable_failure(), "a");  // the other branch
  EXPECT_TRUE(Check(txn).ok());
  Put(txn.mutable_failure(), "a");
  EXPECT_EQ(Check(txn), kDuplicate);
}

TEST(Validate, NoPutOfADeletedKey) {
  const struct {
    const char *key, *put;
    std::string end;
    bool ok;
  } cases[] = {
      {"a", "a", "", false},
      {"a", "b", "", true},
      {"a", "b", "c", false},
      {"a", "c", "c", true},
      {"b", "a", "c", true},
      {"b", "bzzz", "c", false},
      {"c", "b", "a", true},                   // no key is in this range
      {"a", "b", std::string("\0", 1), true},  // as etcd has it
  };
  for (const auto& c : cases) {
    TxnRequest txn;
    Put(txn.mutable_success(), c.put);
    Delete(txn.mutable_success(), c.key, c.end);
    EXPECT_EQ(Check(txn), c.ok ? OkStatus() : kDuplicate) << c.key << " " << c.end << " " << c.put;
  }
}

TEST(Validate, ManyDeletesThatTouchEachOther) {
  TxnRequest txn;
  Delete(txn.mutable_success(), "m", "n");
  Delete(txn.mutable_success(), "a", "c");
  Delete(txn.mutable_success(), "b", "d");
  Delete(txn.mutable_success(), "d", "e");
  Delete(txn.mutable_success(), "g");
  Delete(txn.mutable_success(), "f", "z");
  for (const auto& [key, ok] :
       {std::pair("A", true), std::pair("a", false), std::pair("cc", false), std::pair("dd", false),
        std::pair("e", true), std::pair("y", false), std::pair("z", true)}) {
    TxnRequest with = txn;
    Put(with.mutable_success(), key);
    EXPECT_EQ(Check(with), ok ? OkStatus() : kDuplicate) << key;
  }
}

TEST(Validate, OverlapsThroughNesting) {
  TxnRequest both_branches;
  TxnRequest& nested = Nested(both_branches.mutable_success());
  Put(nested.mutable_success(), "a");
  Put(nested.mutable_failure(), "a");
  EXPECT_TRUE(Check(both_branches).ok());
  TxnRequest outer_put = both_branches;
  Put(outer_put.mutable_success(), "a");
  EXPECT_EQ(Check(outer_put), kDuplicate);
  TxnRequest sibling = both_branches;
  Put(Nested(sibling.mutable_success()).mutable_success(), "a");
  EXPECT_EQ(Check(sibling), kDuplicate);
  TxnRequest outer_delete = both_branches;
  Delete(outer_delete.mutable_success(), "a", "b");
  EXPECT_EQ(Check(outer_delete), kDuplicate);
  TxnRequest inner_delete;
  Delete(Nested(inner_delete.mutable_success()).mutable_failure(), "a", "b");
  Put(inner_delete.mutable_success(), "aa");
  EXPECT_EQ(Check(inner_delete), kDuplicate);
  // A delete in a later sibling does not look back at earlier puts; etcd's order of checks.
  TxnRequest later = both_branches;
  Delete(Nested(later.mutable_success()).mutable_success(), "a");
  EXPECT_TRUE(Check(later).ok());
}

}  // namespace
}  // namespace cairn::api::etcd
