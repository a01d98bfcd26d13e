// Addresses as the system's sockets want them.
#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "src/base/status.h"
#include "src/env/network.h"

namespace cairn::env::posix {

// One address of the system, of any family.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  // "127.0.0.1:2379", "[::1]:2379", "unix:/path".
  std::string ToText() const;
};

// An Address taken apart. Either `unix_path` or `port` is set; an empty host is "all of this
// machine".
struct ParsedAddress {
  std::string unix_path;
  std::string host;
  std::string port;
};

// InvalidArgument with the address and what is wrong with it.
Result<ParsedAddress> ParseAddress(const Address& address);

// What can be said without asking a name server: unix paths, numbers and "localhost". Empty for
// names. The addresses of "localhost" are 127.0.0.1 and then, to connect, ::1.
std::vector<SocketAddress> ResolveAtOnce(const ParsedAddress& address, bool to_listen);

// Asks the system's resolver, which may block for seconds.
Result<std::vector<SocketAddress>> ResolveName(const ParsedAddress& address);

}  // namespace cairn::env::posix
