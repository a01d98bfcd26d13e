#include "src/env/sim/network.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "src/base/checksum.h"
#include "src/env/sim/process.h"

namespace cairn::env::sim {

namespace {

struct Chunk {
  std::string bytes;
  Time sent;
  Time arrives;
  bool fin = false;
};

Duration Upto(Random& random, Duration max) {
  return Duration(static_cast<int64_t>(random.Below(static_cast<uint64_t>(max.count()) + 1)));
}

}  // namespace

// One side of a connection, and the direction of bytes that leads to it.
struct End {
  Host* host = nullptr;
  uint64_t process = 0;         // serial; 0 while nobody accepted
  SimStream* stream = nullptr;  // null: destroyed, or its process died
  std::deque<Chunk> in_flight;
  std::deque<std::string> received;
  size_t buffered = 0;  // in flight, received, or read with the sender not knowing it yet
  bool armed = false;   // an arrival event is on its way
  bool fin_received = false;
  bool power_lost = false;
  bool died_open = false;  // destroyed by a process that was dead already
  Time link_free{};        // when the last byte sent so far is on the wire (bandwidth)
  Time last_arrival{};
  // What the stream's owner is still to be told.
  bool connected = false;  // the dialler's end only
  bool tell_connected = false;
  bool tell_writable = false;
  bool broken = false;  // reset, refused, timed out: what was received is gone
  std::string why;
  bool closed_told = false;
  bool delivery_wanted = false;
  bool waits_for_room = false;  // its last Write was short
};

struct Connection {
  uint64_t id = 0;
  bool established = false;
  std::string address;
  End ends[2];  // 0 dialled, 1 accepted
};

class SimStream final : public Stream {
 public:
  SimStream(Process& process, Fabric& fabric, std::shared_ptr<Connection> connection, int side)
      : process_(process), fabric_(fabric), connection_(std::move(connection)), side_(side) {
    ++process_.objects;
    End& end = connection_->ends[side_];
    end.stream = this;
    end.process = process_.serial();
    end.host = &process_.host();
  }
  ~SimStream() override {
    fabric_.StreamDestroyed(connection_, side_);
    --process_.objects;
  }

  void Start(StreamHandler* handler) override {
    handler_ = handler;
    fabric_.WantDelivery(connection_, side_);
  }
  size_t Write(std::span<const std::string_view> pieces) override {
    return fabric_.Write(connection_, side_, pieces);
  }
  void SetReading(bool on) override {
    const bool before = std::exchange(reading_, on);
    if (on && !before) fabric_.WantDelivery(connection_, side_);
  }
  std::string PeerName() const override {
    const End& peer = connection_->ends[1 - side_];
    if (side_ == 0) return connection_->address;
    return peer.host->name() + ":" + std::to_string(50'000 + connection_->id % 10'000);
  }

  Process& process_;
  Fabric& fabric_;
  std::shared_ptr<Connection> connection_;
  int side_;
  StreamHandler* handler_ = nullptr;
  bool reading_ = true;
};

class SimListener final : public Listener {
 public:
  SimListener(Process& process, Fabric& fabric, std::string address, Network::AcceptHandler accept)
      : process_(process),
        fabric_(fabric),
        address_(std::move(address)),
        accept_(std::move(accept)) {
    ++process_.objects;
    fabric_.listeners_[address_] = this;
    fabric_.known_addresses_[address_] = &process_.host();
  }
  ~SimListener() override {
    auto it = fabric_.listeners_.find(address_);
    if (it != fabric_.listeners_.end() && it->second == this) fabric_.listeners_.erase(it);
    --process_.objects;
  }
  Address BoundTo() const override { return {address_}; }

  Process& process_;
  Fabric& fabric_;
  std::string address_;
  Network::AcceptHandler accept_;
};

class SimNetwork final : public Network {
 public:
  explicit SimNetwork(Process& process) : process_(process) {}

  Result<std::unique_ptr<Listener>> Listen(const Address& address, AcceptHandler accept) override {
    Fabric& fabric = process_.world().network();
    if (!process_.alive()) return Status(StatusCode::kInternal, "the simulated process is dead");
    std::string text = address.text;
    if (text.ends_with(":0"))
      text = text.substr(0, text.size() - 1) + std::to_string(++fabric.last_port_);
    if (fabric.listeners_.contains(text)) {
      return Status(StatusCode::kUnavailable, text + ": address already in use");
    }
    return std::unique_ptr<Listener>(
        std::make_unique<SimListener>(process_, fabric, text, std::move(accept)));
  }

  std::unique_ptr<Stream> Connect(const Address& address) override {
    Fabric& fabric = process_.world().network();
    return std::make_unique<SimStream>(process_, fabric, fabric.Dial(process_, address.text), 0);
  }

