#include "src/env/posix/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "src/env/posix/error.h"

namespace cairn::env::posix {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

Status Bad(std::string_view address, std::string_view why) {
  return Status(StatusCode::kInvalidArgument,
                "bad address \"" + std::string(address) + "\": " + std::string(why));
}

// The numeric port; 0..65535 was checked by ParseAddress.
uint16_t PortNumber(const std::string& port) {
  uint16_t number = 0;
  std::from_chars(port.data(), port.data() + port.size(), number);
  return htons(number);
}

SocketAddress Unix(const std::string& path) {
  SocketAddress a;
  auto* to = reinterpret_cast<sockaddr_un*>(&a.storage);
  to->sun_family = AF_UNIX;
  std::memcpy(to->sun_path, path.data(), path.size());
  a.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return a;
}

bool Numeric(const std::string& host, const std::string& port, SocketAddress* a) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&a->storage);
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = PortNumber(port);
    a->length = sizeof *v4;
    return true;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&a->storage);
  if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = PortNumber(port);
    a->length = sizeof *v6;
    return true;
  }
  return false;
}

}  // namespace

std::string SocketAddress::ToText() const {
  if (family() == AF_UNIX) {
    const auto* from = reinterpret_cast<const sockaddr_un*>(&storage);
    const size_t room =
        length > offsetof(sockaddr_un, sun_path) ? length - offsetof(sockaddr_un, sun_path) : 0;
    return "unix:" + std::string(from->sun_path, ::strnlen(from->sun_path, room));
  }
  char text[INET6_ADDRSTRLEN] = "?";
  if (family() == AF_INET) {
    const auto* from = reinterpret_cast<const sockaddr_in*>(&storage);
    ::inet_ntop(AF_INET, &from->sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(from->sin_port));
  }
  const auto* from = reinterpret_cast<const sockaddr_in6*>(&storage);
  if (IN6_IS_ADDR_V4MAPPED(&from->sin6_addr)) {  // an IPv4 peer of a socket that takes both
    ::inet_ntop(AF_INET, &from->sin6_addr.s6_addr[12], text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(from->sin6_port));
  }
  ::inet_ntop(AF_INET6, &from->sin6_addr, text, sizeof text);
  return "[" + std::string(text) + "]:" + std::to_string(ntohs(from->sin6_port));
}

Result<ParsedAddress> ParseAddress(const Address& address) {
  const std::string_view text = address.text;
  ParsedAddress parsed;
  if (text.starts_with(kUnixPrefix)) {
    std::string_view path = text.substr(kUnixPrefix.size());
    if (path.starts_with("//")) path.remove_prefix(2);  // as a URL writes it
    if (path.empty()) return Bad(text, "no path after \"unix:\"");
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
      return Bad(text, "the path of a unix socket has at most 107 bytes");
    }
    parsed.unix_path = path;
    return parsed;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Bad(text, "no port; write host:port");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return Bad(text, "write an IPv6 address as [address]:port");
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return Bad(text, "write an IPv6 address as [address]:port");
  }
  uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) {
    return Bad(text, "the port is a number from 0 to 65535");
  }
  parsed.host = host;
  parsed.port = port;
  return parsed;
}

std::vector<SocketAddress> ResolveAtOnce(const ParsedAddress& address, bool to_listen) {
  if (!address.unix_path.empty()) return std::vector<SocketAddress>{Unix(address.unix_path)};
  std::vector<std::string> hosts = {address.host};
  if (address.host == "localhost") hosts = {"127.0.0.1", "::1"};
  if (address.host.empty()) {
    hosts = to_listen ? std::vector<std::string>{"::", "0.0.0.0"}
                      : std::vector<std::string>{"127.0.0.1", "::1"};
  }
  std::vector<SocketAddress> found;
  for (const std::string& host : hosts) {
    SocketAddress a;
    if (Numeric(host, address.port, &a)) found.push_back(a);
  }
  return found;
}

Result<std::vector<SocketAddress>> ResolveName(const ParsedAddress& address) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &list);
  if (error != 0) {
    const std::string why = error == EAI_SYSTEM ? ErrnoText(errno) : ::gai_strerror(error);
    return Status(StatusCode::kUnavailable, "cannot resolve host \"" + address.host + "\": " + why);
  }
  std::vector<SocketAddress> found;
  for (const addrinfo* i = list; i != nullptr; i = i->ai_next) {
    SocketAddress a;
    std::memcpy(&a.storage, i->ai_addr, i->ai_addrlen);
    a.length = i->ai_addrlen;
    found.push_back(a);
  }
  ::freeaddrinfo(list);
  return found;
}

}  // namespace cairn::env::posix
