// etcdserverpb.KV: Range, Put, DeleteRange and Txn.
//
// Writes go through the log; the bytes of the request are the command. Reads wait until everything
// that was acknowledged before them is applied here (ReadIndex), unless the client says
// `serializable`: then they are answered at once, from what this member has.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "src/api/etcd/services.h"
#include "src/apply/command.h"
#include "src/apply/requests.h"
#include "src/http/server.h"

namespace cairn::api::etcd {

class KvService {
 public:
  // Registers the methods with the server. Outlives the server's and the replica's use of it.
  explicit KvService(Services& services);
  KvService(const KvService&) = delete;
  KvService& operator=(const KvService&) = delete;

  uint64_t ranges() const {
    return ranges_;
  }  // answered since the start, those in read-only transactions too

 private:
  void Range(const http::CallInfo& info, std::string_view message, http::UnaryCall call);
  void Put(const http::CallInfo& info, std::string_view message, http::UnaryCall call);
  void DeleteRange(const http::CallInfo& info, std::string_view message, http::UnaryCall call);
  void Txn(const http::CallInfo& info, std::string_view message, http::UnaryCall call);

  void Propose(apply::CommandKind kind, const http::CallInfo& info, std::string_view message,
               http::UnaryCall call);
  void AnswerRange(const apply::RangeRequest& request, http::UnaryCall& call);
  void AnswerTxn(const apply::TxnRequest& request, http::UnaryCall& call);

  Services& services_;
  std::string
      command_;  // of the write that is being proposed; kept so that it need not be allocated
  uint64_t ranges_ = 0;
};

}  // namespace cairn::api::etcd
