#include "src/apply/txn.h"

#include <optional>
#include <string_view>
#include <utility>

#include "src/base/check.h"
#include "src/base/proto.h"

namespace cairn::apply {
namespace {

// ---- Conditions ----

int Order(int64_t a, int64_t b) { return a < b ? -1 : a > b ? 1 : 0; }

// Left of the comparison stands the key, right what the client gave. An unknown target compares as
// equal, an unknown result always holds, as in etcd.
bool Holds(const Compare& c, const mvcc::KeyValue& kv) {
  const bool given = c.given_for == c.target;
  const int64_t number = given ? c.number : 0;
  int order = 0;
  switch (c.target) {
    case CompareTarget::kVersion:
      order = Order(kv.version, number);
      break;
    case CompareTarget::kCreate:
      order = Order(kv.create_revision, number);
      break;
    case CompareTarget::kMod:
      order = Order(kv.mod_revision, number);
      break;
    case CompareTarget::kValue:
      order = kv.value.compare(given ? c.value : std::string_view());
      break;
    case CompareTarget::kLease:
      order = Order(kv.lease, number);
      break;
  }
  switch (c.result) {
    case CompareResult::kEqual:
      return order == 0;
    case CompareResult::kGreater:
      return order > 0;
    case CompareResult::kLess:
      return order < 0;
    case CompareResult::kNotEqual:
      return order != 0;
  }
  return true;
}

Result<bool> Holds(ReadView& view, const Compare& c) {
  mvcc::RangeQuery query;
  query.keys = {c.key, c.range_end};
  query.keys_only = c.target != CompareTarget::kValue;
  bool any = false;
  bool all = true;
  const Result<mvcc::RangeSummary> summary = view.Range(query, [&](const mvcc::KeyValue& kv) {
    any = true;
    all = all && Holds(c, kv);
  });
  if (!summary) return summary.status();
  if (any) return all;
  // There is no way to say "no value" on the wire, so a comparison with one that is missing fails.
  return c.target != CompareTarget::kValue && Holds(c, mvcc::KeyValue{});
}

Result<bool> AllHold(ReadView& view, const std::vector<Compare>& compares) {
  for (const Compare& c : compares) {
    const Result<bool> holds = Holds(view, c);
    if (!holds || !*holds) return holds;
  }
  return true;
}

Status Decide(ReadView& view, const TxnRequest& txn, TxnPath* path) {
  const Result<bool> holds = AllHold(view, txn.compare);
  if (!holds) return holds.status();
  path->push_back(*holds);
  for (const RequestOp& op : *holds ? txn.success : txn.failure) {
    const auto* nested = std::get_if<std::unique_ptr<TxnRequest>>(&op);
    if (nested == nullptr) continue;
    if (Status status = Decide(view, **nested, path); !status.ok()) return status;
  }
  return OkStatus();
}

// Walks along a path: asked once for each transaction, in the order of Decide.
class PathWalk {
 public:
  explicit PathWalk(const TxnPath& path) : path_(path) {}
  bool Next() {
    CHECK_LT(at_, path_.size());
    return path_[at_++];
  }

 private:
  const TxnPath& path_;
  size_t at_ = 0;
};

// ---- Checks ----

// Reads next to nothing at the revision, to learn whether it is there.
Status CheckRevision(ReadView& view, const RangeRequest& range) {
  if (range.revision <= 0) return OkStatus();
  mvcc::RangeQuery query;
  query.keys = {range.key, {}};
  query.revision = range.revision;
  query.count_only = true;
  return view.Range(query, [](const mvcc::KeyValue&) {}).status();
}

enum class CheckPass : uint8_t { kPuts, kRanges };

Status Check(ReadView& view, const TxnRequest& txn, CheckPass pass, PathWalk* walk) {
  for (const RequestOp& op : walk->Next() ? txn.success : txn.failure) {
    Status status;
    if (const auto* put = std::get_if<PutRequest>(&op);
        put != nullptr && pass == CheckPass::kPuts) {
      status = CheckKept(view, *put);
      if (status.ok()) status = CheckLease(put->lease);
    } else if (const auto* range = std::get_if<RangeRequest>(&op);
               range != nullptr && pass == CheckPass::kRanges) {
      status = CheckRevision(view, *range);
    } else if (const auto* nested = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
      status = Check(view, **nested, pass, walk);
    }
    if (!status.ok()) return status;
  }
  return OkStatus();
}

// ---- Doing ----

bool OnlyRanges(const std::vector<RequestOp>& ops) {
  for (const RequestOp& op : ops) {
    if (std::holds_alternative<RangeRequest>(op)) continue;
    const auto* nested = std::get_if<std::unique_ptr<TxnRequest>>(&op);
    if (nested == nullptr || !IsReadOnly(**nested)) return false;
  }
  return true;
}

// The numbers of the answers in a ResponseOp.
enum ResponseField : uint32_t { kRangeField = 1, kPutField = 2, kDeleteField = 3, kTxnField = 4 };

// Does the operations of a transaction's taken branches and writes the answers. In a read-only one
// `txn_` is null: then there are only ranges.
class TxnRun {
 public:
  TxnRun(ReadView& view, mvcc::WriteTxn* txn, const TxnPath& path, std::string* to)
      : view_(view), txn_(txn), walk_(path), to_(to) {}

