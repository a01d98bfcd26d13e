#include "src/apply/model.h"

#include <algorithm>
#include <utility>

namespace cairn::apply {
namespace {

Status KeyNotFound() { return {StatusCode::kInvalidArgument, "etcdserver: key not found"}; }
Status LeaseNotFound() { return {StatusCode::kNotFound, "etcdserver: requested lease not found"}; }
Status FutureRevision() {
  return {StatusCode::kOutOfRange, "etcdserver: mvcc: required revision is a future revision"};
}

template <class T>
bool Related(etcdserverpb::Compare::CompareResult result, const T& a, const T& b) {
  switch (result) {
    case etcdserverpb::Compare::EQUAL:
      return a == b;
    case etcdserverpb::Compare::GREATER:
      return a > b;
    case etcdserverpb::Compare::LESS:
      return a < b;
    case etcdserverpb::Compare::NOT_EQUAL:
      return a != b;
    default:
      return true;
  }
}

bool KeyHolds(const etcdserverpb::Compare& c, const mvccpb::KeyValue& kv) {
  switch (c.target()) {
    case etcdserverpb::Compare::VERSION:
      return Related(c.result(), kv.version(), c.version());
    case etcdserverpb::Compare::CREATE:
      return Related(c.result(), kv.create_revision(), c.create_revision());
    case etcdserverpb::Compare::MOD:
      return Related(c.result(), kv.mod_revision(), c.mod_revision());
    case etcdserverpb::Compare::VALUE:
      return Related(c.result(), kv.value(), c.value());
    case etcdserverpb::Compare::LEASE:
      return Related(c.result(), kv.lease(), c.lease());
    default:
      return Related(c.result(), 0, 0);
  }
}

bool Filtered(const etcdserverpb::RangeRequest& r) {
  return r.min_mod_revision() || r.max_mod_revision() || r.min_create_revision() ||
         r.max_create_revision();
}

bool Passes(const etcdserverpb::RangeRequest& r, const mvccpb::KeyValue& kv) {
  const auto within = [](int64_t v, int64_t low, int64_t high) {
    return (low == 0 || v >= low) && (high == 0 || v <= high);
  };
  return within(kv.mod_revision(), r.min_mod_revision(), r.max_mod_revision()) &&
         within(kv.create_revision(), r.min_create_revision(), r.max_create_revision());
}

void Sort(const etcdserverpb::RangeRequest& r, std::vector<mvccpb::KeyValue>* kvs) {
  const bool descending = r.sort_order() == etcdserverpb::RangeRequest::DESCEND;
  const auto less = [&](const mvccpb::KeyValue& a, const mvccpb::KeyValue& b) {
    switch (r.sort_target()) {
      case etcdserverpb::RangeRequest::KEY:
        return a.key() < b.key();
      case etcdserverpb::RangeRequest::VERSION:
        return a.version() < b.version();
      case etcdserverpb::RangeRequest::CREATE:
        return a.create_revision() < b.create_revision();
      case etcdserverpb::RangeRequest::MOD:
        return a.mod_revision() < b.mod_revision();
      case etcdserverpb::RangeRequest::VALUE:
        return a.value() < b.value();
      default:
        return false;
    }
  };
  std::stable_sort(kvs->begin(), kvs->end(), [&](const auto& a, const auto& b) {
    return descending ? less(b, a) : less(a, b);
  });
}

}  // namespace

std::vector<mvccpb::KeyValue> Model::Find(const State& state, const std::string& key,
                                          const std::string& range_end) {
  std::vector<mvccpb::KeyValue> found;
  for (const auto& [k, kv] : state) {
    const bool all = range_end.size() == 1 && range_end[0] == '\0';
    if (range_end.empty() ? k == key : k >= key && (all || k < range_end)) found.push_back(kv);
  }
  return found;
}

etcdserverpb::RangeResponse Model::RangeOf(const State& state,
                                           const etcdserverpb::RangeRequest& r) {
  std::vector<mvccpb::KeyValue> kvs = Find(state, r.key(), r.range_end());
  etcdserverpb::RangeResponse response;
  response.set_count(static_cast<int64_t>(kvs.size()));
  if (r.count_only()) return response;
  const size_t limit = r.limit() > 0 ? static_cast<size_t>(r.limit()) : SIZE_MAX;
  const bool fetch_all = r.sort_order() != etcdserverpb::RangeRequest::NONE || Filtered(r);
  if (!fetch_all && limit < kvs.size()) kvs.resize(limit + 1);
  std::erase_if(kvs, [&](const mvccpb::KeyValue& kv) { return !Passes(r, kv); });
  Sort(r, &kvs);
  response.set_more(kvs.size() > limit);
  if (response.more()) kvs.resize(limit);
  for (mvccpb::KeyValue& kv : kvs) {
    if (r.keys_only()) kv.clear_value();
    *response.add_kvs() = std::move(kv);
  }
  return response;
}

Result<etcdserverpb::RangeResponse> Model::Range(const etcdserverpb::RangeRequest& r) const {
  if (r.revision() > revision_) return FutureRevision();
  auto response = RangeOf(states_.at(r.revision() > 0 ? r.revision() : revision_), r);
  response.mutable_header()->set_revision(revision_);
  return response;
}

etcdserverpb::PutResponse Model::DoPut(const etcdserverpb::PutRequest& request, State* now,
                                       bool* changed) const {
  etcdserverpb::PutResponse response;
  response.mutable_header()->set_revision(revision_ + 1);
  const auto old = now->find(request.key());
  mvccpb::KeyValue kv;
  kv.set_key(request.key());
  kv.set_value(request.value());
  kv.set_lease(request.lease());
  kv.set_create_revision(revision_ + 1);
  kv.set_mod_revision(revision_ + 1);
  kv.set_version(1);
  if (old != now->end()) {
    if (request.prev_kv()) *response.mutable_prev_kv() = old->second;
    if (request.ignore_value()) kv.set_value(old->second.value());
    if (request.ignore_lease()) kv.set_lease(old->second.lease());
    kv.set_create_revision(old->second.create_revision());
    kv.set_version(old->second.version() + 1);
  }
  (*now)[request.key()] = kv;
  *changed = true;
  return response;
}

etcdserverpb::DeleteRangeResponse Model::DoDelete(const etcdserverpb::DeleteRangeRequest& request,
                                                  State* now, bool* changed) const {
  etcdserverpb::DeleteRangeResponse response;
  for (const mvccpb::KeyValue& kv : Find(*now, request.key(), request.range_end())) {
    now->erase(kv.key());
    *changed = true;
    response.set_deleted(response.deleted() + 1);
    if (request.prev_kv()) *response.add_prev_kvs() = kv;
  }
  response.mutable_header()->set_revision(revision_ + (*changed ? 1 : 0));
  return response;
}

void Model::Keep(State now, bool changed) {
  if (changed) states_[++revision_] = std::move(now);
}

Result<etcdserverpb::PutResponse> Model::Put(const etcdserverpb::PutRequest& request) {
  State now = states_.at(revision_);
  if (request.lease() != 0) return LeaseNotFound();
  if ((request.ignore_value() || request.ignore_lease()) && !now.count(request.key())) {
    return KeyNotFound();
  }
  bool changed = false;
  etcdserverpb::PutResponse response = DoPut(request, &now, &changed);
  Keep(std::move(now), changed);
  return response;
}

etcdserverpb::DeleteRangeResponse Model::DeleteRange(
    const etcdserverpb::DeleteRangeRequest& request) {
  State now = states_.at(revision_);
  bool changed = false;
  etcdserverpb::DeleteRangeResponse response = DoDelete(request, &now, &changed);
  Keep(std::move(now), changed);
  return response;
}

bool Model::Holds(const State& state, const etcdserverpb::TxnRequest& request) const {
  for (const etcdserverpb::Compare& c : request.compare()) {
    const auto kvs = Find(state, c.key(), c.range_end());
    if (kvs.empty()) {
      if (c.target() == etcdserverpb::Compare::VALUE || !KeyHolds(c, {})) return false;
    }
    for (const auto& kv : kvs) {
      if (!KeyHolds(c, kv)) return false;
    }
  }
  return true;
}

Status Model::Check(const State& before, const etcdserverpb::TxnRequest& request) const {
  const auto& ops = Holds(before, request) ? request.success() : request.failure();
  for (const auto& op : ops) {
    if (op.has_request_put()) {
      const auto& put = op.request_put();
      if ((put.ignore_value() || put.ignore_lease()) && !before.count(put.key())) {
        return KeyNotFound();
      }
      if (put.lease() != 0) return LeaseNotFound();
    } else if (op.has_request_txn()) {
      if (Status s = Check(before, op.request_txn()); !s.ok()) return s;
    }
  }
  return OkStatus();
}

etcdserverpb::TxnResponse Model::Do(const State& before, const etcdserverpb::TxnRequest& request,
                                    State* now, bool* changed) {
  etcdserverpb::TxnResponse response;
  response.mutable_header();
  response.set_succeeded(Holds(before, request));
  for (const auto& op : response.succeeded() ? request.success() : request.failure()) {
    auto& answer = *response.add_responses();
    if (op.has_request_range()) {
      const auto& range = op.request_range();
      const bool past = range.revision() > 0;
      auto& r = *answer.mutable_response_range();
      r = RangeOf(past ? states_.at(range.revision()) : *now, range);
      r.mutable_header()->set_revision(revision_ + (*changed ? 1 : 0));
    } else if (op.has_request_put()) {
      *answer.mutable_response_put() = DoPut(op.request_put(), now, changed);
    } else if (op.has_request_delete_range()) {
      *answer.mutable_response_delete_range() = DoDelete(op.request_delete_range(), now, changed);
    } else {
      *answer.mutable_response_txn() = Do(before, op.request_txn(), now, changed);
    }
  }
  return response;
}

namespace {

// A range on a taken branch at a revision that is not there yet.
template <class Holds>
bool AnyFutureRange(const etcdserverpb::TxnRequest& request, int64_t revision, const Holds& holds) {
  for (const auto& op : holds(request) ? request.success() : request.failure()) {
    if (op.has_request_range() && op.request_range().revision() > revision) return true;
    if (op.has_request_txn() && AnyFutureRange(op.request_txn(), revision, holds)) return true;
  }
  return false;
}

}  // namespace

Result<etcdserverpb::TxnResponse> Model::Txn(const etcdserverpb::TxnRequest& request) {
  const State before = states_.at(revision_);
  if (Status s = Check(before, request); !s.ok()) return s;
  if (AnyFutureRange(request, revision_, [&](const auto& r) { return Holds(before, r); })) {
    return FutureRevision();
  }
  State now = before;
  bool changed = false;
  etcdserverpb::TxnResponse response = Do(before, request, &now, &changed);
  Keep(std::move(now), changed);
  response.mutable_header()->set_revision(revision_);
  return response;
}

}  // namespace cairn::apply
