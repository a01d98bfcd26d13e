#include "src/apply/applier.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "src/apply/apply_harness.h"
#include "src/apply/model.h"
#include "src/base/random.h"

namespace cairn::apply {
namespace {

using etcdserverpb::Compare;

etcdserverpb::PutRequest MakePut(std::string key, std::string value) {
  etcdserverpb::PutRequest put;
  put.set_key(std::move(key));
  put.set_value(std::move(value));
  return put;
}
etcdserverpb::RangeRequest MakeRange(std::string key, std::string range_end = "") {
  etcdserverpb::RangeRequest range;
  range.set_key(std::move(key));
  range.set_range_end(std::move(range_end));
  return range;
}
etcdserverpb::DeleteRangeRequest MakeDelete(std::string key, std::string range_end = "") {
  etcdserverpb::DeleteRangeRequest erase;
  erase.set_key(std::move(key));
  erase.set_range_end(std::move(range_end));
  return erase;
}
Compare* AddCompare(etcdserverpb::TxnRequest& txn, std::string key, Compare::CompareTarget target,
                    Compare::CompareResult result) {
  Compare* c = txn.add_compare();
  c->set_key(std::move(key));
  c->set_target(target);
  c->set_result(result);
  return c;
}

TEST(Applier, PutAnswersWithTheWholeHeader) {
  ApplyHarness h;
  const auto reply = h.Put(MakePut("k", "v"));
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->header().cluster_id(), kCluster.value);
  EXPECT_EQ(reply->header().member_id(), kMember.value);
  EXPECT_EQ(reply->header().revision(), 2);
  EXPECT_EQ(reply->header().raft_term(), 1u);
  EXPECT_FALSE(reply->has_prev_kv());
  EXPECT_EQ(h.applier().stats().puts, 1u);
  EXPECT_EQ(h.applier().stats().put_bytes, 2u);
}

TEST(Applier, PutOptions) {
  ApplyHarness h;
  ASSERT_TRUE(h.Put(MakePut("k", "1")).ok());
  auto put = MakePut("k", "2");
  put.set_prev_kv(true);
  auto reply = h.Put(put);
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->prev_kv().value(), "1");
  EXPECT_EQ(reply->prev_kv().mod_revision(), 2);
  auto keep = MakePut("k", "");
  keep.set_ignore_value(true);
  keep.set_ignore_lease(true);
  ASSERT_TRUE(h.Put(keep).ok());
  const auto range = h.Range(MakeRange("k"));
  ASSERT_EQ(range->kvs_size(), 1);
  EXPECT_EQ(range->kvs(0).value(), "2");
  EXPECT_EQ(range->kvs(0).version(), 3);
}

TEST(Applier, RefusalsChangeNothingAndUseEtcdsWords) {
  ApplyHarness h;
  auto keep = MakePut("none", "");
  keep.set_ignore_value(true);
  EXPECT_EQ(h.Put(keep).status(),
            Status(StatusCode::kInvalidArgument, "etcdserver: key not found"));
  auto leased = keep;
  leased.set_lease(5);
  // A single put asks for the lease first, one in a transaction for the key, as etcd does.
  const Status no_lease(StatusCode::kNotFound, "etcdserver: requested lease not found");
  EXPECT_EQ(h.Put(leased).status(), no_lease);
  etcdserverpb::TxnRequest txn;
  *txn.add_success()->mutable_request_put() = MakePut("a", "1");
  *txn.add_success()->mutable_request_put() = leased;
  EXPECT_EQ(h.Txn(txn).status(), Status(StatusCode::kInvalidArgument, "etcdserver: key not found"));
  txn.mutable_success(1)->mutable_request_put()->set_ignore_value(false);
  EXPECT_EQ(h.Txn(txn).status(), no_lease);
  *txn.mutable_success(1)->mutable_request_range() = MakeRange("a");
  txn.mutable_success(1)->mutable_request_range()->set_revision(2);
  EXPECT_EQ(
      h.Txn(txn).status(),
      Status(StatusCode::kOutOfRange, "etcdserver: mvcc: required revision is a future revision"));
  EXPECT_EQ(h.store().revision(), 1);
  EXPECT_EQ(h.Range(MakeRange("a"))->count(), 0);
  EXPECT_EQ(h.applier().stats().refused, 5u);
}

TEST(Applier, TheBranchNotTakenIsNotChecked) {
  ApplyHarness h;
  etcdserverpb::TxnRequest txn;
  txn.add_failure()->mutable_request_put()->set_key("none");
  txn.mutable_failure(0)->mutable_request_put()->set_ignore_value(true);
  const auto reply = h.Txn(txn);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_TRUE(reply->succeeded());
}