 private:
  Process& process_;
};

std::unique_ptr<Network> NewNetwork(Process& process) {
  return std::make_unique<SimNetwork>(process);
}

Fabric::Fabric(World& world, Random random, const NetworkOptions& options)
    : world_(world), random_(random), options_(options) {}

Fabric::~Fabric() = default;

// ---- Links ----

void Fabric::Block(const Host& from, const Host& to) {
  blocked_.insert({from.index(), to.index()});
}

void Fabric::Unblock(const Host& from, const Host& to) {
  blocked_.erase({from.index(), to.index()});
}

bool Fabric::Blocked(const Host& from, const Host& to) const {
  return !blocked_.empty() && blocked_.contains({from.index(), to.index()});
}

Duration Fabric::Latency() {
  Duration latency =
      options_.latency_min + Upto(random_, options_.latency_max - options_.latency_min);
  if (random_.Chance(options_.spike_chance)) latency += Upto(random_, options_.spike_max);
  return latency;
}

Duration Fabric::Retransmit() {
  return options_.retransmit_max / 10 + Upto(random_, options_.retransmit_max);
}

std::vector<Fabric::ConnectionPtr> Fabric::Connections() {
  std::vector<ConnectionPtr> living;
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (ConnectionPtr c = it->second.lock(); c != nullptr) {
      living.push_back(std::move(c));
      ++it;
    } else {
      it = connections_.erase(it);
    }
  }
  return living;
}

bool Fabric::ResetOne(Random& random) {
  std::vector<ConnectionPtr> open;
  for (const ConnectionPtr& c : Connections()) {
    if (c->established && c->ends[0].stream != nullptr && c->ends[1].stream != nullptr)
      open.push_back(c);
  }
  if (open.empty()) return false;
  const ConnectionPtr& chosen = open[random.Below(open.size())];
  Break(chosen, 0, "connection reset by peer");
  Break(chosen, 1, "connection reset by peer");
  return true;
}

void Fabric::ResetBetween(const Host& a, const Host& b) {
  for (const ConnectionPtr& c : Connections()) {
    const auto [x, y] = std::pair{c->ends[0].host, c->ends[1].host};
    if ((x != &a || y != &b) && (x != &b || y != &a)) continue;
    Break(c, 0, "connection reset by peer");
    Break(c, 1, "connection reset by peer");
  }
}

// ---- Connecting ----

Fabric::ConnectionPtr Fabric::Dial(Process& from, const std::string& to) {
  auto connection = std::make_shared<Connection>();
  connection->id = ++last_connection_;
  connection->address = to;
  connection->ends[0].host = &from.host();
  connections_[connection->id] = connection;
  const Time start = from.Moment();
  world_.At(start + Latency(), [this, connection] { TryConnect(connection); });
  world_.At(start + options_.connect_timeout, [this, connection] {
    const End& dialler = connection->ends[0];
    if (dialler.stream != nullptr && !dialler.connected)
      Break(connection, 0, "connection timed out");
  });
  return connection;
}

void Fabric::TryConnect(const ConnectionPtr& connection) {
  End& dialler = connection->ends[0];
  if (dialler.stream == nullptr || dialler.broken) return;
  auto known = known_addresses_.find(connection->address);
  const Host* target = known == known_addresses_.end() ? nullptr : known->second;
  if (target != nullptr &&
      (target->power_off() || Blocked(*dialler.host, *target) || Blocked(*target, *dialler.host))) {
    // Nothing answers; the kernel asks again until it gives up.
    world_.After(Retransmit(), [this, connection] { TryConnect(connection); });
    return;
  }
  auto listener = listeners_.find(connection->address);
  if (listener == listeners_.end() || !listener->second->process_.alive()) {
    SendReset(connection, 0, world_.now());
    return;
  }
  Process& acceptor = listener->second->process_;
  connection->ends[1].host = &acceptor.host();
  acceptor.Post([this, connection] {
    if (connection->ends[0].stream == nullptr) return;
    auto it = listeners_.find(connection->address);
    if (it == listeners_.end()) {
      SendReset(connection, 0, world_.now());
      return;
    }
    AcceptOn(*it->second, connection);
    Established(connection);
  });
}

void Fabric::AcceptOn(SimListener& listener, const ConnectionPtr& connection) {
  connection->established = true;
  auto stream = std::make_unique<SimStream>(listener.process_, *this, connection, 1);
  listener.accept_(std::move(stream));
}

void Fabric::Established(const ConnectionPtr& connection) {
  world_.After(Latency(), [this, connection] {
    End& dialler = connection->ends[0];
    if (dialler.stream == nullptr || dialler.broken) return;
    if (Blocked(*connection->ends[1].host, *dialler.host)) {
      world_.After(Retransmit(), [this, connection] { Established(connection); });
      return;
    }
    dialler.connected = true;
    dialler.tell_connected = true;
    dialler.tell_writable = dialler.waits_for_room;
    WantDelivery(connection, 0);
  });
}

