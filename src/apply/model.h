// For tests: the KV service written down as plainly as possible, over generated messages and a map
// that keeps every version. Slow, and deliberately unlike the real one. It takes what the front end
// lets through.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proto/etcd/rpc.pb.h"
#include "src/base/status.h"

namespace cairn::apply {

class Model {
 public:
  Result<etcdserverpb::RangeResponse> Range(const etcdserverpb::RangeRequest& request) const;
  Result<etcdserverpb::PutResponse> Put(const etcdserverpb::PutRequest& request);
  etcdserverpb::DeleteRangeResponse DeleteRange(const etcdserverpb::DeleteRangeRequest& request);
  Result<etcdserverpb::TxnResponse> Txn(const etcdserverpb::TxnRequest& request);

  int64_t revision() const { return revision_; }

 private:
  // One state of all keys.
  using State = std::map<std::string, mvccpb::KeyValue>;

  static std::vector<mvccpb::KeyValue> Find(const State& state, const std::string& key,
                                            const std::string& range_end);
  bool Holds(const State& state, const etcdserverpb::TxnRequest& request) const;
  Status Check(const State& before, const etcdserverpb::TxnRequest& request) const;
  etcdserverpb::TxnResponse Do(const State& before, const etcdserverpb::TxnRequest& request,
                               State* now, bool* changed);
  static etcdserverpb::RangeResponse RangeOf(const State& state,
                                             const etcdserverpb::RangeRequest& request);
  etcdserverpb::PutResponse DoPut(const etcdserverpb::PutRequest& request, State* now,
                                  bool* changed) const;
  etcdserverpb::DeleteRangeResponse DoDelete(const etcdserverpb::DeleteRangeRequest& request,
                                             State* now, bool* changed) const;
  void Keep(State now, bool changed);

  int64_t revision_ = 1;
  std::map<int64_t, State> states_ = {{1, {}}};
};

}  // namespace cairn::apply
