#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/etcd/rpc.pb.h"
#include "proto/grpc/health.pb.h"
#include "src/api/etcd/api_harness.h"
#include "src/base/random.h"

namespace cairn::api::etcd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kRange[] = "/etcdserverpb.KV/Range";
constexpr char kPut[] = "/etcdserverpb.KV/Put";
constexpr char kDelete[] = "/etcdserverpb.KV/DeleteRange";
constexpr char kTxn[] = "/etcdserverpb.KV/Txn";
constexpr char kMembers[] = "/etcdserverpb.Cluster/MemberList";
constexpr char kStatus[] = "/etcdserverpb.Maintenance/Status";
constexpr char kCheck[] = "/grpc.health.v1.Health/Check";

etcdserverpb::PutRequest MakePut(std::string key, std::string value) {
  etcdserverpb::PutRequest put;
  put.set_key(std::move(key));
  put.set_value(std::move(value));
  return put;
}
etcdserverpb::RangeRequest MakeRange(std::string key, bool serializable = false) {
  etcdserverpb::RangeRequest range;
  range.set_key(std::move(key));
  range.set_serializable(serializable);
  return range;
}

TEST(KvService, WritesThenReads) {
  ApiHarness h;
  const auto put = MakePut("k", "v");
  const auto reply = h.Call<etcdserverpb::PutResponse>(kPut, put);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->header().revision(), 2);
  EXPECT_EQ(reply->header().raft_term(), 7u);
  // The client's bytes are the command's.
  EXPECT_EQ(h.replica().last_command, "\x01" + put.SerializeAsString());
  const auto range = h.Call<etcdserverpb::RangeResponse>(kRange, MakeRange("k"));
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(range->kvs(0).value(), "v");
  EXPECT_EQ(range->header().cluster_id(), kCluster.value);
  EXPECT_EQ(range->header().member_id(), kSelf.value);
  EXPECT_EQ(range->header().raft_term(), 7u);
  etcdserverpb::DeleteRangeRequest erase;
  erase.set_key("k");
  EXPECT_EQ(h.Call<etcdserverpb::DeleteRangeResponse>(kDelete, erase)->deleted(), 1);
  etcdserverpb::TxnRequest txn;
  *txn.add_success()->mutable_request_put() = put;
  EXPECT_EQ(h.Call<etcdserverpb::TxnResponse>(kTxn, txn)->header().revision(), 4);
  EXPECT_EQ(h.replica().proposals, 3);
  EXPECT_EQ(h.replica().reads, 1);
}

TEST(KvService, SerializableReadsAskNobody) {
  ApiHarness h;
  h.replica().leader_now = kNobody;
  h.replica().hold = true;
  EXPECT_TRUE(h.Call<etcdserverpb::RangeResponse>(kRange, MakeRange("k", true)).ok());
  etcdserverpb::TxnRequest txn;
  txn.add_compare()->set_key("k");
  *txn.add_success()->mutable_request_range() = MakeRange("k", true);
  EXPECT_TRUE(h.Call<etcdserverpb::TxnResponse>(kTxn, txn).ok());
  EXPECT_EQ(h.replica().reads, 0);
  // One that is not, on any branch, and the whole waits.
  h.replica().hold = false;
  *txn.add_failure()->mutable_request_range() = MakeRange("k");
  EXPECT_TRUE(h.Call<etcdserverpb::TxnResponse>(kTxn, txn).ok());
  EXPECT_EQ(h.replica().reads, 1);
  // Conditions alone are not decided on old data.
  txn.clear_success();
  txn.clear_failure();
  EXPECT_TRUE(h.Call<etcdserverpb::TxnResponse>(kTxn, txn).ok());
  EXPECT_EQ(h.replica().reads, 2);
  EXPECT_EQ(h.replica().proposals, 0);
}

TEST(KvService, NestedReadOnlyTransactionNeedsNoEntry) {
  ApiHarness h;
  etcdserverpb::TxnRequest txn;
  *txn.add_success()->mutable_request_txn()->add_success()->mutable_request_range() =
      MakeRange("k");
  const auto reply = h.Call<etcdserverpb::TxnResponse>(kTxn, txn);
  ASSERT_TRUE(reply.ok());
  EXPECT_TRUE(reply->responses(0).response_txn().responses(0).has_response_range());
  EXPECT_EQ(h.replica().proposals, 0);
  txn.mutable_success(0)
      ->mutable_request_txn()
      ->mutable_success(0)
      ->mutable_request_range()
      ->set_revision(9);
  EXPECT_EQ(h.Call<etcdserverpb::TxnResponse>(kTxn, txn).status().code(), StatusCode::kOutOfRange);
}

