// For tests: HTTP/2 frames made and read by hand, so that a test can say anything that a client
// might.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/http/client_hpack.h"
#include "src/http/grpc.h"

namespace cairn::http::testing {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum : uint8_t {
  kData = 0,
  kHeaders = 1,
  kRst = 3,
  kSettings = 4,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};
inline constexpr uint8_t kEndStream = 1;
inline constexpr uint8_t kAck = 1;
inline constexpr uint8_t kEndHeaders = 4;

inline std::string U32(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
          static_cast<char>(v)};
}

inline std::string Frame(uint8_t type, uint8_t flags, uint32_t stream,
                         std::string_view payload = {}) {
  std::string frame = U32(static_cast<uint32_t>(payload.size())).substr(1);
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  frame += U32(stream);
  frame += payload;
  return frame;
}

using Fields = std::vector<std::pair<std::string, std::string>>;

inline std::string Block(const Fields& fields) {
  std::string block;
  const auto integer = [&](size_t n) {
    if (n < 127) {
      block.push_back(static_cast<char>(n));
      return;
    }
    block.push_back(127);
    n -= 127;
    for (; n >= 128; n >>= 7) block.push_back(static_cast<char>(n | 0x80));
    block.push_back(static_cast<char>(n));
  };
  for (const auto& [name, value] : fields) {
    block.push_back(0);  // literal, not indexed
    integer(name.size());
    block += name;
    integer(value.size());
    block += value;
  }
  return block;
}

inline Fields GrpcFields(std::string path, const Fields& more = {}) {
  Fields fields = {{":method", "POST"},
                   {":scheme", "http"},
                   {":path", std::move(path)},
                   {":authority", "test"},
                   {"content-type", "application/grpc"},
                   {"te", "trailers"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

inline std::string Headers(uint32_t stream, const Fields& fields, bool end_stream = false) {
  return Frame(kHeaders, kEndHeaders | (end_stream ? kEndStream : 0), stream, Block(fields));
}

// A message with its gRPC prefix.
inline std::string Message(std::string_view body, uint8_t flags = 0) {
  std::string message(kGrpcPrefixBytes, '\0');
  WriteGrpcPrefix(message.data(), static_cast<uint32_t>(body.size()));
  message[0] = static_cast<char>(flags);
  return message.append(body);
}

// Preface and empty SETTINGS.
inline std::string Hello() { return std::string(kPreface) + Frame(kSettings, 0, 0); }

struct ReceivedFrame {
  uint8_t type = 0;
  uint8_t flags = 0;
  uint32_t stream = 0;
  std::string payload;
  ResponseHeaders headers;  // of HEADERS
};

// Cuts what a server sends into frames and decodes headers.
class FrameReader {
 public:
  void Add(std::string_view bytes) {
    buffer_ += bytes;
    while (buffer_.size() >= 9) {
      const auto* p = reinterpret_cast<const uint8_t*>(buffer_.data());
      const size_t size = size_t{p[0]} << 16 | size_t{p[1]} << 8 | p[2];
      if (buffer_.size() < 9 + size) return;
      ReceivedFrame frame;
      frame.type = p[3];
      frame.flags = p[4];
      frame.stream =
          (uint32_t{p[5]} << 24 | uint32_t{p[6]} << 16 | uint32_t{p[7]} << 8 | p[8]) & 0x7fffffff;
      frame.payload = buffer_.substr(9, size);
      if (frame.type == kHeaders) {
        const ResponseHeaders* headers = decoder_.Decode(frame.payload);
        if (headers != nullptr) frame.headers = *headers;
      }
      frames.push_back(std::move(frame));
      buffer_.erase(0, 9 + size);
    }
  }

  const ReceivedFrame* Find(uint8_t type, uint32_t stream, uint8_t flags = 0) const {
    for (const ReceivedFrame& frame : frames) {
      if (frame.type == type && frame.stream == stream && (frame.flags & flags) == flags) {
        return &frame;
      }
    }
    return nullptr;
  }
  size_t Count(uint8_t type, uint32_t stream) const {
    size_t n = 0;
    for (const ReceivedFrame& frame : frames) n += frame.type == type && frame.stream == stream;
    return n;
  }
  // The bytes of all DATA frames of a stream.
  std::string Data(uint32_t stream) const {
    std::string data;
    for (const ReceivedFrame& frame : frames) {
      if (frame.type == kData && frame.stream == stream) data += frame.payload;
    }
    return data;
  }
  // The HEADERS frame that ended the stream, or null.
  const ReceivedFrame* End(uint32_t stream) const { return Find(kHeaders, stream, kEndStream); }

  std::vector<ReceivedFrame> frames;

 private:
  std::string buffer_;
  ResponseHeaderDecoder decoder_;
};

}  // namespace cairn::http::testing