  // Appends all of the TxnResponse but its header.
  void Run(const TxnRequest& request) {
    const bool succeeded = walk_.Next();
    if (to_ != nullptr) ProtoWriter(to_).Bool(2, succeeded);
    for (const RequestOp& op : succeeded ? request.success : request.failure) {
      RunOp(op);
      if (!done_.store.ok()) return;
    }
  }
  const Done& done() const { return done_; }

 private:
  // Inside a transaction only the revision stands in the headers, and nothing in that of a nested
  // one.
  static constexpr HeaderBase kInnerHeader{};

  // Runs `body`, which appends a response, as one ResponseOp with that response as its field
  // `field`.
  template <class Body>
  void Answered(ResponseField field, Body body) {
    if (to_ == nullptr || !done_.answer.ok()) {
      std::string* const to = std::exchange(to_, nullptr);
      body();
      to_ = to;
      return;
    }
    ProtoWriter writer(to_);
    const size_t op = writer.Begin(3);
    const size_t response = writer.Begin(field);
    body();
    writer.End(response);
    writer.End(op);
    if (to_->size() > kMaxAnswerBytes) done_.answer = AnswerTooLarge();
  }
  void Note(Done done) {
    if (!done.store.ok()) done_.store = std::move(done.store);
    if (!done.answer.ok()) done_.answer = std::move(done.answer);
  }

  void RunOp(const RequestOp& op) {
    if (const auto* range = std::get_if<RangeRequest>(&op)) {
      Answered(kRangeField, [&] { RunRange(*range); });
    } else if (const auto* put = std::get_if<PutRequest>(&op)) {
      Answered(kPutField, [&] { Note(DoPut(*txn_, *put, kInnerHeader, to_)); });
    } else if (const auto* erase = std::get_if<DeleteRangeRequest>(&op)) {
      Answered(kDeleteField, [&] { Note(DoDeleteRange(*txn_, *erase, kInnerHeader, to_)); });
    } else if (const auto* nested = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
      Answered(kTxnField, [&] {
        if (to_ != nullptr) AppendHeader(kInnerHeader, 0, to_);
        Run(**nested);
      });
    }
  }
  void RunRange(const RangeRequest& range) {
    if (to_ == nullptr) return;  // it changes nothing, and nobody wants to know
    Status status = AppendRange(view_, range, kInnerHeader, to_);
    if (status.ok()) return;
    if (status.code() == StatusCode::kResourceExhausted ||
        status.code() == StatusCode::kOutOfRange) {
      done_.answer = std::move(status);
    } else {
      done_.store = std::move(status);
    }
  }

