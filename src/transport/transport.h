// Transport: frames between the members of a cluster over streams. It knows members, connections
// and queues; what a frame means is its users' business. The format stands in docs/formats/peer.md.
//
// Each member dials two connections to every other, one for each channel, and sends on those it
// dialled only; what it accepts it only receives from. So heartbeats and votes never wait behind
// bulk. A handshake carries format version, cluster id, the sender's and the expected receiver's
// id; a stranger is refused and both sides log why. A connection that breaks is dialled again with
// backoff. Frames may be lost (a connection breaks, a queue is full), never altered (checksum),
// doubled or reordered within a channel of one connection.
//
// All calls and events on the executor's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/types.h"
#include "src/env/env.h"

namespace cairn::transport {

enum class Channel : uint8_t { kControl = 0, kBulk = 1 };

// `head` then the slices of `body`, one after another, are the frame's payload. The slices are
// written to the socket from where they are; they are never copied.
struct Frame {
  uint8_t kind = 0;
  std::string head;
  std::vector<SharedBytes> body;
};

// May call the transport from inside its own calls, but not destroy it there.
class Receiver {
 public:
  virtual ~Receiver() = default;
  // One whole, checked frame. `payload` may be kept (its slices share the block it arrived in).
  virtual void OnFrame(NodeId from, uint8_t kind, SharedBytes payload) = 0;
  // Both channels to the peer are open now / one of them broke (what was queued on it is lost; the
  // other still sends). Not called for a peer that is removed.
  virtual void OnPeerConnected(NodeId peer) = 0;
  virtual void OnPeerDisconnected(NodeId peer, const Status& why) = 0;
};

struct Options {
  ClusterId cluster;
  NodeId self;
  std::string self_name;
  std::vector<env::Address> listen;
  size_t max_frame_bytes = 64 << 20;
  // A channel's queue; beyond it Send drops and says so.
  size_t max_control_queue_bytes = 4 << 20;
  size_t max_bulk_queue_bytes = 64 << 20;
  env::Duration min_backoff = env::milliseconds(20);
  env::Duration max_backoff = env::milliseconds(1000);
  env::Duration handshake_timeout = env::seconds(5);
  // A peer that answers none of so many pings in a row is taken for dead and dialled again.
  env::Duration ping_interval = env::seconds(1);
  int max_unanswered_pings = 5;
};

struct PeerStats {
  NodeId peer;
  bool connected = false;
  uint64_t bytes_sent = 0, bytes_received = 0, frames_sent = 0, frames_received = 0,
           frames_dropped = 0;
  env::Duration round_trip{0};  // last measured, 0 when unknown
  std::string last_error;
};

// What a replica needs of a transport: the simulator puts a lossy link between by implementing it.
class Sender {
 public:
  virtual ~Sender() = default;
  // Queues the frame; it is written at the end of the turn, or by Flush. False: the channel is not
  // open, its queue is full or the frame is larger than max_frame_bytes; then the frame is dropped.
  virtual bool Send(NodeId to, Channel channel, Frame frame) = 0;
  // Writes what is queued now: called before a sync that blocks the loop.
  virtual void Flush() = 0;
};

class Transport : public Sender {
 public:
  // Listens at once. `receiver` outlives the transport.
  static Result<std::unique_ptr<Transport>> Create(env::Env env, Options options,
                                                   Receiver* receiver);

  // Begins to dial; addresses (at least one) are tried in turn.
  virtual void AddPeer(NodeId peer, std::vector<env::Address> addresses) = 0;
  // Keeps the connections that were made to an address that is still there.
  virtual void UpdatePeer(NodeId peer, std::vector<env::Address> addresses) = 0;
  virtual void RemovePeer(NodeId peer) = 0;
  // By rising NodeId.
  virtual std::vector<PeerStats> stats() const = 0;
  // The addresses of Options::listen as bound: with the system's port where 0 was asked for.
  virtual std::vector<env::Address> BoundTo() const = 0;
};

}  // namespace cairn::transport
