// URLs of members: where they listen for, and are reached by, peers and clients. A small part of
// URLs in general: scheme, host, port, nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/status.h"
#include "src/env/network.h"

namespace cairn::membership {

enum class Scheme : uint8_t { kHttp, kHttps, kUnix, kUnixs };

// A checked URL. `text` is what ids are computed from and what clients are shown: as it was given,
// without blanks around it, with the scheme in lower case.
struct Url {
  std::string text;
  Scheme scheme = Scheme::kHttp;
  std::string
      host;  // a name, an IPv4 address, an IPv6 address without brackets; unix: the socket's path
  std::string port;  // digits; empty for unix

  bool tls() const { return scheme == Scheme::kHttps || scheme == Scheme::kUnixs; }
  // Where to listen or connect.
  env::Address ToAddress() const;
  friend bool operator==(const Url&, const Url&) = default;
};

// InvalidArgument with a message that names the URL and says what is wrong with it.
Result<Url> ParseUrl(std::string_view text);

}  // namespace cairn::membership