// The bytes of this answer were read off etcd 3.4.23.
TEST(Applier, NestedTransactionAnswersAsEtcd) {
  ApplyHarness h;
  ASSERT_TRUE(h.Put(MakePut("a", "1")).ok());
  etcdserverpb::TxnRequest txn;
  *txn.add_success()->mutable_request_put() = MakePut("b", "");
  auto& nested = *txn.add_success()->mutable_request_txn();
  *nested.add_success()->mutable_request_range() = MakeRange("b");
  *nested.add_success()->mutable_request_delete_range() = MakeDelete("a");
  nested.mutable_success(1)->mutable_request_delete_range()->set_prev_kv(true);
  const auto reply = h.Txn(txn);
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->header().revision(), 3);
  EXPECT_EQ(reply->header().cluster_id(), kCluster.value);
  const auto& put = reply->responses(0).response_put();
  EXPECT_EQ(put.header().revision(), 3);
  EXPECT_EQ(put.header().cluster_id(), 0u);
  const auto& inner = reply->responses(1).response_txn();
  EXPECT_TRUE(inner.has_header());
  EXPECT_EQ(inner.header().revision(), 0);
  EXPECT_TRUE(inner.succeeded());
  const auto& range = inner.responses(0).response_range();
  EXPECT_EQ(range.header().revision(), 3);
  ASSERT_EQ(range.kvs_size(), 1);
  EXPECT_EQ(range.kvs(0).create_revision(), 3);
  const auto& erase = inner.responses(1).response_delete_range();
  EXPECT_EQ(erase.deleted(), 1);
  EXPECT_EQ(erase.prev_kvs(0).value(), "1");
}

// Conditions of a nested transaction see what was there before the outer one began.
TEST(Applier, ConditionsAreDecidedFirst) {
  ApplyHarness h;
  etcdserverpb::TxnRequest txn;
  *txn.add_success()->mutable_request_put() = MakePut("a", "1");
  auto& nested = *txn.add_success()->mutable_request_txn();
  AddCompare(nested, "a", Compare::VERSION, Compare::GREATER)->set_version(0);
  *nested.add_success()->mutable_request_put() = MakePut("b", "seen");
  *nested.add_failure()->mutable_request_put() = MakePut("b", "not seen");
  ASSERT_TRUE(h.Txn(txn).ok());
  EXPECT_EQ(h.Range(MakeRange("b"))->kvs(0).value(), "not seen");
}

TEST(Applier, ComparesOnEveryTarget) {
  ApplyHarness h;
  ASSERT_TRUE(h.Put(MakePut("a", "x")).ok());  // revision 2
  ASSERT_TRUE(h.Put(MakePut("b", "y")).ok());
  ASSERT_TRUE(h.Put(MakePut("a", "z")).ok());  // a: create 2, mod 4, version 2
  struct Case {
    bool holds;
    std::function<void(Compare&)> set;
  };
  const auto compare = [](Compare::CompareTarget target, Compare::CompareResult result,
                          std::string key, std::string end, auto set) {
    return [=](Compare& c) {
      c.set_target(target);
      c.set_result(result);
      c.set_key(key);
      c.set_range_end(end);
      set(c);
    };
  };
  const auto none = [](Compare&) {};
  const Case cases[] = {
      {true, compare(Compare::VERSION, Compare::EQUAL, "a", "", [](auto& c) { c.set_version(2); })},
      {false, compare(Compare::VERSION, Compare::GREATER, "a", "b\x01",
                      [](auto& c) { c.set_version(1); })},
      {true, compare(Compare::VERSION, Compare::GREATER, "a", "b\x01",
                     [](auto& c) { c.set_version(0); })},
      {true,
       compare(Compare::CREATE, Compare::LESS, "a", "", [](auto& c) { c.set_create_revision(3); })},
      {true,
       compare(Compare::MOD, Compare::NOT_EQUAL, "a", "", [](auto& c) { c.set_mod_revision(2); })},
      {true, compare(Compare::VALUE, Compare::EQUAL, "a", "", [](auto& c) { c.set_value("z"); })},
      {true,
       compare(Compare::VALUE, Compare::GREATER, "a", "c", [](auto& c) { c.set_value("x"); })},
      {true, compare(Compare::LEASE, Compare::EQUAL, "a", std::string("\0", 1),
                     [](auto& c) { c.set_lease(0); })},
      // A key that is not there: numbers are 0, a value is never equal nor different.
      {true,
       compare(Compare::MOD, Compare::EQUAL, "q", "", [](auto& c) { c.set_mod_revision(0); })},
      {true, compare(Compare::CREATE, Compare::EQUAL, "q", "r", none)},
      {false,
       compare(Compare::VALUE, Compare::NOT_EQUAL, "q", "", [](auto& c) { c.set_value("z"); })},
      {false, compare(Compare::VALUE, Compare::EQUAL, "q", "", none)},
      // What was given for another target does not count.
      {true, compare(Compare::VERSION, Compare::GREATER, "a", "",
                     [](auto& c) { c.set_mod_revision(99); })},
      {true,
       compare(Compare::VALUE, Compare::GREATER, "a", "", [](auto& c) { c.set_version(99); })},
  };
  int at = 0;
  for (const Case& c : cases) {
    etcdserverpb::TxnRequest txn;
    c.set(*txn.add_compare());
    const auto reply = h.Txn(txn);
    ASSERT_TRUE(reply.ok());
    EXPECT_EQ(reply->succeeded(), c.holds) << at;
    EXPECT_EQ(reply->header().revision(), 4);
    ++at;
  }
}

