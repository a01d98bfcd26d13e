#include "src/raft/codec.h"

#include <optional>
#include <utility>
#include <variant>

#include "src/base/wire.h"

namespace cairn::raft {
namespace {

// The first byte. A number is never used again for something else.
enum class Kind : uint8_t {
  kRequestPreVote = 1,
  kRequestPreVoteReply = 2,
  kRequestVote = 3,
  kRequestVoteReply = 4,
  kAppendEntries = 5,
  kAppendEntriesReply = 6,
  kHeartbeat = 7,
  kHeartbeatReply = 8,
  kReadIndex = 9,
  kReadIndexReply = 10,
};
static_assert(std::variant_size_v<MessageBody> == 10, "a new message needs a kind");

// In an entry's first number: the type stands in the low bits, the term's rise over the entry
// before above.
constexpr int kTypeBits = 3;
constexpr uint64_t kTypeMask = (1 << kTypeBits) - 1;
// Pieces of entry data below this are copied together: the copy costs less than a place in a
// gathered write.
constexpr size_t kCopyBelow = 1024;

// ---- Out ----

// Joins the data of `entries` into few pieces: neighbours in memory become one slice, and what is
// still small is copied, at the front into *head, elsewhere into a block of its own.
class BodyWriter {
 public:
  explicit BodyWriter(EncodedMessage* to) : to_(to) {}

  void Add(const SharedBytes& data) {
    if (data.empty() || joined_.TryExtend(data)) return;
    Flush();
    joined_ = data;
  }
  void Finish() {
    Flush();
    FlushSmall();
  }

 private:
  void Flush() {
    if (joined_.empty()) return;
    if (joined_.size() < kCopyBelow) {
      (to_->body.empty() ? to_->head : small_).append(joined_.view());
    } else {
      FlushSmall();
      to_->body.push_back(std::move(joined_));
    }
    joined_ = SharedBytes();
  }
  void FlushSmall() {
    if (small_.empty()) return;
    to_->body.push_back(SharedBytes::Copy(small_));
    small_.clear();
  }

  EncodedMessage* to_;
  SharedBytes joined_;
  std::string small_;
};

void PutEntryId(WireWriter& w, EntryId id) {
  w.Varint(id.term.value);
  w.Varint(id.index.value);
}

class BodyEncoder {
 public:
  BodyEncoder(WireWriter& w, EncodedMessage* to) : w_(w), to_(to) {}

  void operator()(const RequestPreVote& r) { PutEntryId(w_, r.last); }
  void operator()(const RequestPreVoteReply& r) { w_.U8(r.granted); }
  void operator()(const RequestVote& r) { PutEntryId(w_, r.last); }
  void operator()(const RequestVoteReply& r) { w_.U8(r.granted); }
  void operator()(const AppendEntries& a) {
    PutEntryId(w_, a.prev);
    w_.Varint(a.commit.value);
    w_.Varint(a.round);
    w_.Varint(a.entries.size());
    Term before = a.prev.term;
    for (const Entry& e : a.entries) {
      w_.Varint((e.term.value - before.value) << kTypeBits | static_cast<uint64_t>(e.type));
      w_.Varint(e.data.size());
      before = e.term;
    }
    BodyWriter body(to_);
    for (const Entry& e : a.entries) body.Add(e.data);
    body.Finish();
  }
  void operator()(const AppendEntriesReply& r) {
    w_.U8(r.accepted);
    w_.Varint(r.round);
    if (r.accepted) {
      w_.Varint(r.match.value);
    } else {
      w_.Varint(r.rejected.value);
      PutEntryId(w_, r.hint);
    }
  }
  void operator()(const Heartbeat& h) {
    w_.Varint(h.commit.value);
    w_.Varint(h.everywhere.value);
    w_.Varint(h.round);
  }
  void operator()(const HeartbeatReply& r) { w_.Varint(r.round); }
  void operator()(const ReadIndex& r) { w_.U64(r.id.value); }
  void operator()(const ReadIndexReply& r) {
    w_.U64(r.id.value);
    w_.Varint(r.index.value);
  }