  ReadView& view_;
  mvcc::WriteTxn* txn_;
  PathWalk walk_;
  std::string* to_;
  Done done_;
};

// A version of one key, as it stood before the change.
struct Previous {
  bool found = false;
  std::string value;
  int64_t lease = 0;
};

// Appends the previous version as a KeyValue to *shown unless that is null.
Result<Previous> ReadPrevious(mvcc::WriteTxn& txn, std::string_view key, bool keep_value,
                              std::string* shown) {
  Previous previous;
  mvcc::RangeQuery query;
  query.keys = {key, {}};
  query.keys_only = !keep_value && shown == nullptr;
  const Result<mvcc::RangeSummary> summary = txn.Range(query, [&](const mvcc::KeyValue& kv) {
    previous.found = true;
    previous.lease = kv.lease;
    if (keep_value) previous.value = kv.value;
    if (shown != nullptr) AppendKeyValue(2, kv, shown);
  });
  if (!summary) return summary.status();
  return previous;
}

}  // namespace

Status CheckLease(int64_t lease) {
  // No lease can exist before there is a way to grant one.
  if (lease == 0) return OkStatus();
  return {StatusCode::kNotFound, "etcdserver: requested lease not found"};
}

Status CheckKept(ReadView& view, const PutRequest& put) {
  if (!put.ignore_value && !put.ignore_lease) return OkStatus();
  mvcc::RangeQuery query;
  query.keys = {put.key, {}};
  query.count_only = true;
  const Result<mvcc::RangeSummary> summary = view.Range(query, [](const mvcc::KeyValue&) {});
  if (!summary) return summary.status();
  if (summary->count > 0) return OkStatus();
  return {StatusCode::kInvalidArgument, "etcdserver: key not found"};
}

Result<TxnPath> DecideTxn(ReadView& view, const TxnRequest& txn) {
  TxnPath path;
  if (Status status = Decide(view, txn, &path); !status.ok()) return status;
  return path;
}

Status CheckTxn(ReadView& view, const TxnRequest& txn, const TxnPath& path) {
  for (const CheckPass pass : {CheckPass::kPuts, CheckPass::kRanges}) {
    PathWalk walk(path);
    if (Status status = Check(view, txn, pass, &walk); !status.ok()) return status;
  }
  return OkStatus();
}

bool IsReadOnly(const TxnRequest& txn) {
  return OnlyRanges(txn.success) && OnlyRanges(txn.failure);
}

Status AppendReadOnlyTxn(ReadView& view, const TxnRequest& txn, const HeaderBase& base,
                         std::string* to) {
  const Result<TxnPath> path = DecideTxn(view, txn);
  if (!path) return path.status();
  if (Status status = CheckTxn(view, txn, *path); !status.ok()) return status;
  const size_t start = to->size();
  AppendHeader(base, view.revision(), to);
  TxnRun run(view, nullptr, *path, to);
  run.Run(txn);
  const Status status = run.done().store.ok() ? run.done().answer : run.done().store;
  if (!status.ok()) to->resize(start);
  return status;
}

Done DoPut(mvcc::WriteTxn& txn, const PutRequest& put, const HeaderBase& base, std::string* to) {
  const bool show = put.prev_kv && to != nullptr;
  std::string_view value = put.value;
  int64_t lease = put.lease;
  Previous previous;
  std::string shown;
  if (show || put.ignore_value || put.ignore_lease) [[unlikely]] {
    Result<Previous> read = ReadPrevious(txn, put.key, put.ignore_value, show ? &shown : nullptr);
    if (!read) return {read.status(), {}};
    previous = *std::move(read);
    // Checked before the entry changed anything. A request that the front end would have refused
    // (two puts of one key, one after its deletion) may still lead here: then there is nothing to
    // keep.
    if (put.ignore_value) value = previous.value;
    if (put.ignore_lease) lease = previous.lease;
  }
  if (Status status = txn.Put(put.key, value, lease); !status.ok()) return {std::move(status), {}};
  if (to != nullptr) {
    AppendHeader(base, txn.revision(), to);
    to->append(shown);
  }
  return {};
}

Done DoDeleteRange(mvcc::WriteTxn& txn, const DeleteRangeRequest& request, const HeaderBase& base,
                   std::string* to) {
  std::string shown;
  Status answer;
  if (request.prev_kv && to != nullptr) {
    mvcc::RangeQuery query;
    query.keys = {request.key, request.range_end};
    const Result<mvcc::RangeSummary> summary = txn.Range(query, [&](const mvcc::KeyValue& kv) {
      if (shown.size() <= kMaxAnswerBytes) AppendKeyValue(3, kv, &shown);
    });
    if (!summary) return {summary.status(), {}};
    if (shown.size() > kMaxAnswerBytes) answer = AnswerTooLarge();
  }
  const Result<int64_t> deleted = txn.DeleteRange({request.key, request.range_end});
  if (!deleted) return {deleted.status(), {}};
  if (to != nullptr && answer.ok()) {
    AppendHeader(base, txn.revision(), to);
    ProtoWriter(to).Int64(2, *deleted);
    to->append(shown);
  }
  return {OkStatus(), std::move(answer)};
}

Done DoTxn(mvcc::WriteTxn& txn, const TxnRequest& request, const TxnPath& path,
           const HeaderBase& base, std::string* to) {
  TxnView view(txn);
  if (to == nullptr) {
    TxnRun run(view, &txn, path, nullptr);
    run.Run(request);
    return run.done();
  }
  // The header comes first but its revision is known last.
  std::string rest;
  TxnRun run(view, &txn, path, &rest);
  run.Run(request);
  AppendHeader(base, txn.revision(), to);
  to->append(rest);
  return run.done();
}

}  // namespace cairn::apply