TEST(Applier, RangeOptionsAsEtcd) {
  ApplyHarness h;
  for (const char* key : {"xa", "xb", "xc", "xd", "xe"}) {
    ASSERT_TRUE(h.Put(MakePut(key, std::string(1, key[1]))).ok());  // revisions 2 to 6
  }
  ASSERT_TRUE(h.Put(MakePut("xa", "z")).ok());
  const auto keys = [&](const etcdserverpb::RangeRequest& r) {
    const auto reply = h.Range(r);
    std::string all;
    for (const auto& kv : reply->kvs()) all += kv.key().substr(1);
    return all + (reply->more() ? "+" : "") + std::to_string(reply->count());
  };
  auto r = MakeRange("x", "y");
  EXPECT_EQ(keys(r), "abcde5");
  r.set_limit(2);
  EXPECT_EQ(keys(r), "ab+5");
  r.set_sort_target(etcdserverpb::RangeRequest::MOD);
  EXPECT_EQ(keys(r), "bc+5");  // etcd's answer: three keys are read, sorted, and two given
  r.set_sort_order(etcdserverpb::RangeRequest::DESCEND);
  EXPECT_EQ(keys(r), "ae+5");
  r.set_sort_order(etcdserverpb::RangeRequest::ASCEND);
  EXPECT_EQ(keys(r), "bc+5");
  r.set_sort_target(etcdserverpb::RangeRequest::VALUE);
  r.set_keys_only(true);
  EXPECT_EQ(keys(r), "bc+5");
  r.set_sort_target(etcdserverpb::RangeRequest::VERSION);
  r.set_sort_order(etcdserverpb::RangeRequest::DESCEND);
  EXPECT_EQ(keys(r), "ab+5");
  r.set_sort_target(etcdserverpb::RangeRequest::KEY);
  EXPECT_EQ(keys(r), "ed+5");
  r = MakeRange("x", "y");
  r.set_limit(2);
  r.set_min_mod_revision(4);
  EXPECT_EQ(keys(r), "ac+5");
  r.set_limit(4);
  EXPECT_EQ(keys(r), "acde5");
  r.set_max_mod_revision(6);
  EXPECT_EQ(keys(r), "cde5");
  r.set_count_only(true);
  EXPECT_EQ(keys(r), "5");
  r = MakeRange("x", "y");
  r.set_max_create_revision(3);
  EXPECT_EQ(keys(r), "ab5");
  r = MakeRange("xd", std::string("\0", 1));
  EXPECT_EQ(keys(r), "de2");
  r.set_limit(-3);
  r.set_revision(-1);
  EXPECT_EQ(keys(r), "de2");
  r.set_revision(5);
  EXPECT_EQ(keys(r), "d1");
  EXPECT_EQ(h.Range(r)->header().revision(), 7);
  r.set_revision(8);
  EXPECT_EQ(
      h.Range(r).status(),
      Status(StatusCode::kOutOfRange, "etcdserver: mvcc: required revision is a future revision"));
}

TEST(Applier, UnknownAndDamagedCommandsAreRefusedAlike) {
  ApplyHarness h;
  for (const std::string& command :
       {std::string(), std::string("\x00", 1),
        std::string("\xff"
                    "abc"),
        std::string("\x01\x0a\x05"
                    "a"),
        std::string("\x02\x08"), std::string("\x03\x0f"), std::string("\x04\x12\xff")}) {
    const raft::EntryId entry = h.harness().next();
    EXPECT_FALSE(h.ApplyBytes(command).ok());
    EXPECT_EQ(h.store().applied(), entry);
    EXPECT_FALSE(h.ApplyBytes(command, false).ok());
  }
  EXPECT_EQ(h.store().revision(), 1);
}

