#include "src/api/etcd/kv_service.h"

#include <utility>

#include "src/api/etcd/validate.h"
#include "src/apply/answer.h"
#include "src/apply/txn.h"
#include "src/apply/view.h"

namespace cairn::api::etcd {
namespace {

// True when every range of the transaction may be answered from this member alone, and there is at
// least one: a transaction of conditions only must not decide them on old data.
bool AllSerializable(const std::vector<apply::RequestOp>& ops, bool* any) {
  for (const apply::RequestOp& op : ops) {
    if (const auto* range = std::get_if<apply::RangeRequest>(&op)) {
      if (!range->serializable) return false;
      *any = true;
    } else if (const auto* txn = std::get_if<std::unique_ptr<apply::TxnRequest>>(&op)) {
      if (!AllSerializable((*txn)->success, any) || !AllSerializable((*txn)->failure, any)) {
        return false;
      }
    }
  }
  return true;
}

bool IsSerializable(const apply::TxnRequest& txn) {
  bool any = false;
  return AllSerializable(txn.success, &any) && AllSerializable(txn.failure, &any) && any;
}

// Parses and checks a request that is not a transaction.
template <class Request>
Status Accept(std::string_view message, Request* request) {
  if (!apply::Parse(message, request)) return MalformedRequest();
  return Validate(*request);
}

Status AcceptTxn(std::string_view message, uint64_t max_operations, apply::TxnRequest* request) {
  switch (apply::Parse(message, max_operations, request)) {
    case apply::ParseOutcome::kOk:
      return Validate(*request, max_operations);
    case apply::ParseOutcome::kTooMany:
      return TooManyOperations();
    case apply::ParseOutcome::kMalformed:
      break;
  }
  return MalformedRequest();
}

}  // namespace

KvService::KvService(Services& services) : services_(services) {
  http::Server& server = services.server;
  const auto handle = [&](const char* path, auto method) {
    server.HandleUnary(path, [this, method](const http::CallInfo& info, std::string_view message,
                                            http::UnaryCall call) {
      if (Status status = services_.Ready(info); !status.ok()) {
        call.Fail(status);
      } else {
        (this->*method)(info, message, std::move(call));
      }
    });
  };
  handle("/etcdserverpb.KV/Range", &KvService::Range);
  handle("/etcdserverpb.KV/Put", &KvService::Put);
  handle("/etcdserverpb.KV/DeleteRange", &KvService::DeleteRange);
  handle("/etcdserverpb.KV/Txn", &KvService::Txn);
}

void KvService::Range(const http::CallInfo& info, std::string_view message, http::UnaryCall call) {
  apply::RangeRequest request;
  if (Status status = Accept(message, &request); !status.ok()) return call.Fail(status);
  if (request.serializable) return AnswerRange(request, call);
  services_.replica.ReadIndex(services_.Deadline(info), [this, bytes = std::string(message),
                                                         call](const Status& status) mutable {
    if (call.cancelled()) return;
    if (!status.ok()) return call.Fail(status);
    apply::RangeRequest again;
    CHECK(apply::Parse(bytes, &again), "the same bytes were parsed before");
    AnswerRange(again, call);
  });
}

void KvService::AnswerRange(const apply::RangeRequest& request, http::UnaryCall& call) {
  ++ranges_;
  apply::StoreView view(services_.store);
  std::string answer;
  const Status status = apply::AppendRange(view, request, services_.header(), &answer);
  if (status.ok()) {
    call.Reply(std::move(answer));
  } else {
    call.Fail(status);
  }
}

void KvService::Put(const http::CallInfo& info, std::string_view message, http::UnaryCall call) {
  apply::PutRequest request;
  if (Status status = Accept(message, &request); !status.ok()) return call.Fail(status);
  Propose(apply::CommandKind::kPut, info, message, std::move(call));
}

void KvService::DeleteRange(const http::CallInfo& info, std::string_view message,
                            http::UnaryCall call) {
  apply::DeleteRangeRequest request;
  if (Status status = Accept(message, &request); !status.ok()) return call.Fail(status);
  Propose(apply::CommandKind::kDeleteRange, info, message, std::move(call));
}

void KvService::Txn(const http::CallInfo& info, std::string_view message, http::UnaryCall call) {
  const uint64_t limit = services_.limits.max_txn_ops;
  apply::TxnRequest request;
  if (Status status = AcceptTxn(message, limit, &request); !status.ok()) return call.Fail(status);
  if (!apply::IsReadOnly(request)) {
    return Propose(apply::CommandKind::kTxn, info, message, std::move(call));
  }
  if (IsSerializable(request)) return AnswerTxn(request, call);
  services_.replica.ReadIndex(services_.Deadline(info), [this, limit, bytes = std::string(message),
                                                         call](const Status& status) mutable {
    if (call.cancelled()) return;
    if (!status.ok()) return call.Fail(status);
    apply::TxnRequest again;
    CHECK(apply::Parse(bytes, limit, &again) == apply::ParseOutcome::kOk,
          "the same bytes were parsed before");
    AnswerTxn(again, call);
  });
}

void KvService::AnswerTxn(const apply::TxnRequest& request, http::UnaryCall& call) {
  ++ranges_;
  apply::StoreView view(services_.store);
  std::string answer;
  const Status status = apply::AppendReadOnlyTxn(view, request, services_.header(), &answer);
  if (status.ok()) {
    call.Reply(std::move(answer));
  } else {
    call.Fail(status);
  }
}

void KvService::Propose(apply::CommandKind kind, const http::CallInfo& info,
                        std::string_view message, http::UnaryCall call) {
  if (message.size() > services_.limits.max_request_bytes) {
    return call.Fail({StatusCode::kInvalidArgument, "etcdserver: request is too large"});
  }
  apply::EncodeCommand(kind, message, &command_);
  services_.replica.Propose(command_, services_.Deadline(info),
                            [call](Result<std::string> reply) mutable {
                              if (reply.ok()) {
                                call.Reply(*std::move(reply));
                              } else {
                                call.Fail(reply.status());
                              }
                            });
}

}  // namespace cairn::api::etcd
