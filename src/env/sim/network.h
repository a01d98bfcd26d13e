// Fabric: the network between the hosts of a world. Ordered byte streams as TCP gives them: what a
// link loses is sent again later, so a partition holds bytes back until it heals or the connection
// is reset. Each direction of each pair of hosts is a link of its own, so partitions may be one-way
// (then the bytes arrive and their acknowledgements do not: the sender's buffer fills).
//
// Delivery is cut into random chunks, each with a delay of its own, in order within a stream. A
// host whose power went keeps its peers waiting; when it is up again it answers their bytes with a
// reset.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "src/base/random.h"
#include "src/env/network.h"
#include "src/env/time.h"

namespace cairn::env::sim {

class Host;
class Process;
class World;
struct Connection;
class SimStream;
class SimNetwork;
class SimListener;

struct NetworkOptions {
  Duration latency_min = microseconds(20);
  Duration latency_max = microseconds(200);
  double spike_chance = 0;  // a chunk takes up to `spike_max` longer
  Duration spike_max = milliseconds(50);
  double split_chance = 0.2;        // a write arrives in two or three pieces
  double short_write_chance = 0.1;  // a Write takes less than there is room for
  size_t buffer_bytes = 256 << 10;  // of one direction of a stream: in flight and not read
  uint64_t bytes_per_second = 0;    // of one direction of a stream; 0: no bound
  Duration connect_timeout = seconds(3);
  Duration retransmit_max = milliseconds(200);
};

class Fabric {
 public:
  Fabric(World& world, Random random, const NetworkOptions& options);
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;
  ~Fabric();

  NetworkOptions& options() { return options_; }

  // Nothing of `from` reaches `to` until Heal.
  void Block(const Host& from, const Host& to);
  void Unblock(const Host& from, const Host& to);
  void HealAll() { blocked_.clear(); }
  bool Blocked(const Host& from, const Host& to) const;
  // Resets one connection of those open between two hosts, chosen by `random`; false when there is
  // none.
  bool ResetOne(Random& random);
  void ResetBetween(const Host& a, const Host& b);

 private:
  friend class SimNetwork;
  friend class SimStream;
  friend class SimListener;
  friend class Process;
  using ConnectionPtr = std::shared_ptr<Connection>;

  Duration Latency();
  Duration Retransmit();
  ConnectionPtr Dial(Process& from, const std::string& to);
  void TryConnect(const ConnectionPtr& connection);
  void Established(const ConnectionPtr& connection);
  void AcceptOn(SimListener& listener, const ConnectionPtr& connection);
  size_t Write(const ConnectionPtr& connection, int side, std::span<const std::string_view> pieces);
  void QueueChunk(const ConnectionPtr& connection, int to, std::string bytes, bool fin);
  void Arm(const ConnectionPtr& connection, int to);
  void Arrive(const ConnectionPtr& connection, int to);
  void ArriveAtNobody(const ConnectionPtr& connection, int to);
  void RoomFreed(const ConnectionPtr& connection, int writer, Time at);
  // Tells `to` that the connection is broken, as soon as the link lets it.
  void SendReset(const ConnectionPtr& connection, int to, Time at);
  void Break(const ConnectionPtr& connection, int side, const char* why);
  void WantDelivery(const ConnectionPtr& connection, int side);
  void Deliver(const ConnectionPtr& connection, int side);
  void StreamDestroyed(const ConnectionPtr& connection, int side);
  void ProcessDied(Process& process, bool power);
  std::vector<ConnectionPtr> Connections();

  World& world_;
  Random random_;
  NetworkOptions options_;
  std::set<std::pair<size_t, size_t>> blocked_;  // from, to
  std::map<std::string, SimListener*> listeners_;
  std::map<std::string, Host*>
      known_addresses_;  // who listened there last: to tell down from refused
  std::map<uint64_t, std::weak_ptr<Connection>> connections_;
  uint64_t last_connection_ = 0;
  uint64_t last_port_ = 40000;
};

}  // namespace cairn::env::sim