TEST(Applier, MembersPublishNameAndClientUrls) {
  ApplyHarness h;
  etcdserverpb::Member published;
  published.set_id(kMember.value);
  published.set_name("m1");
  published.add_clienturls("http://c:2379");
  published.add_peerurls("http://elsewhere:1");  // not for a member to say
  ASSERT_TRUE(h.Apply<etcdserverpb::Member>(CommandKind::kMemberAttributes, published).ok());
  const membership::Member expected{
      kMember, "m1", {"http://localhost:2380"}, {"http://c:2379"}, false};
  EXPECT_EQ(h.cluster().Members(), std::vector<membership::Member>{expected});
  published.set_id(5);
  EXPECT_EQ(h.Apply<etcdserverpb::Member>(CommandKind::kMemberAttributes, published).status(),
            Status(StatusCode::kNotFound, "etcdserver: member not found"));
  h.harness().FlushAll();
  h.Restart();
  EXPECT_EQ(h.cluster().Members(), std::vector<membership::Member>{expected});
}

// Two members apply the same log, one of them answering: both end equal.
TEST(Applier, AnsweringChangesNothing) {
  ApplyHarness answering(1), silent(2);
  etcdserverpb::TxnRequest txn;
  *txn.add_success()->mutable_request_put() = MakePut("a", "1");
  txn.mutable_success(0)->mutable_request_put()->set_prev_kv(true);
  *txn.add_success()->mutable_request_range() = MakeRange("a", "z");
  *txn.add_success()->mutable_request_delete_range() = MakeDelete("b", "z");
  txn.mutable_success(2)->mutable_request_delete_range()->set_prev_kv(true);
  *txn.add_success()->mutable_request_txn()->add_success()->mutable_request_put() =
      MakePut("aa", "2");
  std::string command;
  EncodeCommand(CommandKind::kTxn, txn.SerializeAsString(), &command);
  for (int i = 0; i < 3; ++i) {
    EXPECT_NE(*answering.ApplyBytes(command, true), "");
    EXPECT_EQ(*silent.ApplyBytes(command, false), "");
  }
  EXPECT_EQ(*answering.store().Hash(), *silent.store().Hash());
}

// ---- Against the model ----

class RandomRequests {
 public:
  explicit RandomRequests(uint64_t seed) : random_(seed) {}
  Random& random() { return random_; }

  std::string Key() {
    std::string key(1, static_cast<char>('a' + random_.Below(3)));
    if (random_.Chance(0.5)) key += static_cast<char>('a' + random_.Below(3));
    return key;
  }
  std::string End() {
    switch (random_.Below(4)) {
      case 0:
        return std::string("\0", 1);
      case 1:
        return Key() + "\x7f";
      case 2:
        return Key();
      default:
        return "";
    }
  }
  etcdserverpb::PutRequest Put() {
    auto put =
        MakePut(Key(), std::string(random_.Below(4), static_cast<char>('a' + random_.Below(4))));
    put.set_prev_kv(random_.Chance(0.3));
    if (random_.Chance(0.1)) put.set_ignore_value(true), put.clear_value();
    put.set_ignore_lease(random_.Chance(0.1));
    if (random_.Chance(0.02) && !put.ignore_lease()) put.set_lease(4);
    return put;
  }
  etcdserverpb::DeleteRangeRequest Delete() {
    auto erase = MakeDelete(Key(), End());
    erase.set_prev_kv(random_.Chance(0.5));
    return erase;
  }
  etcdserverpb::RangeRequest Range(int64_t revision) {
    auto r = MakeRange(Key(), End());
    const auto number = [&](double chance) {
      return random_.Chance(chance)
                 ? static_cast<int64_t>(random_.Below(static_cast<uint64_t>(revision) + 1))
                 : 0;
    };
    r.set_limit(random_.Chance(0.4) ? static_cast<int64_t>(random_.Below(5)) : 0);
    r.set_revision(number(0.4));
    if (random_.Chance(0.02)) r.set_revision(revision + 1);
    r.set_sort_order(static_cast<etcdserverpb::RangeRequest::SortOrder>(random_.Below(3)));
    r.set_sort_target(static_cast<etcdserverpb::RangeRequest::SortTarget>(random_.Below(5)));
    r.set_keys_only(random_.Chance(0.2));
    r.set_count_only(random_.Chance(0.1));
    r.set_min_mod_revision(number(0.15));
    r.set_max_mod_revision(number(0.15));
    r.set_min_create_revision(number(0.15));
    r.set_max_create_revision(number(0.15));
    return r;
  }
  etcdserverpb::TxnRequest Txn(int64_t revision, int depth) {
    etcdserverpb::TxnRequest txn;
    for (uint64_t n = random_.Below(3); n > 0; --n) {
      Compare& c = *AddCompare(txn, Key(), static_cast<Compare::CompareTarget>(random_.Below(5)),
                               static_cast<Compare::CompareResult>(random_.Below(4)));
      c.set_range_end(End());
      const auto near = static_cast<int64_t>(random_.Below(4));
      switch (random_.Chance(0.1) ? Compare::CompareTarget(random_.Below(5)) : c.target()) {
        case Compare::VERSION:
          c.set_version(near);
          break;
        case Compare::CREATE:
          c.set_create_revision(revision - near);
          break;
        case Compare::MOD:
          c.set_mod_revision(revision - near);
          break;
        case Compare::VALUE:
          c.set_value(std::string(static_cast<size_t>(near), 'b'));
          break;
        default:
          c.set_lease(near / 3);
      }
    }
    // Keys are told apart so that no key is put twice, nor put and deleted: the front end sees to
    // that.
    std::set<std::string> taken;
    for (auto* branch : {txn.mutable_success(), txn.mutable_failure()}) {
      for (uint64_t n = random_.Below(4); n > 0; --n) {
        const uint64_t kind = random_.Below(depth > 0 ? 4 : 3);
        auto put = Put();
        if (kind == 0) *branch->Add()->mutable_request_range() = Range(revision);
        if (kind == 1 && taken.insert(put.key()).second)
          *branch->Add()->mutable_request_put() = put;
        if (kind == 2) *branch->Add()->mutable_request_delete_range() = Delete();
        if (kind == 3) *branch->Add()->mutable_request_txn() = Txn(revision, depth - 1);
      }
    }
    return txn;
  }

