#include "src/apply/answer.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace cairn::apply {
namespace {

bool IsFiltered(const RangeRequest& r) {
  return r.min_mod_revision != 0 || r.max_mod_revision != 0 || r.min_create_revision != 0 ||
         r.max_create_revision != 0;
}

mvcc::RangeQuery QueryOf(const RangeRequest& r) {
  mvcc::RangeQuery query;
  query.keys = {r.key, r.range_end};
  query.revision = std::max<int64_t>(r.revision, 0);
  query.limit = std::max<int64_t>(r.limit, 0);
  query.keys_only = r.keys_only;
  query.count_only = r.count_only;
  query.min_mod_revision = r.min_mod_revision;
  query.max_mod_revision = r.max_mod_revision;
  query.min_create_revision = r.min_create_revision;
  query.max_create_revision = r.max_create_revision;
  return query;
}

void AppendRangeEnd(bool more, int64_t count, std::string* to) {
  ProtoWriter writer(to);
  writer.Bool(3, more);
  writer.Int64(4, count);
}

// In key order, as the store visits: from its memory straight into the answer.
Status AppendInKeyOrder(ReadView& view, const RangeRequest& r, std::string* to) {
  mvcc::RangeQuery query = QueryOf(r);
  const int64_t limit = query.limit;
  // Behind a filter one key more is asked for: only its visit tells that the limit cut something.
  const bool probe = limit > 0 && limit < INT64_MAX && IsFiltered(r);
  if (probe) ++query.limit;
  int64_t visited = 0;
  bool too_large = false;
  const Result<mvcc::RangeSummary> summary = view.Range(query, [&](const mvcc::KeyValue& kv) {
    if (limit > 0 && ++visited > limit) return;
    too_large = too_large || to->size() > kMaxAnswerBytes;
    if (!too_large) AppendKeyValue(2, kv, to);
  });
  if (!summary) return summary.status();
  if (too_large) return AnswerTooLarge();
  const bool more = probe ? visited > limit : summary->more;
  AppendRangeEnd(more && !r.count_only, summary->count, to);
  return OkStatus();
}

// One key of a sorted answer: where its field stands in the gathered bytes, and what it is sorted
// by.
struct Sortable {
  size_t begin, size;
  int64_t number;
  size_t value_begin, value_size;
};

int64_t SortNumber(SortTarget target, const mvcc::KeyValue& kv) {
  switch (target) {
    case SortTarget::kVersion:
      return kv.version;
    case SortTarget::kCreate:
      return kv.create_revision;
    case SortTarget::kMod:
      return kv.mod_revision;
    default:
      return 0;
  }
}

// Everything that may be in the answer is gathered, then sorted, then cut. What is equal stays in
// key order.
Status AppendSorted(ReadView& view, const RangeRequest& r, bool descending, std::string* to) {
  const bool by_value = r.sort_target == SortTarget::kValue;
  mvcc::RangeQuery query = QueryOf(r);
  const int64_t limit = query.limit;
  query.keys_only = r.keys_only && !by_value;
  // Without an explicit order the limit applies before the sort: etcd reads one key too many, sorts
  // what it has, and cuts that one off.
  const bool cut_first = r.sort_order == SortOrder::kNone && !IsFiltered(r);
  query.limit = cut_first && limit > 0 && limit < INT64_MAX ? limit + 1 : 0;

  std::string fields, values;
  std::vector<Sortable> found;
  bool too_large = false;
  const Result<mvcc::RangeSummary> summary = view.Range(query, [&](const mvcc::KeyValue& kv) {
    too_large = too_large || fields.size() + values.size() > kMaxAnswerBytes;
    if (too_large) return;
    Sortable item{fields.size(), 0, SortNumber(r.sort_target, kv), values.size(), kv.value.size()};
    if (by_value) values.append(kv.value);
    mvcc::KeyValue shown = kv;
    if (r.keys_only) shown.value = {};
    AppendKeyValue(2, shown, &fields);
    item.size = fields.size() - item.begin;
    found.push_back(item);
  });
  if (!summary) return summary.status();
  if (too_large) return AnswerTooLarge();

  if (r.sort_target == SortTarget::kKey) {
    if (descending) std::reverse(found.begin(), found.end());
  } else {
    const auto value = [&](const Sortable& s) {
      return std::string_view(values).substr(s.value_begin, s.value_size);
    };
    std::stable_sort(found.begin(), found.end(), [&](const Sortable& a, const Sortable& b) {
      const Sortable& low = descending ? b : a;
      const Sortable& high = descending ? a : b;
      return by_value ? value(low) < value(high) : low.number < high.number;
    });
  }
  const bool more = limit > 0 && found.size() > static_cast<uint64_t>(limit);
  if (more) found.resize(static_cast<size_t>(limit));
  for (const Sortable& item : found) to->append(fields, item.begin, item.size);
  AppendRangeEnd(more, summary->count, to);
  return OkStatus();
}

}  // namespace

Status AnswerTooLarge() {
  return {StatusCode::kResourceExhausted,
          "etcdserver: the answer is too large, ask for fewer keys with limit or a narrower range"};
}

// Every answer passes here: written on the stack, appended once.
void AppendHeader(const HeaderBase& base, int64_t revision, std::string* to) {
  char buffer[2 + 4 * 11];
  char* const body = buffer + 2;
  char* at = ProtoWriter::PutVarintField(body, 1, base.cluster.value);
  at = ProtoWriter::PutVarintField(at, 2, base.member.value);
  at = ProtoWriter::PutVarintField(at, 3, static_cast<uint64_t>(revision));
  at = ProtoWriter::PutVarintField(at, 4, base.term.value);
  buffer[0] = static_cast<char>(ProtoKey(1, ProtoType::kBytes));
  buffer[1] = static_cast<char>(at - body);  // at most 44: a length of one byte
  to->append(buffer, static_cast<size_t>(at - buffer));
}

void AppendKeyValue(uint32_t field, const mvcc::KeyValue& kv, std::string* to) {
  char numbers[3 * 11];
  char* at = ProtoWriter::PutVarintField(numbers, 2, static_cast<uint64_t>(kv.create_revision));
  at = ProtoWriter::PutVarintField(at, 3, static_cast<uint64_t>(kv.mod_revision));
  at = ProtoWriter::PutVarintField(at, 4, static_cast<uint64_t>(kv.version));
  const auto size = static_cast<size_t>(at - numbers);
  const auto lease = static_cast<uint64_t>(kv.lease);
  ProtoWriter writer(to);
  writer.Prefix(field, ProtoWriter::BytesFieldSize(kv.key.size()) + size +
                           ProtoWriter::BytesFieldSize(kv.value.size()) +
                           ProtoWriter::VarintFieldSize(lease));
  writer.Bytes(1, kv.key);
  to->append(numbers, size);
  writer.Bytes(5, kv.value);
  writer.Varint(6, lease);
}

Status AppendRange(ReadView& view, const RangeRequest& request, const HeaderBase& base,
                   std::string* to) {
  const size_t start = to->size();
  AppendHeader(base, view.revision(), to);
  const bool descending = request.sort_order == SortOrder::kDescend;
  const bool sorted =
      !request.count_only && (request.sort_target != SortTarget::kKey || descending);
  Status status =
      sorted ? AppendSorted(view, request, descending, to) : AppendInKeyOrder(view, request, to);
  if (!status.ok()) to->resize(start);
  return status;
}

}  // namespace cairn::apply
