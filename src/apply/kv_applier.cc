#include "src/apply/kv_applier.h"

#include <utility>

#include "src/apply/requests.h"
#include "src/apply/txn.h"

namespace cairn::apply {
namespace {

Status Malformed() {
  return {StatusCode::kInvalidArgument, "etcdserver: the request cannot be parsed"};
}

// Everything that a header and a small answer need, so that the string grows once.
constexpr size_t kSmallAnswerBytes = 48;

Result<std::string> Finish(ApplyContext& context, Done done, std::string answer) {
  if (!done.store.ok()) [[unlikely]] {
    context.store_failure = done.store;
    return done.store;
  }
  if (!done.answer.ok()) [[unlikely]] {
    return Status::OutcomeUnknown(done.answer.code(), done.answer.message());
  }
  return answer;
}

// A read on the way to a decision: OutOfRange is an answer, anything else a failed store.
Status Refuse(ApplyContext& context, Status status) {
  const bool refusal = status.code() == StatusCode::kOutOfRange ||
                       status.code() == StatusCode::kInvalidArgument ||
                       status.code() == StatusCode::kNotFound;
  if (!refusal) context.store_failure = status;
  return status;
}

Result<std::string> ApplyPut(ApplyContext& context, std::string_view body) {
  PutRequest put;
  if (!Parse(body, &put)) [[unlikely]]
    return Malformed();
  if (Status status = CheckLease(put.lease); !status.ok()) return status;
  mvcc::WriteTxn& txn = context.txn();
  TxnView view(txn);
  if (Status status = CheckKept(view, put); !status.ok()) {
    return Refuse(context, std::move(status));
  }
  std::string answer;
  if (context.reply_wanted) answer.reserve(kSmallAnswerBytes);
  Done done = DoPut(txn, put, context.header, context.reply_wanted ? &answer : nullptr);
  ++context.stats.puts;
  context.stats.put_bytes += put.key.size() + put.value.size();
  return Finish(context, std::move(done), std::move(answer));
}

Result<std::string> ApplyDeleteRange(ApplyContext& context, std::string_view body) {
  DeleteRangeRequest request;
  if (!Parse(body, &request)) [[unlikely]]
    return Malformed();
  std::string answer;
  Done done = DoDeleteRange(context.txn(), request, context.header,
                            context.reply_wanted ? &answer : nullptr);
  ++context.stats.deletes;
  return Finish(context, std::move(done), std::move(answer));
}

Result<std::string> ApplyTxn(ApplyContext& context, std::string_view body) {
  TxnRequest request;
  // How many operations are allowed is a setting of the member that took the request, so it is not
  // asked here.
  if (Parse(body, kNoOperationLimit, &request) != ParseOutcome::kOk) [[unlikely]]
    return Malformed();
  mvcc::WriteTxn& txn = context.txn();
  TxnView view(txn);
  const Result<TxnPath> path = DecideTxn(view, request);
  if (!path) return Refuse(context, path.status());
  if (Status status = CheckTxn(view, request, *path); !status.ok()) {
    return Refuse(context, std::move(status));
  }
  std::string answer;
  Done done = DoTxn(txn, request, *path, context.header, context.reply_wanted ? &answer : nullptr);
  ++context.stats.txns;
  return Finish(context, std::move(done), std::move(answer));
}

}  // namespace

Result<std::string> KvApplier::Apply(ApplyContext& context, CommandKind kind,
                                     std::string_view body) {
  switch (kind) {
    case CommandKind::kPut:
      return ApplyPut(context, body);
    case CommandKind::kDeleteRange:
      return ApplyDeleteRange(context, body);
    case CommandKind::kTxn:
      return ApplyTxn(context, body);
    default:
      return next_->Apply(context, kind, body);
  }
}

}  // namespace cairn::apply
