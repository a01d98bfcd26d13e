// The bytes of docs/formats/peer.md: hello, answer and frame headers, and the readers that cut them
// out of a stream however it is torn into pieces.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/bytes.h"
#include "src/base/status.h"
#include "src/base/types.h"
#include "src/transport/transport.h"

namespace cairn::transport {

inline constexpr uint16_t kMinVersion = 1;
inline constexpr uint16_t kMaxVersion = 1;
inline constexpr size_t kMaxHandshakeBody = 1024;
inline constexpr size_t kMaxNameBytes = 255;
inline constexpr size_t kMaxReasonBytes = 512;

enum class Verdict : uint8_t {
  kAccepted = 0,
  kNoCommonVersion = 1,
  kMalformed = 2,
  kWrongCluster = 3,
  kWrongNode = 4,
  kUnknownNode = 5,
};

struct VersionRange {
  uint16_t lowest = kMinVersion;
  uint16_t highest = kMaxVersion;
};

struct Hello {
  VersionRange versions;
  ClusterId cluster;
  NodeId from;
  NodeId to;
  uint8_t channel = 0;
  std::string name;
};

struct Answer {
  VersionRange versions;
  Verdict verdict = Verdict::kAccepted;
  uint16_t version = 0;
  ClusterId cluster;
  NodeId node;
  std::string reason;
};

std::string EncodeHello(const Hello& hello);
std::string EncodeAnswer(const Answer& answer);

// Collects one hello or one answer. After the prelude has been checked the rest is bounded.
class HandshakeReader {
 public:
  enum class Kind { kHello, kAnswer };
  explicit HandshakeReader(Kind kind) : kind_(kind) {}
  // Takes what it needs from the front of `bytes`; true once the whole is there. An error as soon
  // as the bytes cannot be what is expected.
  Result<bool> Take(std::string_view* bytes);
  // What was collected; valid after Take said true. The versions are always read; the body may be
  // too short (then false), which a hello of another version may well be.
  bool DecodeHello(Hello* hello) const;
  bool DecodeAnswer(Answer* answer) const;

 private:
  Kind kind_;
  std::string collected_;
};

enum class FrameClass : uint8_t { kMessage = 0, kPing = 1, kPong = 2 };

inline constexpr size_t kFrameHeaderBytes = 24;
using FrameHeader = std::array<char, kFrameHeaderBytes>;

// `number` counts the frames of the connection from 0.
FrameHeader EncodeFrameHeader(FrameClass frame_class, const Frame& frame, size_t payload_bytes,
                              uint64_t number);
size_t PayloadBytes(const Frame& frame);

struct ReceivedFrame {
  FrameClass frame_class = FrameClass::kMessage;
  uint8_t kind = 0;
  SharedBytes payload;
};

// Cuts frames out of a connection. A payload is copied once, from where the stream put it into its
// final place: a slice of an arena if it is small, a block of its own if it is large.
class FrameReader {
 public:
  explicit FrameReader(size_t max_frame_bytes) : max_frame_bytes_(max_frame_bytes) {}
  // Takes from the front of `bytes` up to the end of one frame. True: `frame` is whole and checked,
  // and there may be more in `bytes`. False: all is taken and the frame goes on. An error: the
  // connection is damaged here for good.
  Result<bool> Take(std::string_view* bytes, ReceivedFrame* frame);

 private:
  Status ParseHeader();

  const size_t max_frame_bytes_;
  BytesArena arena_;
  FrameHeader header_;
  size_t header_have_ = 0;
  uint64_t number_ = 0;  // of the frame that is being read
  // Of the header, once it is whole.
  FrameClass frame_class_ = FrameClass::kMessage;
  uint8_t kind_ = 0;
  uint64_t payload_checksum_ = 0;
  char* payload_at_ = nullptr;  // where the next byte goes
  size_t payload_left_ = 0;
  SharedBytes payload_;
};

// The payload of pings and pongs.
struct Ping {
  uint64_t number = 0;
  uint64_t sent_nanos = 0;
};
Frame EncodePing(const Ping& ping);
bool DecodePing(std::string_view payload, Ping* ping);

}  // namespace cairn::transport
