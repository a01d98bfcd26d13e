// For tests: an Applier over a real store, asked with generated messages.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "proto/etcd/rpc.pb.h"
#include "src/apply/applier.h"
#include "src/mvcc/store_harness.h"

namespace cairn::apply {

inline constexpr ClusterId kCluster{0xc1};
inline constexpr NodeId kMember{0x11};

class ApplyHarness {
 public:
  explicit ApplyHarness(uint64_t seed = 1, mvcc::StoreOptions options = {})
      : store_(seed, options) {
    Start();
  }

  mvcc::Store& store() { return store_.store(); }
  mvcc::StoreHarness& harness() { return store_; }
  Applier& applier() { return *applier_; }
  membership::Cluster& cluster() { return *cluster_; }

  Result<std::string> ApplyBytes(std::string_view command, bool reply_wanted = true) {
    return applier_->Apply(store_.next(), command, reply_wanted);
  }
  template <class Response, class Request>
  Result<Response> Apply(CommandKind kind, const Request& request) {
    std::string command;
    EncodeCommand(kind, request.SerializeAsString(), &command);
    const raft::EntryId entry = store_.next();
    const Result<std::string> reply = applier_->Apply(entry, command, true);
    EXPECT_EQ(store().applied(), entry);
    if (!reply.ok()) return reply.status();
    return Parsed<Response>(*reply);
  }
  Result<etcdserverpb::PutResponse> Put(const etcdserverpb::PutRequest& r) {
    return Apply<etcdserverpb::PutResponse>(CommandKind::kPut, r);
  }
  Result<etcdserverpb::DeleteRangeResponse> DeleteRange(const etcdserverpb::DeleteRangeRequest& r) {
    return Apply<etcdserverpb::DeleteRangeResponse>(CommandKind::kDeleteRange, r);
  }
  Result<etcdserverpb::TxnResponse> Txn(const etcdserverpb::TxnRequest& r) {
    return Apply<etcdserverpb::TxnResponse>(CommandKind::kTxn, r);
  }
  Result<etcdserverpb::RangeResponse> Range(const etcdserverpb::RangeRequest& request) {
    const std::string bytes = request.SerializeAsString();
    RangeRequest parsed;
    EXPECT_TRUE(Parse(bytes, &parsed));
    StoreView view(store());
    std::string reply = "untouched";
    const Status status = AppendRange(view, parsed, {kCluster, kMember, Term(1)}, &reply);
    if (!status.ok()) {
      EXPECT_EQ(reply, "untouched");
      return status;
    }
    return Parsed<etcdserverpb::RangeResponse>(reply.substr(9));
  }

  void Restart() {
    applier_.reset();
    cluster_.reset();
    store_.Restart();
    Start();
  }

  template <class Response>
  static Response Parsed(const std::string& bytes) {
    Response response;
    EXPECT_TRUE(response.ParseFromString(bytes)) << ::testing::PrintToString(bytes);
    // What we write by hand is what the generated class would have written.
    EXPECT_EQ(response.SerializeAsString(), bytes);
    return response;
  }

 private:
  void Start() {
    cluster_ = std::make_unique<membership::Cluster>(
        kCluster, store(),
        std::vector<membership::Member>{{kMember, "m", {"http://localhost:2380"}, {}, false}});
    applier_ = std::make_unique<Applier>(store(), *cluster_, kMember);
  }

  mvcc::StoreHarness store_;
  std::unique_ptr<membership::Cluster> cluster_;
  std::unique_ptr<Applier> applier_;
};

}  // namespace cairn::apply
