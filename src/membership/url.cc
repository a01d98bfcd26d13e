#include "src/membership/url.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <utility>

namespace cairn::membership {
namespace {

std::string_view Trim(std::string_view s) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

Status Bad(std::string_view url, std::string_view why) {
  std::string shown;
  for (const char c : url.substr(0, 200)) {
    shown += std::iscntrl(static_cast<unsigned char>(c)) != 0 ? '?' : c;
  }
  return {StatusCode::kInvalidArgument, "bad URL \"" + shown + "\": " + std::string(why)};
}

std::optional<Scheme> SchemeOf(std::string_view s) {
  if (s == "http") return Scheme::kHttp;
  if (s == "https") return Scheme::kHttps;
  if (s == "unix") return Scheme::kUnix;
  if (s == "unixs") return Scheme::kUnixs;
  return std::nullopt;
}

bool HostCharacter(char c) {
  const auto u = static_cast<unsigned char>(c);
  return std::isalnum(u) != 0 || c == '.' || c == '-' || c == '_' || u >= 0x80;
}

// Splits "host:port" or "[v6]:port". Empty when it is neither.
std::optional<std::pair<std::string_view, std::string_view>> SplitHostPort(std::string_view s) {
  if (s.starts_with('[')) {
    const size_t close = s.find(']');
    if (close == s.npos || s.substr(close + 1, 1) != ":") return std::nullopt;
    return std::pair(s.substr(1, close - 1), s.substr(close + 2));
  }
  const size_t colon = s.rfind(':');
  if (colon == s.npos || s.find(':') != colon) return std::nullopt;
  return std::pair(s.substr(0, colon), s.substr(colon + 1));
}

// Fills host and port of a TCP URL.
Status ParseHostPort(std::string_view text, std::string_view rest, Url* url) {
  if (const size_t slash = rest.find('/'); slash != rest.npos) {
    return Bad(text, "it must not contain a path, write it as scheme://host:port");
  }
  const auto split = SplitHostPort(rest);
  if (!split)
    return Bad(text, "it needs the form scheme://host:port (an IPv6 address in brackets)");
  const auto [host, port] = *split;
  const bool v6 = rest.starts_with('[');
  const bool host_ok = !host.empty() && std::all_of(host.begin(), host.end(), [&](char c) {
    return v6 ? std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '.' ||
                    c == '%' || std::isalnum(static_cast<unsigned char>(c)) != 0
              : HostCharacter(c);
  });
  if (!host_ok) return Bad(text, "the host is missing or contains a character that no host has");
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number > 65535) {
    return Bad(text, "the port must be a number from 0 to 65535");
  }
  url->host = host;
  url->port = port;
  return OkStatus();
}

}  // namespace

env::Address Url::ToAddress() const {
  if (scheme == Scheme::kUnix || scheme == Scheme::kUnixs) return {"unix:" + host};
  const bool v6 = host.find(':') != host.npos;
  return {(v6 ? "[" + host + "]" : host) + ":" + port};
}

Result<Url> ParseUrl(std::string_view given) {
  const std::string_view text = Trim(given);
  if (text.empty()) return Bad(text, "it is empty");
  const size_t separator = text.find("://");
  if (separator == text.npos) {
    return Bad(text, "it has no scheme, write it as http://host:port");
  }
  std::string scheme(text.substr(0, separator));
  std::transform(scheme.begin(), scheme.end(), scheme.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  const std::optional<Scheme> known = SchemeOf(scheme);
  if (!known) return Bad(text, "the scheme must be http, https, unix or unixs");
  const std::string_view rest = text.substr(separator + 3);

  Url url;
  url.scheme = *known;
  url.text = scheme + "://" + std::string(rest);
  if (*known == Scheme::kUnix || *known == Scheme::kUnixs) {
    const bool plain = std::none_of(rest.begin(), rest.end(), [](char c) {
      return std::iscntrl(static_cast<unsigned char>(c)) != 0 || c == ',' || c == '=';
    });
    if (rest.empty() || !plain)
      return Bad(text, "the path of the socket is missing or not printable");
    url.host = rest;
    return url;
  }
  if (Status status = ParseHostPort(text, rest, &url); !status.ok()) return status;
  return url;
}

}  // namespace cairn::membership