 private:
  WireWriter& w_;
  EncodedMessage* to_;
};

// ---- In ----

Status Malformed(const char* what) {
  return {StatusCode::kInvalidArgument, std::string("malformed raft message: ") + what};
}

EntryId ReadEntryId(WireReader& r) {
  const Term term(r.Varint());
  return {term, LogIndex(r.Varint())};
}

// Only 0 and 1 are written for it.
bool ReadBool(WireReader& r, bool* bad) {
  const uint8_t v = r.U8();
  *bad |= v > 1;
  return v == 1;
}

// Reads the entries' headers, then cuts their data out of what is left of `payload`.
Status ReadEntries(WireReader& r, const SharedBytes& payload, AppendEntries* a) {
  const uint64_t count = r.Varint();
  if (count > r.rest().size() / 2)
    return Malformed("more entries than bytes");  // two bytes each at least
  if (a->prev.index.value > UINT64_MAX - count) return Malformed("index overflows");
  std::vector<size_t> sizes(count);
  a->entries.resize(count);
  Term term = a->prev.term;
  LogIndex index = a->prev.index;
  size_t total = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t first = r.Varint();
    const uint64_t size = r.Varint();
    const uint64_t type = first & kTypeMask;
    const uint64_t rise = first >> kTypeBits;
    if (type > static_cast<uint64_t>(EntryType::kConfChange))
      return Malformed("unknown entry type");
    if (rise > UINT64_MAX - term.value) return Malformed("term overflows");
    if (size > payload.size() - total) return Malformed("entry longer than the message");
    term = Term(term.value + rise);
    index = index.Next();
    a->entries[i].term = term;
    a->entries[i].index = index;
    a->entries[i].type = static_cast<EntryType>(type);
    sizes[i] = size;
    total += size;
  }
  if (!r.ok()) return Malformed("cut short");
  if (r.rest().size() != total) return Malformed("lengths do not add up");
  size_t at = payload.size() - total;
  for (size_t i = 0; i < count; at += sizes[i++]) {
    if (sizes[i] > 0) a->entries[i].data = payload.Slice(at, sizes[i]);
  }
  return OkStatus();
}

Result<MessageBody> ReadAppendEntries(WireReader& r, const SharedBytes& payload) {
  AppendEntries a;
  a.prev = ReadEntryId(r);
  a.commit = LogIndex(r.Varint());
  a.round = r.Varint();
  if (!r.ok()) return Malformed("cut short");
  if (Status s = ReadEntries(r, payload, &a); !s.ok()) return s;
  return MessageBody(std::move(a));
}

MessageBody ReadAppendEntriesReply(WireReader& r, bool* bad) {
  AppendEntriesReply reply;
  reply.accepted = ReadBool(r, bad);
  reply.round = r.Varint();
  if (reply.accepted) {
    reply.match = LogIndex(r.Varint());
  } else {
    reply.rejected = LogIndex(r.Varint());
    reply.hint = ReadEntryId(r);
  }
  return reply;
}

// Everything but AppendEntries: fixed fields.
std::optional<MessageBody> ReadSmall(Kind kind, WireReader& r, bool* bad) {
  switch (kind) {
    case Kind::kRequestPreVote:
      return RequestPreVote{.last = ReadEntryId(r)};
    case Kind::kRequestPreVoteReply:
      return RequestPreVoteReply{.granted = ReadBool(r, bad)};
    case Kind::kRequestVote:
      return RequestVote{.last = ReadEntryId(r)};
    case Kind::kRequestVoteReply:
      return RequestVoteReply{.granted = ReadBool(r, bad)};
    case Kind::kAppendEntries:
      return std::nullopt;
    case Kind::kAppendEntriesReply:
      return ReadAppendEntriesReply(r, bad);
    case Kind::kHeartbeat: {
      Heartbeat h;
      h.commit = LogIndex(r.Varint());
      h.everywhere = LogIndex(r.Varint());
      h.round = r.Varint();
      return h;
    }
    case Kind::kHeartbeatReply:
      return HeartbeatReply{.round = r.Varint()};
    case Kind::kReadIndex:
      return ReadIndex{.id = ReadId(r.U64())};
    case Kind::kReadIndexReply: {
      ReadIndexReply reply;
      reply.id = ReadId(r.U64());
      reply.index = LogIndex(r.Varint());
      return reply;
    }
  }
  return std::nullopt;
}

Result<MessageBody> ReadBody(uint8_t kind, WireReader& r, const SharedBytes& payload) {
  if (kind == static_cast<uint8_t>(Kind::kAppendEntries)) return ReadAppendEntries(r, payload);
  bool bad = false;
  std::optional<MessageBody> body = ReadSmall(static_cast<Kind>(kind), r, &bad);
  if (!body.has_value()) return Malformed("unknown kind");
  if (!r.ok()) return Malformed("cut short");
  if (!r.done()) return Malformed("bytes left over");
  if (bad) return Malformed("a flag is neither 0 nor 1");
  return std::move(*body);
}

}  // namespace

EncodedMessage Encode(GroupId group, const Message& message) {
  EncodedMessage out;
  WireWriter w(&out.head);
  w.U8(static_cast<uint8_t>(message.body.index() + 1));  // in the order of Kind
  w.Varint(group.value);
  w.U64(message.from.value);
  w.U64(message.to.value);
  w.Varint(message.term.value);
  std::visit(BodyEncoder(w, &out), message.body);
  return out;
}

Result<DecodedMessage> Decode(const SharedBytes& payload) {
  WireReader r(payload.view());
  DecodedMessage out;
  const uint8_t kind = r.U8();
  out.group = GroupId(r.Varint());
  out.message.from = NodeId(r.U64());
  out.message.to = NodeId(r.U64());
  out.message.term = Term(r.Varint());
  if (!r.ok()) return Malformed("cut short");
  Result<MessageBody> body = ReadBody(kind, r, payload);
  if (!body.ok()) return body.status();
  out.message.body = std::move(*body);
  return out;
}

}  // namespace cairn::raft