// ---- Bytes ----

size_t Fabric::Write(const ConnectionPtr& connection, int side,
                     std::span<const std::string_view> pieces) {
  End& self = connection->ends[side];
  End& peer = connection->ends[1 - side];
  Process& process = self.stream->process_;
  size_t total = 0;
  for (const std::string_view piece : pieces) total += piece.size();
  if (!process.alive() || self.broken || total == 0) return total;
  if (!connection->established) {
    self.waits_for_room = true;
    return 0;
  }
  const size_t room = options_.buffer_bytes - std::min(options_.buffer_bytes, peer.buffered);
  size_t take = std::min(total, room);
  const bool cut_short = take == total && take > 1 && random_.Chance(options_.short_write_chance);
  if (cut_short) take = random_.Below(take);
  if (take < total) self.waits_for_room = true;
  // There is room, so no reading of the peer would bring OnWritable about.
  if (cut_short) RoomFreed(connection, side, process.Moment());
  std::string bytes;
  bytes.reserve(take);
  for (const std::string_view piece : pieces) bytes.append(piece.substr(0, take - bytes.size()));
  while (!bytes.empty()) {
    size_t n = bytes.size();
    if (n > 1 && random_.Chance(options_.split_chance)) n = 1 + random_.Below(n - 1);
    QueueChunk(connection, 1 - side,
               n == bytes.size() ? std::exchange(bytes, {}) : bytes.substr(0, n), false);
    if (!bytes.empty()) bytes.erase(0, n);
  }
  return take;
}

