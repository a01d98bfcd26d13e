#include "src/http/client_hpack.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "src/base/check.h"
#include "src/http/grpc.h"

namespace cairn::http {
namespace {

constexpr size_t kEntryOverhead = 32;  // RFC 7541, section 4.1
constexpr int64_t kStaticEntries = 61;
constexpr uint8_t kIndexed = 0x80;
constexpr uint8_t kLiteralIndexed = 0x40;
constexpr uint8_t kLiteral = 0x00;
constexpr size_t kMaxHeaderBytes = 256 << 10;

// RFC 7541, section 5.1: an integer with an N-bit prefix.
void AppendInteger(uint64_t value, uint8_t first, int prefix_bits, std::string& out) {
  const uint64_t max = (uint64_t{1} << prefix_bits) - 1;
  if (value < max) {
    out.push_back(static_cast<char>(first | value));
    return;
  }
  out.push_back(static_cast<char>(first | max));
  value -= max;
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void AppendString(std::string_view text, std::string& out) {
  AppendInteger(text.size(), 0, 7, out);  // not Huffman coded: sent once a connection
  out.append(text);
}

}  // namespace

RequestHeaderEncoder::RequestHeaderEncoder(
    std::string authority, std::vector<std::pair<std::string, std::string>> fields) {
  before_path_.push_back({":authority", std::move(authority)});
  for (auto& [name, value] : fields) after_path_.push_back({std::move(name), std::move(value)});
}

uint32_t RequestHeaderEncoder::AddPath(std::string path) {
  paths_.push_back(Path{.field = {":path", std::move(path)}, .block = {}});
  return static_cast<uint32_t>(paths_.size() - 1);
}

void RequestHeaderEncoder::SetTableLimit(uint32_t bytes) {
  if (bytes >= table_limit_) return;
  // Rare (a peer that wants a small table): do without one from now on.
  table_limit_ = 0;
  table_bytes_ = 0;
  inserted_ = 0;
  shrink_ = true;
  ++version_;
  const auto forget = [](Field& field) { field.position = -1; };
  std::for_each(before_path_.begin(), before_path_.end(), forget);
  std::for_each(after_path_.begin(), after_path_.end(), forget);
  for (Path& path : paths_) path.field.position = -1;
}

void RequestHeaderEncoder::AppendField(Field& field, std::string& out) {
  if (field.position >= 0) {
    AppendInteger(static_cast<uint64_t>(kStaticEntries + inserted_ - field.position), kIndexed, 7,
                  out);
    return;
  }
  const size_t size = field.name.size() + field.value.size() + kEntryOverhead;
  if (table_bytes_ + size <= table_limit_) {
    out.push_back(static_cast<char>(kLiteralIndexed));
    field.position = inserted_++;
    table_bytes_ += size;
    ++version_;
  } else {
    out.push_back(static_cast<char>(kLiteral));
  }
  AppendString(field.name, out);
  AppendString(field.value, out);
}

void RequestHeaderEncoder::Append(uint32_t index, std::string_view timeout, std::string& out) {
  Path& path = paths_[index];
  if (path.block_version == version_) {
    out.append(path.block);
  } else {
    const size_t begin = out.size();
    const bool shrunk = std::exchange(shrink_, false);
    if (shrunk) out.push_back(0x20);
    out.push_back(static_cast<char>(kIndexed | 3));  // :method POST
    out.push_back(static_cast<char>(kIndexed | 6));  // :scheme http
    const uint64_t before = version_;
    for (Field& field : before_path_) AppendField(field, out);
    AppendField(path.field, out);
    for (Field& field : after_path_) AppendField(field, out);
    if (version_ == before && !shrunk) {
      path.block.assign(out, begin);
      path.block_version = version_;
    }
  }
  if (!timeout.empty()) {
    out.push_back(static_cast<char>(kLiteral));
    AppendString("grpc-timeout", out);
    AppendString(timeout, out);
  }
}

ResponseHeaderDecoder::ResponseHeaderDecoder() { CHECK_EQ(nghttp2_hd_inflate_new(&inflater_), 0); }

ResponseHeaderDecoder::~ResponseHeaderDecoder() { nghttp2_hd_inflate_del(inflater_); }

const ResponseHeaders* ResponseHeaderDecoder::Decode(std::string_view block) {
  uint64_t bytes = 0;
  bool indexed_only = !block.empty() && block.size() <= sizeof bytes;
  if (indexed_only) {
    for (const char c : block) {
      const auto byte = static_cast<uint8_t>(c);
      if (byte < kIndexed || byte == 0xff) indexed_only = false;
    }
    std::memcpy(&bytes, block.data(), block.size());
    for (const Known& known : known_) {
      if (known.size == block.size() && known.bytes == bytes) return &known.headers;
    }
  }
  if (!Inflate(block)) return nullptr;
  if (indexed_only) {
    known_[next_known_] = {bytes, static_cast<uint32_t>(block.size()), headers_};
    next_known_ = (next_known_ + 1) % static_cast<uint32_t>(known_.size());
  } else {
    for (Known& known : known_) known.size = 0;  // the table may have moved under them
  }
  return &headers_;
}

bool ResponseHeaderDecoder::Inflate(std::string_view block) {
  headers_ = {};
  const auto* p = reinterpret_cast<const uint8_t*>(block.data());
  size_t left = block.size();
  size_t total = 0;
  for (;;) {
    nghttp2_nv field;
    int flags = 0;
    const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, p, left, 1);
    if (used < 0) return false;
    p += used;
    left -= static_cast<size_t>(used);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      const std::string_view name(reinterpret_cast<const char*>(field.name), field.namelen);
      const std::string_view value(reinterpret_cast<const char*>(field.value), field.valuelen);
      total += name.size() + value.size() + kEntryOverhead;
      if (total > kMaxHeaderBytes) return false;
      if (name == ":status") {
        std::from_chars(value.data(), value.data() + value.size(), headers_.http_status);
      } else if (name == "content-type") {
        headers_.grpc = IsGrpcContentType(value);
      } else if (name == "grpc-encoding") {
        headers_.compressed = value != "identity";
      } else if (name == "grpc-status") {
        headers_.has_status = true;
        headers_.status = ParseStatusCode(value);
      } else if (name == "grpc-message") {
        headers_.message = DecodeGrpcMessage(value);
      }
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
      nghttp2_hd_inflate_end_headers(inflater_);
      return true;
    }
    if (left == 0 && (flags & NGHTTP2_HD_INFLATE_EMIT) == 0) return false;
  }
}

}  // namespace cairn::http
