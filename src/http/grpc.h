// gRPC over HTTP/2, the parts that are text and bytes only: the message prefix, timeouts, the
// encoding of grpc-message, status codes. Source: grpc/doc/PROTOCOL-HTTP2.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "src/base/status.h"
#include "src/env/time.h"

namespace cairn::http {

// One byte: 1 if compressed; four bytes: the length, big endian.
inline constexpr size_t kGrpcPrefixBytes = 5;

struct GrpcPrefix {
  uint8_t flags = 0;
  uint32_t length = 0;
};

inline GrpcPrefix ReadGrpcPrefix(const char* from) {
  const auto* p = reinterpret_cast<const uint8_t*>(from);
  return {p[0], uint32_t{p[1]} << 24 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 8 | uint32_t{p[4]}};
}

inline void WriteGrpcPrefix(char* to, uint32_t length) {
  to[0] = 0;
  to[1] = static_cast<char>(length >> 24);
  to[2] = static_cast<char>(length >> 16);
  to[3] = static_cast<char>(length >> 8);
  to[4] = static_cast<char>(length);
}

// "5S", "100m" and so on: at most eight digits and a unit of H M S m u n. Nothing if malformed.
std::optional<env::Duration> ParseGrpcTimeout(std::string_view text);
// The shortest form that is not less than `timeout`.
std::string FormatGrpcTimeout(env::Duration timeout);

// Percent-encodes what is outside printable ASCII, and '%'.
std::string EncodeGrpcMessage(std::string_view message);
// Leaves malformed sequences as they are.
std::string DecodeGrpcMessage(std::string_view text);

// "application/grpc", alone or with "+proto" or parameters.
bool IsGrpcContentType(std::string_view content_type);

// "0" to "16", as a string that lives for ever.
std::string_view StatusCodeText(StatusCode code);
// What a client makes of grpc-status; unknown numbers and text are kUnknown.
StatusCode ParseStatusCode(std::string_view text);

// What a gRPC client makes of an answer that has no grpc-status.
StatusCode StatusCodeOfHttp(int http_status);

Status MessageTooLarge(uint64_t size, uint64_t max);

}  // namespace cairn::http
