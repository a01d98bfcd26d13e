// TCP and unix sockets on a Loop.
#pragma once

#include <memory>

#include "src/env/network.h"
#include "src/env/posix/loop.h"

namespace cairn::env::posix {

// Names are resolved on a thread of the network's own, made when the first name is dialled (Listen
// asks the resolver directly: it happens at the start). Outlives its streams and listeners, and is
// outlived by the loop.
class PosixNetwork final : public Network {
 public:
  explicit PosixNetwork(Loop& loop) : loop_(loop) {}
  PosixNetwork(const PosixNetwork&) = delete;
  PosixNetwork& operator=(const PosixNetwork&) = delete;
  ~PosixNetwork() override;

  Result<std::unique_ptr<Listener>> Listen(const Address& address, AcceptHandler accept) override;
  std::unique_ptr<Stream> Connect(const Address& address) override;

 private:
  Loop& loop_;
  std::unique_ptr<Worker> resolver_;
};

}  // namespace cairn::env::posix