TEST(KvService, RefusesInEtcdsWordsBeforeTheLog) {
  Limits limits;
  limits.max_request_bytes = 1000;
  limits.max_txn_ops = 2;
  ApiHarness h(limits);
  const auto invalid = [](std::string m) {
    return Status(StatusCode::kInvalidArgument, std::move(m));
  };
  EXPECT_EQ(h.Call<etcdserverpb::PutResponse>(kPut, MakePut("", "v")).status(),
            invalid("etcdserver: key is not provided"));
  EXPECT_EQ(h.Call<etcdserverpb::RangeResponse>(kRange, MakeRange("")).status(),
            invalid("etcdserver: key is not provided"));
  EXPECT_EQ(h.Call<etcdserverpb::DeleteRangeResponse>(kDelete, etcdserverpb::DeleteRangeRequest())
                .status(),
            invalid("etcdserver: key is not provided"));
  EXPECT_EQ(h.Call<etcdserverpb::PutResponse>(kPut, MakePut("k", std::string(1000, 'v'))).status(),
            invalid("etcdserver: request is too large"));
  etcdserverpb::TxnRequest txn;
  for (int i = 0; i < 3; ++i) *txn.add_success()->mutable_request_put() = MakePut("k", "v");
  EXPECT_EQ(h.Call<etcdserverpb::TxnResponse>(kTxn, txn).status(),
            invalid("etcdserver: too many operations in txn request"));
  txn.mutable_success()->RemoveLast();
  EXPECT_EQ(h.Call<etcdserverpb::TxnResponse>(kTxn, txn).status(),
            invalid("etcdserver: duplicate key given in txn request"));
  EXPECT_EQ(h.replica().proposals, 0);
  EXPECT_EQ(h.replica().reads, 0);
}

TEST(KvService, ErrorsOfTheReplicaReachTheClient) {
  ApiHarness h;
  h.replica().propose_error =
      Status::OutcomeUnknown(StatusCode::kUnavailable, "etcdserver: request timed out");
  EXPECT_EQ(h.Call<etcdserverpb::PutResponse>(kPut, MakePut("k", "v")).status(),
            Status(StatusCode::kUnavailable, "etcdserver: request timed out"));
  h.replica().read_error = Status(StatusCode::kUnavailable, "etcdserver: leader changed");
  EXPECT_EQ(h.Call<etcdserverpb::RangeResponse>(kRange, MakeRange("k")).status(),
            h.replica().read_error);
  EXPECT_EQ(h.Call<etcdserverpb::TxnResponse>(kTxn, etcdserverpb::TxnRequest()).status(),
            h.replica().read_error);
  auto range = MakeRange("k", true);
  range.set_revision(100);
  EXPECT_EQ(
      h.Call<etcdserverpb::RangeResponse>(kRange, range).status(),
      Status(StatusCode::kOutOfRange, "etcdserver: mvcc: required revision is a future revision"));
}

TEST(KvService, DeadlineIsTheEarlierOfTwo) {
  ApiHarness h;
  ASSERT_TRUE(h.CallBytes(kPut, MakePut("k", "v").SerializeAsString(), {}, env::seconds(100)).ok());
  EXPECT_EQ(h.replica().last_patience, env::seconds(7));
  ASSERT_TRUE(h.CallBytes(kRange, MakeRange("k").SerializeAsString(), {}, env::seconds(2)).ok());
  EXPECT_LE(h.replica().last_patience, env::seconds(2));
  EXPECT_GT(h.replica().last_patience, env::seconds(1));
}

