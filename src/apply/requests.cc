#include "src/apply/requests.h"

#include <utility>

#include "src/base/proto.h"

namespace cairn::apply {
namespace {

constexpr uint32_t Varint(uint32_t field) { return ProtoKey(field, ProtoType::kVarint); }
constexpr uint32_t Bytes(uint32_t field) { return ProtoKey(field, ProtoType::kBytes); }

bool ParseCompare(std::string_view message, Compare* to) {
  ProtoReader reader(message);
  const auto number = [&](CompareTarget target) {
    to->given_for = target;
    to->number = reader.int64();
    to->value = {};
  };
  while (reader.Next()) {
    switch (reader.key()) {
      case Varint(1):
        to->result = CompareResult{reader.int32()};
        break;
      case Varint(2):
        to->target = CompareTarget{reader.int32()};
        break;
      case Bytes(3):
        to->key = reader.bytes();
        break;
      case Varint(4):
        number(CompareTarget::kVersion);
        break;
      case Varint(5):
        number(CompareTarget::kCreate);
        break;
      case Varint(6):
        number(CompareTarget::kMod);
        break;
      case Bytes(7):
        to->given_for = CompareTarget::kValue;
        to->value = reader.bytes();
        to->number = 0;
        break;
      case Varint(8):
        number(CompareTarget::kLease);
        break;
      case Bytes(64):
        to->range_end = reader.bytes();
        break;
    }
  }
  return reader.ok();
}

ParseOutcome ParseTxn(std::string_view message, size_t max_operations, int depth, TxnRequest* to);

template <class Request>
ParseOutcome ParseInto(std::string_view message, RequestOp* to) {
  Request request;
  if (!Parse(message, &request)) return ParseOutcome::kMalformed;
  *to = request;
  return ParseOutcome::kOk;
}

// If a client sets several operations in one message, the last one counts.
ParseOutcome ParseOp(std::string_view message, size_t max_operations, int depth, RequestOp* to) {
  ProtoReader reader(message);
  while (reader.Next()) {
    ParseOutcome outcome = ParseOutcome::kOk;
    switch (reader.key()) {
      case Bytes(1):
        outcome = ParseInto<RangeRequest>(reader.bytes(), to);
        break;
      case Bytes(2):
        outcome = ParseInto<PutRequest>(reader.bytes(), to);
        break;
      case Bytes(3):
        outcome = ParseInto<DeleteRangeRequest>(reader.bytes(), to);
        break;
      case Bytes(4): {
        auto txn = std::make_unique<TxnRequest>();
        outcome = ParseTxn(reader.bytes(), max_operations, depth - 1, txn.get());
        *to = std::move(txn);
        break;
      }
    }
    if (outcome != ParseOutcome::kOk) return outcome;
  }
  return reader.ok() ? ParseOutcome::kOk : ParseOutcome::kMalformed;
}

ParseOutcome AddOp(std::string_view message, size_t max_operations, int depth,
                   std::vector<RequestOp>* to) {
  if (to->size() == max_operations) return ParseOutcome::kTooMany;
  return ParseOp(message, max_operations, depth, &to->emplace_back());
}

ParseOutcome ParseTxn(std::string_view message, size_t max_operations, int depth, TxnRequest* to) {
  if (depth == 0) return ParseOutcome::kMalformed;
  ProtoReader reader(message);
  while (reader.Next()) {
    ParseOutcome outcome = ParseOutcome::kOk;
    switch (reader.key()) {
      case Bytes(1):
        if (to->compare.size() == max_operations) return ParseOutcome::kTooMany;
        if (!ParseCompare(reader.bytes(), &to->compare.emplace_back())) {
          return ParseOutcome::kMalformed;
        }
        break;
      case Bytes(2):
        outcome = AddOp(reader.bytes(), max_operations, depth, &to->success);
        break;
      case Bytes(3):
        outcome = AddOp(reader.bytes(), max_operations, depth, &to->failure);
        break;
    }
    if (outcome != ParseOutcome::kOk) return outcome;
  }
  return reader.ok() ? ParseOutcome::kOk : ParseOutcome::kMalformed;
}

}  // namespace

bool Parse(std::string_view message, PutRequest* to) {
  ProtoReader reader(message);
  while (reader.Next()) {
    switch (reader.key()) {
      case Bytes(1):
        to->key = reader.bytes();
        break;
      case Bytes(2):
        to->value = reader.bytes();
        break;
      case Varint(3):
        to->lease = reader.int64();
        break;
      case Varint(4):
        to->prev_kv = reader.boolean();
        break;
      case Varint(5):
        to->ignore_value = reader.boolean();
        break;
      case Varint(6):
        to->ignore_lease = reader.boolean();
        break;
    }
  }
  return reader.ok();
}

bool Parse(std::string_view message, DeleteRangeRequest* to) {
  ProtoReader reader(message);
  while (reader.Next()) {
    switch (reader.key()) {
      case Bytes(1):
        to->key = reader.bytes();
        break;
      case Bytes(2):
        to->range_end = reader.bytes();
        break;
      case Varint(3):
        to->prev_kv = reader.boolean();
        break;
    }
  }
  return reader.ok();
}

bool Parse(std::string_view message, RangeRequest* to) {
  ProtoReader reader(message);
  while (reader.Next()) {
    switch (reader.key()) {
      case Bytes(1):
        to->key = reader.bytes();
        break;
      case Bytes(2):
        to->range_end = reader.bytes();
        break;
      case Varint(3):
        to->limit = reader.int64();
        break;
      case Varint(4):
        to->revision = reader.int64();
        break;
      case Varint(5):
        to->sort_order = SortOrder{reader.int32()};
        break;
      case Varint(6):
        to->sort_target = SortTarget{reader.int32()};
        break;
      case Varint(7):
        to->serializable = reader.boolean();
        break;
      case Varint(8):
        to->keys_only = reader.boolean();
        break;
      case Varint(9):
        to->count_only = reader.boolean();
        break;
      case Varint(10):
        to->min_mod_revision = reader.int64();
        break;
      case Varint(11):
        to->max_mod_revision = reader.int64();
        break;
      case Varint(12):
        to->min_create_revision = reader.int64();
        break;
      case Varint(13):
        to->max_create_revision = reader.int64();
        break;
    }
  }
  return reader.ok();
}

ParseOutcome Parse(std::string_view message, size_t max_operations, TxnRequest* to) {
  return ParseTxn(message, max_operations, kMaxTxnDepth, to);
}

}  // namespace cairn::apply