void Fabric::QueueChunk(const ConnectionPtr& connection, int to, std::string bytes, bool fin) {
  End& end = connection->ends[to];
  End& sender = connection->ends[1 - to];
  Chunk chunk;
  Process* process = world_.Living(sender.process);
  chunk.sent = process != nullptr ? process->Moment() : world_.now();
  end.link_free = std::max(end.link_free, chunk.sent);
  if (options_.bytes_per_second > 0) {
    end.link_free =
        end.link_free + Duration(bytes.size() * 1'000'000'000 / options_.bytes_per_second);
  }
  chunk.arrives = std::max(end.link_free + Latency(), end.last_arrival);
  end.last_arrival = chunk.arrives;
  end.buffered += bytes.size();
  chunk.bytes = std::move(bytes);
  chunk.fin = fin;
  end.in_flight.push_back(std::move(chunk));
  Arm(connection, to);
}

void Fabric::Arm(const ConnectionPtr& connection, int to) {
  End& end = connection->ends[to];
  if (end.armed || end.in_flight.empty()) return;
  end.armed = true;
  world_.At(end.in_flight.front().arrives, [this, connection, to] { Arrive(connection, to); });
}

void Fabric::Arrive(const ConnectionPtr& connection, int to) {
  End& end = connection->ends[to];
  End& sender = connection->ends[1 - to];
  end.armed = false;
  if (end.in_flight.empty()) return;
  if (Blocked(*sender.host, *end.host)) {
    if (sender.stream == nullptr && end.stream == nullptr) return;
    end.in_flight.front().arrives = world_.now() + Retransmit();
    Arm(connection, to);
    return;
  }
  if (end.stream == nullptr) {
    ArriveAtNobody(connection, to);
    return;
  }
  while (!end.in_flight.empty() && end.in_flight.front().arrives <= world_.now()) {
    Chunk chunk = std::move(end.in_flight.front());
    end.in_flight.pop_front();
    world_.Mix(Checksum(chunk.bytes, connection->id));
    if (chunk.fin) {
      end.fin_received = true;
    } else {
      end.received.push_back(std::move(chunk.bytes));
    }
  }
  WantDelivery(connection, to);
  Arm(connection, to);
}

// Bytes for a stream that is no more: whoever runs on that host now answers with a reset.
void Fabric::ArriveAtNobody(const ConnectionPtr& connection, int to) {
  End& end = connection->ends[to];
  if (connection->ends[1 - to].stream == nullptr) return;
  if (end.power_lost && end.host->process() == nullptr) {
    end.in_flight.front().arrives = world_.now() + Retransmit();
    Arm(connection, to);
    return;
  }
  end.in_flight.clear();
  SendReset(connection, 1 - to, world_.now());
}

void Fabric::RoomFreed(const ConnectionPtr& connection, int writer, Time at) {
  world_.At(at + Latency(), [this, connection, writer] {
    End& end = connection->ends[writer];
    End& reader = connection->ends[1 - writer];
    if (end.stream == nullptr || end.broken) return;
    if (Blocked(*reader.host, *end.host)) {
      RoomFreed(connection, writer, world_.now() + Retransmit());
      return;
    }
    reader.buffered = 0;
    for (const Chunk& c : reader.in_flight) reader.buffered += c.bytes.size();
    for (const std::string& r : reader.received) reader.buffered += r.size();
    if (end.waits_for_room && reader.buffered <= options_.buffer_bytes / 2) {
      end.tell_writable = true;
      WantDelivery(connection, writer);
    }
  });
}

void Fabric::SendReset(const ConnectionPtr& connection, int to, Time at) {
  world_.At(at + Latency(), [this, connection, to] {
    End& end = connection->ends[to];
    const Host* from = connection->ends[1 - to].host;
    if (end.stream == nullptr || end.broken) return;
    if (from != nullptr && Blocked(*from, *end.host)) {
      SendReset(connection, to, world_.now() + Retransmit());
      return;
    }
    Break(connection, to, "connection reset by peer");
  });
}

void Fabric::Break(const ConnectionPtr& connection, int side, const char* why) {
  End& end = connection->ends[side];
  if (end.broken) return;
  end.broken = true;
  end.why = why;
  end.in_flight.clear();
  end.received.clear();
  WantDelivery(connection, side);
}

// ---- Telling the owner ----

void Fabric::WantDelivery(const ConnectionPtr& connection, int side) {
  End& end = connection->ends[side];
  if (end.stream == nullptr || end.stream->handler_ == nullptr || end.delivery_wanted) return;
  end.delivery_wanted = true;
  end.stream->process_.Post([this, connection, side] {
    connection->ends[side].delivery_wanted = false;
    Deliver(connection, side);
  });
}

void Fabric::Deliver(const ConnectionPtr& connection, int side) {
  End& end = connection->ends[side];
  const auto open = [&] {
    return end.stream != nullptr && !end.closed_told && end.stream->process_.alive();
  };
  if (!open() || end.stream->handler_ == nullptr) return;
  if (end.broken) {
    end.closed_told = true;
    end.stream->handler_->OnClosed(
        Status(StatusCode::kUnavailable, connection->address + ": " + end.why));
    return;
  }
  if (std::exchange(end.tell_connected, false)) end.stream->handler_->OnConnected();
  if (open() && std::exchange(end.tell_writable, false)) {
    end.waits_for_room = false;
    end.stream->handler_->OnWritable();
  }
  bool freed = false;
  while (open() && end.stream->reading_ && !end.received.empty()) {
    const std::string bytes = std::move(end.received.front());
    end.received.pop_front();
    freed = true;
    end.stream->handler_->OnData(bytes);
  }
  if (freed && connection->ends[1 - side].stream != nullptr) {
    RoomFreed(connection, 1 - side, world_.now());
  }
  if (open() && end.fin_received && end.received.empty() && end.in_flight.empty()) {
    end.closed_told = true;
    end.stream->handler_->OnClosed(OkStatus());
  }
}

void Fabric::StreamDestroyed(const ConnectionPtr& connection, int side) {
  End& end = connection->ends[side];
  End& peer = connection->ends[1 - side];
  if (end.stream == nullptr) return;  // its process died: all is said
  const Time moment = end.stream->process_.Moment();
  const bool unread = !end.received.empty() || !end.in_flight.empty();
  end.stream = nullptr;
  end.received.clear();
  if (!world_.Living(end.process)) {
    end.died_open = true;  // the kernel closes it: see ProcessDied
    return;
  }
  if (peer.stream == nullptr || peer.broken || end.broken) return;
  if (!connection->established || unread) {
    SendReset(connection, 1 - side, moment);
  } else {
    QueueChunk(connection, 1 - side, {}, /*fin=*/true);
  }
}

void Fabric::ProcessDied(Process& process, bool power) {
  for (const ConnectionPtr& connection : Connections()) {
    for (int side = 0; side < 2; ++side) {
      End& end = connection->ends[side];
      End& peer = connection->ends[1 - side];
      if (end.process != process.serial() || (end.stream == nullptr && !end.died_open)) continue;
      end.stream = nullptr;
      end.received.clear();
      end.power_lost = power;
      // What the last turn would have sent later, and, without power, what waited in the kernel.
      const Time cut = power ? world_.now() + Upto(random_, options_.latency_max) : world_.now();
      while (!peer.in_flight.empty() &&
             (power ? peer.in_flight.back().arrives > cut : peer.in_flight.back().sent > cut)) {
        peer.in_flight.pop_back();
      }
      if (power || peer.stream == nullptr) continue;
      if (random_.Chance(0.5)) {
        SendReset(connection, 1 - side, world_.now());
      } else {
        QueueChunk(connection, 1 - side, {}, /*fin=*/true);
      }
    }
  }
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    it = &it->second->process_ == &process ? listeners_.erase(it) : std::next(it);
  }
}

}  // namespace cairn::env::sim