 private:
  Random random_;
};

// Gives both the same ids, which the model does not know, and compares.
template <class Response>
void ExpectSame(Result<Response> real, Result<Response> model, const std::string& request) {
  if (real.ok()) {
    real->mutable_header()->clear_cluster_id();
    real->mutable_header()->clear_member_id();
    real->mutable_header()->clear_raft_term();
  }
  ASSERT_EQ(real.status(), model.status()) << request;
  if (real.ok()) {
    ASSERT_EQ(real->DebugString(), model->DebugString()) << request;
  }
}

class AgainstModel : public ::testing::TestWithParam<uint64_t> {};

TEST_P(AgainstModel, EveryAnswerIsTheSame) {
  mvcc::StoreOptions options;
  options.window_bytes = 4096;
  ApplyHarness h(GetParam(), options);
  Model model;
  RandomRequests requests(GetParam());
  int refused = 0, txns = 0;
  for (int i = 0; i < 1500 && !::testing::Test::HasFatalFailure(); ++i) {
    switch (requests.random().Below(8)) {
      case 0:
      case 1: {
        const auto put = requests.Put();
        auto expected = model.Put(put);
        refused += expected.ok() ? 0 : 1;
        ExpectSame(h.Put(put), std::move(expected), put.DebugString());
        break;
      }
      case 2: {
        const auto erase = requests.Delete();
        ExpectSame<etcdserverpb::DeleteRangeResponse>(
            h.DeleteRange(erase), model.DeleteRange(erase), erase.DebugString());
        break;
      }
      case 3:
      case 4: {
        const auto range = requests.Range(model.revision());
        ExpectSame(h.Range(range), model.Range(range), range.DebugString());
        break;
      }
      default: {
        const auto txn = requests.Txn(model.revision(), 2);
        auto expected = model.Txn(txn);
        (expected.ok() ? txns : refused) += 1;
        ExpectSame(h.Txn(txn), std::move(expected), txn.DebugString());
      }
    }
    ASSERT_EQ(h.store().revision(), model.revision());
    if (requests.random().Chance(0.01)) h.harness().world().RunFor(env::milliseconds(10));
    if (requests.random().Chance(0.005)) h.harness().FlushAll();
    if (requests.random().Chance(0.002)) h.harness().FlushAll(), h.Restart();
  }
  EXPECT_GT(refused, 10);
  EXPECT_GT(txns, 300);
}
INSTANTIATE_TEST_SUITE_P(Seeds, AgainstModel, ::testing::Range<uint64_t>(1, 13));

}  // namespace
}  // namespace cairn::apply
