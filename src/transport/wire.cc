#include "src/transport/wire.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "src/base/check.h"
#include "src/base/checksum.h"
#include "src/base/wire.h"

namespace cairn::transport {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kHelloMagic =
    "\x89"
    "CAIRNH\n"sv;
constexpr std::string_view kAnswerMagic =
    "\x89"
    "CAIRNA\n"sv;
constexpr size_t kPreludeBytes = 24;
constexpr size_t kPreludeChecksumAt = 16;
constexpr size_t kHeaderChecksumAt = 16;

Status Damaged(std::string what) { return Status(StatusCode::kDataLoss, std::move(what)); }

template <class T>
T Load(const char* from) {
  T v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

std::string WithPrelude(std::string_view magic, VersionRange versions, const std::string& body) {
  CHECK_LE(body.size(), kMaxHandshakeBody);
  std::string out(magic);
  WireWriter w(&out);
  w.U32(uint32_t{versions.lowest} | uint32_t{versions.highest} << 16);
  w.U32(static_cast<uint32_t>(body.size()));
  w.U64(Checksum(body, Checksum(out)));
  w.Bytes(body);
  return out;
}

}  // namespace

std::string EncodeHello(const Hello& hello) {
  std::string body;
  WireWriter w(&body);
  w.U64(hello.cluster.value);
  w.U64(hello.from.value);
  w.U64(hello.to.value);
  w.U8(hello.channel);
  w.String(std::string_view(hello.name).substr(0, kMaxNameBytes));
  return WithPrelude(kHelloMagic, hello.versions, body);
}

std::string EncodeAnswer(const Answer& answer) {
  std::string body;
  WireWriter w(&body);
  w.U8(static_cast<uint8_t>(answer.verdict));
  w.U8(static_cast<uint8_t>(answer.version));
  w.U8(static_cast<uint8_t>(answer.version >> 8));
  w.U64(answer.cluster.value);
  w.U64(answer.node.value);
  w.String(std::string_view(answer.reason).substr(0, kMaxReasonBytes));
  return WithPrelude(kAnswerMagic, answer.versions, body);
}

Result<bool> HandshakeReader::Take(std::string_view* bytes) {
  auto take_to = [&](size_t size) {
    const size_t n = std::min(size - collected_.size(), bytes->size());
    collected_.append(bytes->substr(0, n));
    bytes->remove_prefix(n);
    return collected_.size() == size;
  };
  const std::string_view magic = kind_ == Kind::kHello ? kHelloMagic : kAnswerMagic;
  if (collected_.size() < kPreludeBytes) {
    const bool whole = take_to(kPreludeBytes);
    const size_t seen = std::min(collected_.size(), magic.size());
    if (std::string_view(collected_).substr(0, seen) != magic.substr(0, seen)) {
      return Damaged("the other side does not speak the peer protocol");
    }
    if (!whole) return false;
  }
  const auto body_bytes = Load<uint32_t>(&collected_[12]);
  if (body_bytes > kMaxHandshakeBody) {
    return Damaged("handshake of " + std::to_string(body_bytes) + " bytes is too long");
  }
  if (!take_to(kPreludeBytes + body_bytes)) return false;
  const std::string_view all = collected_;
  if (Checksum(all.substr(kPreludeBytes), Checksum(all.substr(0, kPreludeChecksumAt))) !=
      Load<uint64_t>(&collected_[kPreludeChecksumAt])) {
    return Damaged("handshake checksum does not match");
  }
  return true;
}

bool HandshakeReader::DecodeHello(Hello* hello) const {
  hello->versions = {Load<uint16_t>(&collected_[8]), Load<uint16_t>(&collected_[10])};
  WireReader r(std::string_view(collected_).substr(kPreludeBytes));
  hello->cluster = ClusterId(r.U64());
  hello->from = NodeId(r.U64());
  hello->to = NodeId(r.U64());
  hello->channel = r.U8();
  hello->name = r.String().substr(0, kMaxNameBytes);
  return r.ok();
}

bool HandshakeReader::DecodeAnswer(Answer* answer) const {
  answer->versions = {Load<uint16_t>(&collected_[8]), Load<uint16_t>(&collected_[10])};
  WireReader r(std::string_view(collected_).substr(kPreludeBytes));
  answer->verdict = static_cast<Verdict>(r.U8());
  const uint8_t low = r.U8();
  answer->version = static_cast<uint16_t>(low | r.U8() << 8);
  answer->cluster = ClusterId(r.U64());
  answer->node = NodeId(r.U64());
  answer->reason = r.String().substr(0, kMaxReasonBytes);
  return r.ok();
}

size_t PayloadBytes(const Frame& frame) {
  size_t size = frame.head.size();
  for (const SharedBytes& slice : frame.body) size += slice.size();
  return size;
}

FrameHeader EncodeFrameHeader(FrameClass frame_class, const Frame& frame, size_t payload_bytes,
                              uint64_t number) {
  FrameHeader header{};
  const auto length = static_cast<uint32_t>(payload_bytes);
  const uint64_t payload_checksum = Checksum(frame.head, frame.body, 0);
  std::memcpy(&header[0], &length, sizeof length);
  header[4] = static_cast<char>(frame_class);
  header[5] = static_cast<char>(frame.kind);
  std::memcpy(&header[8], &payload_checksum, sizeof payload_checksum);
  const uint64_t checksum = Checksum({header.data(), kHeaderChecksumAt}, number);
  std::memcpy(&header[kHeaderChecksumAt], &checksum, sizeof checksum);
  return header;
}

Status FrameReader::ParseHeader() {
  const char* h = header_.data();
  if (Checksum({h, kHeaderChecksumAt}, number_) != Load<uint64_t>(h + kHeaderChecksumAt)) {
    return Damaged("checksum of frame header " + std::to_string(number_) + " does not match");
  }
  const auto length = Load<uint32_t>(h);
  frame_class_ = static_cast<FrameClass>(h[4]);
  kind_ = static_cast<uint8_t>(h[5]);
  payload_checksum_ = Load<uint64_t>(h + 8);
  if (frame_class_ > FrameClass::kPong || Load<uint16_t>(h + 6) != 0) {
    return Damaged("frame " + std::to_string(number_) + " is of no class that this version has");
  }
  if (length > max_frame_bytes_) {
    return Damaged("frame " + std::to_string(number_) + " of " + std::to_string(length) +
                   " bytes is larger than the limit of " + std::to_string(max_frame_bytes_));
  }
  std::tie(payload_at_, payload_) =
      length == 0 ? std::pair<char*, SharedBytes>() : arena_.Allocate(length);
  payload_left_ = length;
  return OkStatus();
}

Result<bool> FrameReader::Take(std::string_view* bytes, ReceivedFrame* frame) {
  if (header_have_ < kFrameHeaderBytes) {
    const size_t n = std::min(kFrameHeaderBytes - header_have_, bytes->size());
    std::memcpy(&header_[header_have_], bytes->data(), n);
    header_have_ += n;
    bytes->remove_prefix(n);
    if (header_have_ < kFrameHeaderBytes) return false;
    if (Status s = ParseHeader(); !s.ok()) return s;
  }
  if (payload_left_ > 0) {
    const size_t n = std::min(payload_left_, bytes->size());
    std::memcpy(payload_at_, bytes->data(), n);
    payload_at_ += n;
    payload_left_ -= n;
    bytes->remove_prefix(n);
    if (payload_left_ > 0) return false;
  }
  if (Checksum(payload_.view()) != payload_checksum_) {
    return Damaged("checksum of the payload of frame " + std::to_string(number_) +
                   " does not match");
  }
  header_have_ = 0;
  ++number_;
  *frame = {frame_class_, kind_, std::exchange(payload_, SharedBytes())};
  return true;
}

Frame EncodePing(const Ping& ping) {
  Frame frame;
  WireWriter w(&frame.head);
  w.U64(ping.number);
  w.U64(ping.sent_nanos);
  return frame;
}

bool DecodePing(std::string_view payload, Ping* ping) {
  WireReader r(payload);
  ping->number = r.U64();
  ping->sent_nanos = r.U64();
  return r.done();
}

}  // namespace cairn::transport