TEST(KvService, HasLeaderAndStoppedMembers) {
  ApiHarness h;
  h.replica().leader_now = kNobody;
  const std::vector<std::pair<std::string, std::string>> has_leader = {{"hasleader", "true"}};
  const Status no_leader(StatusCode::kUnavailable, "etcdserver: no leader");
  EXPECT_EQ(h.Call<etcdserverpb::RangeResponse>(kRange, MakeRange("k", true), has_leader).status(),
            no_leader);
  EXPECT_EQ(h.Call<etcdserverpb::MemberListResponse>(kMembers, etcdserverpb::MemberListRequest(),
                                                     has_leader)
                .status(),
            no_leader);
  EXPECT_TRUE(h.Call<etcdserverpb::RangeResponse>(kRange, MakeRange("k", true)).ok());
  h.replica().leader_now = kOther;
  EXPECT_TRUE(h.Call<etcdserverpb::RangeResponse>(kRange, MakeRange("k", true), has_leader).ok());
  h.replica().health_now = Status(StatusCode::kInternal, "disk gone");
  EXPECT_EQ(h.Call<etcdserverpb::RangeResponse>(kRange, MakeRange("k", true)).status(),
            Status(StatusCode::kUnavailable, "etcdserver: server stopped: disk gone"));
}

TEST(KvService, MutatedRequestsNeverHurt) {
  ApiHarness h;
  Random random(5);
  etcdserverpb::TxnRequest txn;
  txn.add_compare()->set_key("k");
  *txn.add_success()->mutable_request_put() = MakePut("k", "v");
  *txn.add_success()->mutable_request_txn()->add_success()->mutable_request_range() =
      MakeRange("k");
  const std::pair<const char*, std::string> requests[] = {
      {kPut, MakePut("key", "value").SerializeAsString()},
      {kRange, MakeRange("key").SerializeAsString()},
      {kTxn, txn.SerializeAsString()},
      {kDelete, "\x0a\x01k"},
      {kMembers, "\x08\x01"},
      {kStatus, ""},
      {kCheck, "\x0a\x01s"},
  };
  int malformed = 0, ok = 0;
  for (int i = 0; i < 1500; ++i) {
    const auto& [path, whole] = requests[random.Below(std::size(requests))];
    std::string bytes = whole;
    for (uint64_t n = random.Below(3); n > 0; --n) {
      bytes.insert(random.Below(bytes.size() + 1), 1, static_cast<char>(random.Next()));
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    }
    const Result<std::string> reply = h.CallBytes(path, bytes);
    ok += reply.ok() ? 1 : 0;
    malformed += reply.status().code() == StatusCode::kInternal ? 1 : 0;
  }
  EXPECT_GT(malformed, 100);
  EXPECT_GT(ok, 100);
  EXPECT_TRUE(h.Call<etcdserverpb::PutResponse>(kPut, MakePut("k", "v")).ok());
}

TEST(ClusterService, MemberList) {
  ApiHarness h;
  h.replica().leader_now = kNobody;
  etcdserverpb::MemberListRequest request;
  auto reply = h.Call<etcdserverpb::MemberListResponse>(kMembers, request);
  ASSERT_TRUE(reply.ok());
  ASSERT_EQ(reply->members_size(), 2);
  EXPECT_EQ(reply->members(0).id(), kSelf.value);
  EXPECT_EQ(reply->members(0).peerurls(0), "http://a:2380");
  EXPECT_EQ(reply->members(0).name(), "");
  EXPECT_EQ(reply->members(1).id(), kOther.value);
  EXPECT_EQ(reply->header().cluster_id(), kCluster.value);
  EXPECT_EQ(h.replica().reads, 0);
  request.set_linearizable(true);
  h.replica().read_error = Status(StatusCode::kUnavailable, "etcdserver: request timed out");
  EXPECT_EQ(h.Call<etcdserverpb::MemberListResponse>(kMembers, request).status(),
            h.replica().read_error);
}

TEST(MaintenanceService, StatusWithAndWithoutALeader) {
  ApiHarness h;
  ASSERT_TRUE(h.Call<etcdserverpb::PutResponse>(kPut, MakePut("k", "v")).ok());
  h.replica().node.commit_index = LogIndex(5);
  auto reply = h.Call<etcdserverpb::StatusResponse>(kStatus, etcdserverpb::StatusRequest());
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->version(), "3.5.13");
  EXPECT_EQ(reply->leader(), kSelf.value);
  EXPECT_EQ(reply->raftindex(), 5u);
  EXPECT_EQ(reply->raftterm(), 7u);
  EXPECT_EQ(reply->raftappliedindex(), 1u);
  EXPECT_GT(reply->dbsize(), 0);
  EXPECT_EQ(reply->header().revision(), 2);
  EXPECT_EQ(reply->errors_size(), 0);
  h.replica().leader_now = kNobody;
  h.replica().health_now = Status(StatusCode::kInternal, "disk gone");
  reply = h.Call<etcdserverpb::StatusResponse>(kStatus, etcdserverpb::StatusRequest());
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->leader(), 0u);
  ASSERT_EQ(reply->errors_size(), 2);
  EXPECT_EQ(reply->errors(0), "etcdserver: no leader");
  EXPECT_THAT(reply->errors(1), HasSubstr("disk gone"));
}

