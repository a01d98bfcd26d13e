#include "src/mvcc/codec.h"

#include <endian.h>

#include <cstring>

#include "src/base/check.h"
#include "src/base/wire.h"

namespace cairn::mvcc {
namespace {

constexpr uint8_t kPointFormat = 1;
constexpr char kEscaped = '\xff';

void AppendEscaped(std::string_view key, std::string* to) {
  while (true) {
    const size_t zero = key.find('\0');
    if (zero == std::string_view::npos) break;
    to->append(key.substr(0, zero + 1));
    to->push_back(kEscaped);
    key.remove_prefix(zero + 1);
  }
  to->append(key);
}

void AppendBigEndian64(uint64_t v, std::string* to) {
  v = htobe64(v);
  to->append(reinterpret_cast<const char*>(&v), sizeof v);
}

void AppendBigEndian32(uint32_t v, std::string* to) {
  v = htobe32(v);
  to->append(reinterpret_cast<const char*>(&v), sizeof v);
}

uint64_t ReadBigEndian64(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return be64toh(v);
}

uint32_t ReadBigEndian32(const char* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return be32toh(v);
}

void AppendMeta(const VersionMeta& meta, WireWriter* to) {
  to->Varint(static_cast<uint64_t>(meta.version));
  if (!meta.live()) return;
  to->Varint(static_cast<uint64_t>(meta.create_revision));
  to->Varint(static_cast<uint64_t>(meta.lease));
}

VersionMeta ReadMeta(WireReader* from) {
  VersionMeta meta;
  meta.version = static_cast<int64_t>(from->Varint());
  if (!meta.live()) return meta;
  meta.create_revision = static_cast<int64_t>(from->Varint());
  meta.lease = static_cast<int64_t>(from->Varint());
  return meta;
}

}  // namespace

void EncodeVersionKey(std::string_view key, Revision revision, std::string* to) {
  DCHECK(revision.sub >= 0 && revision.sub <= UINT32_MAX);
  EncodeKeyStart(key, to);
  AppendBigEndian64(~static_cast<uint64_t>(revision.main), to);
  AppendBigEndian32(~static_cast<uint32_t>(revision.sub), to);
}

void EncodeKeyStart(std::string_view key, std::string* to) {
  to->clear();
  AppendEscaped(key, to);
  to->append(2, '\0');
}

void EncodeKeyEnd(std::string_view key, std::string* to) {
  to->clear();
  AppendEscaped(key, to);
  to->push_back('\0');
  to->push_back('\1');  // above the terminator, below an escaped zero
}

void EncodeRevision(Revision revision, std::string* to) {
  to->clear();
  AppendBigEndian64(static_cast<uint64_t>(revision.main), to);
  AppendBigEndian32(static_cast<uint32_t>(revision.sub), to);
}

std::string_view VersionKeyPrefix(std::string_view encoded) {
  size_t from = 0;
  while (true) {
    const size_t zero = encoded.find('\0', from);
    if (zero == std::string_view::npos || zero + 1 >= encoded.size()) return encoded;
    if (encoded[zero + 1] == '\0') return encoded.substr(0, zero + 2);
    from = zero + 2;
  }
}

std::optional<VersionKey> DecodeVersionKey(std::string_view encoded, std::string* scratch) {
  const std::string_view prefix = VersionKeyPrefix(encoded);
  if (prefix.size() < 2 || encoded.size() != prefix.size() + kVersionSuffixBytes) return {};
  std::string_view key = prefix.substr(0, prefix.size() - 2);
  if (key.find('\0') != std::string_view::npos) {
    scratch->clear();
    for (size_t i = 0; i < key.size(); ++i) {
      scratch->push_back(key[i]);
      if (key[i] == '\0') ++i;
    }
    key = *scratch;
  }
  const char* suffix = encoded.data() + prefix.size();
  return VersionKey{key,
                    {static_cast<int64_t>(~ReadBigEndian64(suffix)),
                     static_cast<int64_t>(static_cast<uint32_t>(~ReadBigEndian32(suffix + 8)))}};
}

std::optional<Revision> DecodeRevision(std::string_view encoded) {
  if (encoded.size() != kVersionSuffixBytes) return {};
  return Revision{static_cast<int64_t>(ReadBigEndian64(encoded.data())),
                  static_cast<int64_t>(ReadBigEndian32(encoded.data() + 8))};
}

void RevisionChunk::Add(Revision revision, std::string_view key) {
  DCHECK(empty() || last_ < revision);
  WireWriter w(&bytes_);
  // The distance to the revision before; the first one stands in full.
  w.Varint(static_cast<uint64_t>(revision.main - last_.main));
  w.Varint(static_cast<uint64_t>(revision.sub));
  w.String(key);
  last_ = revision;
}

bool VisitRevisionChunk(std::string_view bytes,
                        absl::FunctionRef<void(Revision, std::string_view)> visit) {
  WireReader r(bytes);
  Revision at;
  while (!r.done()) {
    at.main += static_cast<int64_t>(r.Varint());
    at.sub = static_cast<int64_t>(r.Varint());
    const std::string_view key = r.String();
    if (!r.ok()) return false;
    visit(at, key);
  }
  return true;
}

void EncodeVersion(const VersionMeta& meta, std::string_view value, std::string* to) {
  to->clear();
  WireWriter w(to);
  AppendMeta(meta, &w);
  w.Bytes(value);
}

std::optional<VersionMeta> DecodeVersion(std::string_view encoded, std::string_view* value) {
  WireReader r(encoded);
  const VersionMeta meta = ReadMeta(&r);
  if (!r.ok()) return {};
  *value = r.rest();
  return meta;
}

void EncodeLatest(const LatestMeta& latest, std::string* to) {
  to->clear();
  WireWriter w(to);
  w.Varint(static_cast<uint64_t>(latest.mod.main));
  w.Varint(static_cast<uint64_t>(latest.mod.sub));
  AppendMeta(latest.meta, &w);
}

std::optional<LatestMeta> DecodeLatest(std::string_view encoded) {
  WireReader r(encoded);
  LatestMeta latest;
  latest.mod.main = static_cast<int64_t>(r.Varint());
  latest.mod.sub = static_cast<int64_t>(r.Varint());
  latest.meta = ReadMeta(&r);
  if (!r.done() || !latest.meta.live()) return {};
  return latest;
}

std::string EncodeDurablePoint(const DurablePoint& point) {
  std::string to;
  WireWriter w(&to);
  w.U8(kPointFormat);
  w.Varint(point.applied.term.value);
  w.Varint(point.applied.index.value);
  w.Varint(static_cast<uint64_t>(point.revision));
  w.Varint(static_cast<uint64_t>(point.compacted_revision));
  w.Varint(static_cast<uint64_t>(point.keys));
  return to;
}

std::optional<DurablePoint> DecodeDurablePoint(std::string_view encoded) {
  WireReader r(encoded);
  if (r.U8() != kPointFormat) return {};
  DurablePoint point;
  point.applied.term = Term(r.Varint());
  point.applied.index = LogIndex(r.Varint());
  point.revision = static_cast<int64_t>(r.Varint());
  point.compacted_revision = static_cast<int64_t>(r.Varint());
  point.keys = static_cast<int64_t>(r.Varint());
  if (!r.done()) return {};
  return point;
}

}  // namespace cairn::mvcc
