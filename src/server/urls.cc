#include "src/server/urls.h"

#include <algorithm>
#include <charconv>

#include "src/server/text.h"

namespace cairn::server {
namespace {

Status Bad(std::string_view text, std::string_view why) {
  return {StatusCode::kInvalidArgument, "bad URL " + Quoted(text) + ": " + std::string(why)};
}

bool IsPort(std::string_view text) {
  uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port <= 65535;
}

Result<Url> ParseHostAndPort(std::string_view text, std::string_view rest) {
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#") != std::string_view::npos) {
    return Bad(text, "leave out what follows the port");
  }
  if (rest.find('@') != std::string_view::npos) {
    return Bad(text, "leave out user and password");
  }
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || rest.ends_with(']')) {
    return Bad(text, "give a port, as in http://127.0.0.1:2379");
  }
  std::string_view host = rest.substr(0, colon);
  const std::string_view port = rest.substr(colon + 1);
  if (!IsPort(port)) return Bad(text, "the port is a number from 0 to 65535");
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return Bad(text, "write an IPv6 address in brackets, as in http://[::1]:2379");
  }
  if (host.find_first_of(" \t\"'\\[]<>") != std::string_view::npos) {
    return Bad(text, "the host has characters that no host name has");
  }
  return Url{"http", std::string(host), std::string(port)};
}

}  // namespace

std::string Url::ToString() const {
  if (scheme == "unix") return "unix://" + host;
  return scheme + "://" + ToAddress().text;
}

env::Address Url::ToAddress() const {
  if (scheme == "unix") return {"unix:" + host};
  const bool v6 = host.find(':') != std::string::npos;
  return {(v6 ? "[" + host + "]" : host) + ":" + port};
}

Result<Url> ParseUrl(std::string_view text) {
  const size_t at = text.find("://");
  if (at == std::string_view::npos) {
    return Bad(text, "it needs a scheme, as in http://127.0.0.1:2379");
  }
  const std::string_view scheme = text.substr(0, at);
  const std::string_view rest = text.substr(at + 3);
  if (scheme == "https" || scheme == "unixs") {
    return Bad(text, "there is no TLS yet, use http:// or unix://");
  }
  if (scheme == "unix") {
    if (rest.empty()) return Bad(text, "it needs the path of the socket");
    return Url{"unix", std::string(rest), ""};
  }
  if (scheme != "http") return Bad(text, "the scheme must be http or unix");
  return ParseHostAndPort(text, rest);
}

Result<std::vector<Url>> ParseUrls(std::string_view text) {
  std::vector<Url> urls;
  for (const std::string_view one : Split(text, ',')) {
    auto url = ParseUrl(Trim(one));
    if (!url.ok()) return url.status();
    urls.push_back(*std::move(url));
  }
  std::sort(urls.begin(), urls.end(),
            [](const Url& a, const Url& b) { return a.ToString() < b.ToString(); });
  const auto twice = std::adjacent_find(urls.begin(), urls.end());
  if (twice != urls.end()) return Bad(twice->ToString(), "it is given twice");
  return urls;
}

std::vector<std::string> ToStrings(const std::vector<Url>& urls) {
  std::vector<std::string> strings;
  strings.reserve(urls.size());
  for (const Url& url : urls) strings.push_back(url.ToString());
  return strings;
}

bool SamePlaces(std::vector<Url> a, std::vector<Url> b) {
  for (std::vector<Url>* urls : {&a, &b}) {
    for (Url& url : *urls) {
      if (url.scheme != "unix" && url.host == "localhost") url.host = "127.0.0.1";
    }
    std::sort(urls->begin(), urls->end());
  }
  return a == b;
}

}  // namespace cairn::server
