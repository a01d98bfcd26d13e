#include "src/http/grpc.h"

#include <array>

namespace cairn::http {

std::optional<env::Duration> ParseGrpcTimeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  int64_t value = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  int64_t unit_nanos = 0;
  switch (text.back()) {
    case 'H':
      unit_nanos = 3'600'000'000'000;
      break;
    case 'M':
      unit_nanos = 60'000'000'000;
      break;
    case 'S':
      unit_nanos = 1'000'000'000;
      break;
    case 'm':
      unit_nanos = 1'000'000;
      break;
    case 'u':
      unit_nanos = 1'000;
      break;
    case 'n':
      unit_nanos = 1;
      break;
    default:
      return std::nullopt;
  }
  // 99,999,999 hours are more than 64 bits of nanoseconds: a century is as good.
  constexpr int64_t kLongest = int64_t{100} * 365 * 24 * 3'600'000'000'000 / 2;
  if (value > kLongest / unit_nanos) return env::Duration(kLongest);
  return env::Duration(value * unit_nanos);
}

std::string FormatGrpcTimeout(env::Duration timeout) {
  struct Unit {
    char name;
    int64_t nanos;
  };
  static constexpr std::array<Unit, 6> kUnits = {{{'n', 1},
                                                  {'u', 1'000},
                                                  {'m', 1'000'000},
                                                  {'S', 1'000'000'000},
                                                  {'M', 60'000'000'000},
                                                  {'H', 3'600'000'000'000}}};
  const int64_t nanos = timeout.count() < 0 ? 0 : timeout.count();
  for (const Unit& unit : kUnits) {
    const int64_t value = nanos / unit.nanos + (nanos % unit.nanos != 0 ? 1 : 0);
    if (value <= 99'999'999) return std::to_string(value) + unit.name;
  }
  return "99999999H";
}

std::string EncodeGrpcMessage(std::string_view message) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(message.size());
  for (const char c : message) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte <= 0x7e && c != '%') {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

namespace {
int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}
}  // namespace

std::string DecodeGrpcMessage(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = HexDigit(text[i + 1]);
      const int low = HexDigit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out.push_back(static_cast<char>(high << 4 | low));
        i += 2;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

bool IsGrpcContentType(std::string_view content_type) {
  constexpr std::string_view kGrpc = "application/grpc";
  if (!content_type.starts_with(kGrpc)) return false;
  content_type.remove_prefix(kGrpc.size());
  if (content_type.starts_with("+proto")) content_type.remove_prefix(6);
  return content_type.empty() || content_type[0] == ';' || content_type[0] == ' ';
}

std::string_view StatusCodeText(StatusCode code) {
  static constexpr std::array<std::string_view, 17> kText = {
      "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"};
  return kText[static_cast<size_t>(code)];
}

StatusCode ParseStatusCode(std::string_view text) {
  if (text.empty() || text.size() > 2) return StatusCode::kUnknown;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return StatusCode::kUnknown;
    value = value * 10 + (c - '0');
  }
  return value <= 16 ? static_cast<StatusCode>(value) : StatusCode::kUnknown;
}

StatusCode StatusCodeOfHttp(int http_status) {
  switch (http_status) {
    case 400:
      return StatusCode::kInternal;
    case 401:
      return StatusCode::kUnauthenticated;
    case 403:
      return StatusCode::kPermissionDenied;
    case 404:
      return StatusCode::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return StatusCode::kUnavailable;
    default:
      return StatusCode::kUnknown;
  }
}

Status MessageTooLarge(uint64_t size, uint64_t max) {
  return Status(StatusCode::kResourceExhausted, "grpc: received message larger than max (" +
                                                    std::to_string(size) + " vs. " +
                                                    std::to_string(max) + ")");
}

}  // namespace cairn::http
