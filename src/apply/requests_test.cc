// The hand-written parsers against the generated ones: both must take and refuse the same bytes,
// and read the same out of them.
#include "src/apply/requests.h"

#include <gtest/gtest.h>

#include "proto/etcd/rpc.pb.h"
#include "src/base/random.h"

namespace cairn::apply {
namespace {

std::string RandomBytes(Random& random) {
  std::string s(random.Below(4) == 0 ? random.Below(300) : random.Below(4), '\0');
  for (char& c : s) c = static_cast<char>(random.Next());
  return s;
}

// Zero, small, negative and huge numbers.
int64_t RandomNumber(Random& random) {
  return static_cast<int64_t>(random.Next() >> random.Below(64)) * (random.Chance(0.1) ? -1 : 1);
}

etcdserverpb::PutRequest RandomPut(Random& random) {
  etcdserverpb::PutRequest m;
  m.set_key(RandomBytes(random));
  m.set_value(RandomBytes(random));
  m.set_lease(random.Chance(0.5) ? RandomNumber(random) : 0);
  m.set_prev_kv(random.Chance(0.5));
  m.set_ignore_value(random.Chance(0.5));
  m.set_ignore_lease(random.Chance(0.5));
  return m;
}

etcdserverpb::DeleteRangeRequest RandomDelete(Random& random) {
  etcdserverpb::DeleteRangeRequest m;
  m.set_key(RandomBytes(random));
  m.set_range_end(RandomBytes(random));
  m.set_prev_kv(random.Chance(0.5));
  return m;
}

etcdserverpb::RangeRequest RandomRange(Random& random) {
  etcdserverpb::RangeRequest m;
  m.set_key(RandomBytes(random));
  m.set_range_end(RandomBytes(random));
  m.set_limit(RandomNumber(random));
  m.set_revision(RandomNumber(random));
  m.set_sort_order(static_cast<etcdserverpb::RangeRequest::SortOrder>(random.Below(4)));
  m.set_sort_target(static_cast<etcdserverpb::RangeRequest::SortTarget>(random.Below(6)));
  m.set_serializable(random.Chance(0.5));
  m.set_keys_only(random.Chance(0.5));
  m.set_count_only(random.Chance(0.5));
  m.set_min_mod_revision(RandomNumber(random));
  m.set_max_mod_revision(RandomNumber(random));
  m.set_min_create_revision(RandomNumber(random));
  m.set_max_create_revision(RandomNumber(random));
  return m;
}

etcdserverpb::TxnRequest RandomTxn(Random& random, int depth) {
  etcdserverpb::TxnRequest m;
  for (uint64_t i = random.Below(3); i > 0; --i) {
    etcdserverpb::Compare& c = *m.add_compare();
    c.set_result(static_cast<etcdserverpb::Compare::CompareResult>(random.Below(5)));
    c.set_target(static_cast<etcdserverpb::Compare::CompareTarget>(random.Below(6)));
    c.set_key(RandomBytes(random));
    c.set_range_end(RandomBytes(random));
    switch (random.Below(6)) {
      case 0:
        c.set_version(RandomNumber(random));
        break;
      case 1:
        c.set_create_revision(RandomNumber(random));
        break;
      case 2:
        c.set_mod_revision(RandomNumber(random));
        break;
      case 3:
        c.set_value(RandomBytes(random));
        break;
      case 4:
        c.set_lease(RandomNumber(random));
        break;
    }
  }
  for (uint64_t i = random.Below(5); i > 0; --i) {
    etcdserverpb::RequestOp& op = random.Chance(0.5) ? *m.add_success() : *m.add_failure();
    switch (random.Below(depth > 0 ? 5 : 4)) {
      case 0:
        *op.mutable_request_range() = RandomRange(random);
        break;
      case 1:
        *op.mutable_request_put() = RandomPut(random);
        break;
      case 2:
        *op.mutable_request_delete_range() = RandomDelete(random);
        break;
      case 4:
        *op.mutable_request_txn() = RandomTxn(random, depth - 1);
        break;
    }
  }
  return m;
}

void ExpectSame(const etcdserverpb::PutRequest& a, const PutRequest& b) {
  EXPECT_EQ(a.key(), b.key);
  EXPECT_EQ(a.value(), b.value);
  EXPECT_EQ(a.lease(), b.lease);
  EXPECT_EQ(a.prev_kv(), b.prev_kv);
  EXPECT_EQ(a.ignore_value(), b.ignore_value);
  EXPECT_EQ(a.ignore_lease(), b.ignore_lease);
}

void ExpectSame(const etcdserverpb::DeleteRangeRequest& a, const DeleteRangeRequest& b) {
  EXPECT_EQ(a.key(), b.key);
  EXPECT_EQ(a.range_end(), b.range_end);
  EXPECT_EQ(a.prev_kv(), b.prev_kv);
}

void ExpectSame(const etcdserverpb::RangeRequest& a, const RangeRequest& b) {
  EXPECT_EQ(a.key(), b.key);
  EXPECT_EQ(a.range_end(), b.range_end);
  EXPECT_EQ(a.limit(), b.limit);
  EXPECT_EQ(a.revision(), b.revision);
  EXPECT_EQ(static_cast<int32_t>(a.sort_order()), static_cast<int32_t>(b.sort_order));
  EXPECT_EQ(static_cast<int32_t>(a.sort_target()), static_cast<int32_t>(b.sort_target));
  EXPECT_EQ(a.serializable(), b.serializable);
  EXPECT_EQ(a.keys_only(), b.keys_only);
  EXPECT_EQ(a.count_only(), b.count_only);
  EXPECT_EQ(a.min_mod_revision(), b.min_mod_revision);
  EXPECT_EQ(a.max_mod_revision(), b.max_mod_revision);
  EXPECT_EQ(a.min_create_revision(), b.min_create_revision);
  EXPECT_EQ(a.max_create_revision(), b.max_create_revision);
}

void ExpectSame(const etcdserverpb::Compare& a, const Compare& b) {
  EXPECT_EQ(static_cast<int32_t>(a.result()), static_cast<int32_t>(b.result));
  EXPECT_EQ(static_cast<int32_t>(a.target()), static_cast<int32_t>(b.target));
  EXPECT_EQ(a.key(), b.key);
  EXPECT_EQ(a.range_end(), b.range_end);
  switch (a.target_union_case()) {
    case etcdserverpb::Compare::kVersion:
      EXPECT_EQ(b.given_for, CompareTarget::kVersion);
      EXPECT_EQ(a.version(), b.number);
      break;
    case etcdserverpb::Compare::kCreateRevision:
      EXPECT_EQ(b.given_for, CompareTarget::kCreate);
      EXPECT_EQ(a.create_revision(), b.number);
      break;
    case etcdserverpb::Compare::kModRevision:
      EXPECT_EQ(b.given_for, CompareTarget::kMod);
      EXPECT_EQ(a.mod_revision(), b.number);
      break;
    case etcdserverpb::Compare::kValue:
      EXPECT_EQ(b.given_for, CompareTarget::kValue);
      EXPECT_EQ(a.value(), b.value);
      break;
    case etcdserverpb::Compare::kLease:
      EXPECT_EQ(b.given_for, CompareTarget::kLease);
      EXPECT_EQ(a.lease(), b.number);
      break;
    case etcdserverpb::Compare::TARGET_UNION_NOT_SET:
      EXPECT_EQ(b.number, 0);
      EXPECT_EQ(b.value, "");
      break;
  }
}

void ExpectSame(const etcdserverpb::TxnRequest& a, const TxnRequest& b);

void ExpectSame(const google::protobuf::RepeatedPtrField<etcdserverpb::RequestOp>& a,
                const std::vector<RequestOp>& b) {
  ASSERT_EQ(static_cast<size_t>(a.size()), b.size());
  for (int i = 0; i < a.size(); ++i) {
    const RequestOp& op = b[static_cast<size_t>(i)];
    switch (a[i].request_case()) {
      case etcdserverpb::RequestOp::kRequestRange:
        ASSERT_TRUE(std::holds_alternative<RangeRequest>(op));
        ExpectSame(a[i].request_range(), std::get<RangeRequest>(op));
        break;
      case etcdserverpb::RequestOp::kRequestPut:
        ASSERT_TRUE(std::holds_alternative<PutRequest>(op));
        ExpectSame(a[i].request_put(), std::get<PutRequest>(op));
        break;
      case etcdserverpb::RequestOp::kRequestDeleteRange:
        ASSERT_TRUE(std::holds_alternative<DeleteRangeRequest>(op));
        ExpectSame(a[i].request_delete_range(), std::get<DeleteRangeRequest>(op));
        break;
      case etcdserverpb::RequestOp::kRequestTxn:
        ASSERT_TRUE(std::holds_alternative<std::unique_ptr<TxnRequest>>(op));
        ExpectSame(a[i].request_txn(), *std::get<std::unique_ptr<TxnRequest>>(op));
        break;
      case etcdserverpb::RequestOp::REQUEST_NOT_SET:
        ASSERT_TRUE(std::holds_alternative<std::monostate>(op));
        break;
    }
  }
}

void ExpectSame(const etcdserverpb::TxnRequest& a, const TxnRequest& b) {
  ASSERT_EQ(static_cast<size_t>(a.compare_size()), b.compare.size());
  for (int i = 0; i < a.compare_size(); ++i) {
    ExpectSame(a.compare(i), b.compare[static_cast<size_t>(i)]);
  }
  ExpectSame(a.success(), b.success);
  ExpectSame(a.failure(), b.failure);
}

bool Parse(std::string_view bytes, TxnRequest* to) {
  return Parse(bytes, kNoOperationLimit, to) == ParseOutcome::kOk;
}

void Mutate(Random& random, std::string* bytes) {
  for (uint64_t n = 1 + random.Below(3); n > 0; --n) {
    const size_t at = random.Below(bytes->size() + 1);
    switch (random.Below(4)) {
      case 0:
        bytes->insert(at, 1, static_cast<char>(random.Next()));
        break;
      case 1:
        if (at < bytes->size()) (*bytes)[at] = static_cast<char>(random.Next());
        break;
      case 2:
        bytes->resize(at);
        break;
      case 3:
        if (at < bytes->size())
          (*bytes)[at] = static_cast<char>((*bytes)[at] ^ (1 << random.Below(8)));
        break;
    }
  }
}

// How often both sides took the bytes, and how often both refused them.
struct Tally {
  int taken = 0, refused = 0;
};

template <class Generated, class Ours>
void Compare(const std::string& bytes, bool values, Tally* tally) {
  Generated generated;
  Ours ours;
  const bool takes = generated.ParseFromString(bytes);
  ASSERT_EQ(Parse(bytes, &ours), takes) << ::testing::PrintToString(bytes);
  (takes ? tally->taken : tally->refused)++;
  if (takes && values) ExpectSame(generated, ours);
}

TEST(Requests, WholeMessagesReadTheSame) {
  Random random(1);
  Tally tally;
  for (int i = 0; i < 5000; ++i) {
    Compare<etcdserverpb::PutRequest, PutRequest>(RandomPut(random).SerializeAsString(), true,
                                                  &tally);
    Compare<etcdserverpb::DeleteRangeRequest, DeleteRangeRequest>(
        RandomDelete(random).SerializeAsString(), true, &tally);
    Compare<etcdserverpb::RangeRequest, RangeRequest>(RandomRange(random).SerializeAsString(), true,
                                                      &tally);
    Compare<etcdserverpb::TxnRequest, TxnRequest>(RandomTxn(random, 3).SerializeAsString(), true,
                                                  &tally);
  }
  EXPECT_EQ(tally.taken, 20000);
}

TEST(Requests, DamagedMessagesAreTakenAndRefusedAlike) {
  Random random(2);
  Tally tally;
  for (int i = 0; i < 20000; ++i) {
    std::string put = RandomPut(random).SerializeAsString();
    Mutate(random, &put);
    Compare<etcdserverpb::PutRequest, PutRequest>(put, true, &tally);
    std::string erase = RandomDelete(random).SerializeAsString();
    Mutate(random, &erase);
    Compare<etcdserverpb::DeleteRangeRequest, DeleteRangeRequest>(erase, true, &tally);
    std::string range = RandomRange(random).SerializeAsString();
    Mutate(random, &range);
    Compare<etcdserverpb::RangeRequest, RangeRequest>(range, true, &tally);
    // Values are not compared here: where an operation stands twice in one RequestOp the generated
    // parser merges the two, ours takes the last.
    std::string txn = RandomTxn(random, 2).SerializeAsString();
    Mutate(random, &txn);
    Compare<etcdserverpb::TxnRequest, TxnRequest>(txn, false, &tally);
    if (::testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(tally.taken, 10000);
  EXPECT_GT(tally.refused, 10000);
}

TEST(Requests, LongListsStopAtTheLimit) {
  etcdserverpb::TxnRequest txn;
  for (int i = 0; i < 4; ++i) txn.add_failure()->mutable_request_range()->set_key("k");
  TxnRequest parsed;
  EXPECT_EQ(Parse(txn.SerializeAsString(), 4, &parsed), ParseOutcome::kOk);
  TxnRequest cut;
  EXPECT_EQ(Parse(txn.SerializeAsString(), 3, &cut), ParseOutcome::kTooMany);
  EXPECT_EQ(cut.failure.size(), 3u);
}

TEST(Requests, DepthIsBounded) {
  std::string txn;
  for (int i = 1; i < kMaxTxnDepth; ++i) {
    std::string op, outer;
    const auto wrap = [](char key, const std::string& body, std::string* to) {
      to->push_back(key);
      for (size_t n = body.size();; n >>= 7) {
        to->push_back(static_cast<char>(n >= 0x80 ? (n & 0x7f) | 0x80 : n));
        if (n < 0x80) break;
      }
      to->append(body);
    };
    wrap('\x22', txn, &op);
    wrap('\x12', op, &outer);
    txn = outer;
    TxnRequest parsed;
    EXPECT_TRUE(Parse(txn, &parsed)) << i;
  }
  TxnRequest parsed;
  const std::string op = std::string("\x22") + static_cast<char>((txn.size() & 0x7f) | 0x80) +
                         static_cast<char>(txn.size() >> 7) + txn;
  const std::string deeper = std::string("\x12") + static_cast<char>((op.size() & 0x7f) | 0x80) +
                             static_cast<char>(op.size() >> 7) + op;
  EXPECT_EQ(Parse(deeper, kNoOperationLimit, &parsed), ParseOutcome::kMalformed);
}

}  // namespace
}  // namespace cairn::apply