TEST(Services, WhatIsNotThereYetIsUnimplemented) {
  ApiHarness h;
  for (const char* path : {"/etcdserverpb.KV/Compact", "/etcdserverpb.Lease/LeaseGrant",
                           "/etcdserverpb.Auth/AuthStatus", "/etcdserverpb.KV/Nonsense"}) {
    EXPECT_EQ(h.CallBytes(path, "").status().code(), StatusCode::kUnimplemented) << path;
  }
}

std::string HealthBytes(grpc::health::v1::HealthCheckResponse::ServingStatus status) {
  grpc::health::v1::HealthCheckResponse response;
  response.set_status(status);
  return response.SerializeAsString();
}

TEST(HealthService, CheckAndWatch) {
  ApiHarness h;
  const std::string serving = HealthBytes(grpc::health::v1::HealthCheckResponse::SERVING);
  const std::string not_serving = HealthBytes(grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(*h.CallBytes(kCheck, ""), serving);
  EXPECT_EQ(h.CallBytes(kCheck, "\x0a\x01x").status(),
            Status(StatusCode::kNotFound, "unknown service"));
  ApiHarness::Stream known, unknown;
  h.Open("/grpc.health.v1.Health/Watch", "", &known);
  h.Open("/grpc.health.v1.Health/Watch", "\x0a\x01x", &unknown);
  const auto wait = [&](size_t messages) {
    return h.world().RunUntil(h.world().now() + env::seconds(5),
                              [&] { return known.messages.size() == messages; });
  };
  ASSERT_TRUE(wait(1));
  h.OnServer([&] {
    h.replica().leader_now = kNobody;
    h.api().OnReplicaChanged();
    h.api().OnReplicaChanged();
  });
  ASSERT_TRUE(wait(2));
  EXPECT_EQ(*h.CallBytes(kCheck, ""), not_serving);
  h.OnServer([&] {
    h.replica().leader_now = kOther;
    h.api().OnReplicaChanged();
  });
  ASSERT_TRUE(wait(3));
  EXPECT_EQ(known.messages, (std::vector<std::string>{serving, not_serving, serving}));
  EXPECT_EQ(unknown.messages, std::vector<std::string>{HealthBytes(
                                  grpc::health::v1::HealthCheckResponse::SERVICE_UNKNOWN)});
  EXPECT_FALSE(known.done.has_value());
}

TEST(Endpoints, Health) {
  ApiHarness h;
  std::string reply = h.Http("/health");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(reply, HasSubstr("{\"health\":\"true\",\"reason\":\"\"}"));
  EXPECT_EQ(h.replica().reads, 1);
  EXPECT_THAT(h.Http("/health?serializable=true"), HasSubstr("\"true\""));
  EXPECT_EQ(h.replica().reads, 1);
  h.replica().read_error = Status(StatusCode::kUnavailable, "said \"no\"");
  EXPECT_THAT(h.Http("/health"),
              HasSubstr("{\"health\":\"false\",\"reason\":\"RANGE ERROR:said \\\"no\\\"\"}"));
  h.replica().leader_now = kNobody;
  reply = h.Http("/health");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(reply, HasSubstr("{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}"));
  EXPECT_THAT(h.Http("/health?serializable=true"), StartsWith("HTTP/1.1 200"));
  h.replica().health_now = Status(StatusCode::kInternal, "disk gone");
  EXPECT_THAT(h.Http("/health?serializable=true"), HasSubstr("STOPPED:disk gone"));
  EXPECT_THAT(h.Http("/health", "DELETE"), StartsWith("HTTP/1.1 405"));
}

TEST(Endpoints, LivezAndReadyz) {
  ApiHarness h;
  EXPECT_THAT(h.Http("/livez"), HasSubstr("\r\n\r\nok\n"));
  EXPECT_THAT(h.Http("/livez?verbose"), HasSubstr("\r\n\r\n[+]serializable_read ok\nok\n"));
  EXPECT_THAT(h.Http("/readyz?verbose=1"),
              HasSubstr("\r\n\r\n[+]data_corruption ok\n[+]serializable_read ok\n"
                        "[+]linearizable_read ok\n[+]non_learner ok\nok\n"));
  h.replica().read_error = Status(StatusCode::kUnavailable, "etcdserver: no leader");
  const std::string reply = h.Http("/readyz");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(reply, HasSubstr("[-]linearizable_read failed: etcdserver: no leader\n"));
  EXPECT_THAT(h.Http("/readyz?verbose&exclude=linearizable_read&exclude=nonsense"),
              HasSubstr("[+]linearizable_read excluded: ok\n[+]non_learner ok\nwarn: some health "
                        "checks cannot be excluded: no matches for \"nonsense\"\nok\n"));
  EXPECT_THAT(h.Http("/readyz/serializable_read?verbose"),
              HasSubstr("\r\n\r\n[+]serializable_read ok\nok\n"));
  EXPECT_THAT(h.Http("/readyz/linearizable_read"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(h.Http("/livez/linearizable_read"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(h.Http("/livez"), StartsWith("HTTP/1.1 200"));
  h.replica().health_now = Status(StatusCode::kDataLoss, "damaged");
  EXPECT_THAT(h.Http("/livez"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(h.Http("/readyz/data_corruption"), HasSubstr("[-]data_corruption failed: damaged"));
}

TEST(Endpoints, Version) {
  ApiHarness h;
  EXPECT_THAT(h.Http("/version"),
              HasSubstr("\r\n\r\n{\"etcdserver\":\"3.5.13\",\"etcdcluster\":\"3.5.0\"}"));
}

TEST(Endpoints, Metrics) {
  ApiHarness h;
  ASSERT_TRUE(h.Call<etcdserverpb::PutResponse>(kPut, MakePut("k", "v")).ok());
  EXPECT_FALSE(h.Call<etcdserverpb::PutResponse>(kPut, MakePut("", "v")).ok());
  ASSERT_TRUE(h.Call<etcdserverpb::RangeResponse>(kRange, MakeRange("k")).ok());
  h.OnServer([&] {
    h.api().OnWalSync(env::microseconds(1500));
    h.api().OnWalSync(env::seconds(20));
  });
  const std::string page = h.Http("/metrics");
  EXPECT_THAT(page, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  for (const char* line : {
           "etcd_server_has_leader 1\n",
           "etcd_server_is_leader 1\n",
           "etcd_server_id{server_id=\"11\"} 1\n",
           "etcd_server_version{server_version=\"3.5.13\"} 1\n",
           "etcd_cluster_version{cluster_version=\"3.5\"} 1\n",
           "# TYPE etcd_server_proposals_committed_total "
           "gauge\netcd_server_proposals_committed_total 99\n",
           "etcd_mvcc_put_total 1\n",
           "etcd_mvcc_range_total 1\n",
           "etcd_debugging_mvcc_keys_total 1\n",
           "etcd_disk_wal_fsync_duration_seconds_count 2\n",
           "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 0\n",
           "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.002\"} 1\n",
           "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"8.192\"} 1\n",
           "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"+Inf\"} 2\n",
           "etcd_network_peer_sent_bytes_total{To=\"22\"} 5\n",
           "etcd_network_active_peers{Local=\"11\",Remote=\"22\"} 1\n",
           "grpc_server_started_total{grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\",grpc_"
           "type=\"unary\"} 2\n",
           "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Put\",grpc_service="
           "\"etcdserverpb.KV\",grpc_type=\"unary\"} 1\n",
           "grpc_server_handled_total{grpc_code=\"InvalidArgument\",grpc_method=\"Put\",grpc_"
           "service=\"etcdserverpb.KV\",grpc_type=\"unary\"} 1\n",
           "grpc_type=\"server_stream\"} 0\n",
           "process_open_fds ",
       }) {
    EXPECT_THAT(page, HasSubstr(line));
  }
}

}  // namespace
}  // namespace cairn::api::etcd
