// The URLs that members listen on and advertise: http://host:port or unix://path.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "src/base/status.h"
#include "src/env/network.h"

namespace cairn::server {

struct Url {
  std::string scheme;  // "http" or "unix"
  std::string host;    // name or address without brackets; for "unix" the path
  std::string port;    // decimal; empty for "unix"

  // "http://127.0.0.1:2380": what is advertised, and what member ids are computed from.
  std::string ToString() const;
  // "127.0.0.1:2380" or "unix:path".
  env::Address ToAddress() const;

  friend bool operator==(const Url&, const Url&) = default;
  friend auto operator<=>(const Url&, const Url&) = default;
};

// InvalidArgument says what is wrong with `text`; https and unixs are refused, since there is no
// TLS yet and ignoring the 's' would send in the clear what was meant to be secret.
Result<Url> ParseUrl(std::string_view text);
// A comma-separated list, sorted as etcd sorts it; at least one, none twice.
Result<std::vector<Url>> ParseUrls(std::string_view text);
std::vector<std::string> ToStrings(const std::vector<Url>& urls);
// The same places, however "localhost" is written.
bool SamePlaces(std::vector<Url> a, std::vector<Url> b);

}  // namespace cairn::server
