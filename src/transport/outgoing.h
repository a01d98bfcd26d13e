// Outgoing: the connection that this member dials for one channel to one peer, kept alive for as
// long as the object lives: dial, handshake, send; when it breaks, wait and dial again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/env/env.h"
#include "src/transport/log_limit.h"
#include "src/transport/send_queue.h"
#include "src/transport/transport.h"
#include "src/transport/wire.h"

namespace cairn::transport {

class Outgoing final : private env::StreamHandler {
 public:
  class Owner {
   public:
    // The handshake is done, frames may be sent. / The open connection broke.
    // Both are the last thing that a call of Outgoing does: the owner may do what it likes.
    virtual void OnOutgoingOpen(Channel channel) = 0;
    virtual void OnOutgoingBroken(Channel channel, const Status& why) = 0;

   protected:
    ~Owner() = default;
  };

  // What was sent or lost is counted in `stats`, which outlives this object as `options` does.
  Outgoing(env::Env env, const Options& options, NodeId peer, Channel channel,
           std::vector<env::Address> addresses, PeerStats* stats, Owner* owner);
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;
  ~Outgoing();

  bool open() const { return state_ == State::kOpen; }
  // Closes the connection only if it was made to an address that is gone.
  void SetAddresses(std::vector<env::Address> addresses);
  // The peer was heard of: if a dial waits for its time, that is now.
  void DialSoon();
  // Queues a frame; false and counted if it cannot be sent.
  bool Push(FrameClass frame_class, Frame frame);
  // Writes what is queued, as far as the stream takes it.
  void Flush();
  // Gives the connection up and dials again.
  void Break(const Status& why);
  // Ends it for good; no call of the owner follows.
  void Close();

 private:
  enum class State { kWaiting, kConnecting, kHandshake, kOpen, kClosed };

  void OnConnected() override;
  void OnData(std::string_view bytes) override;
  void OnWritable() override;
  void OnClosed(const Status& why) override;

  void Dial();
  void DialAt(env::Time at);
  Status CheckAnswer(const Answer& answer) const;
  // When to dial after the connection of now ended; moves to the next address and backs off.
  env::Time NextDial();
  void LogBroken(const Status& why, bool was_open);

  const env::Env env_;
  const Options& options_;
  const NodeId peer_;
  const Channel channel_;
  const size_t max_queue_bytes_;
  std::vector<env::Address> addresses_;
  PeerStats* const stats_;
  Owner* const owner_;

  State state_ = State::kWaiting;
  std::unique_ptr<env::Stream> stream_;  // none while waiting
  HandshakeReader answer_{HandshakeReader::Kind::kAnswer};
  SendQueue queue_;
  uint64_t next_frame_ = 0;  // number of the next frame on this connection
  bool blocked_ = false;     // OnWritable will come
  env::TimerId timer_;       // the next dial, or the end of patience with this one
  size_t next_address_ = 0;
  env::Address dialled_;
  env::Duration backoff_;
  std::optional<env::Time> open_since_;
  LogLimit open_limit_;
  LogLimit lost_limit_;
  LogLimit dial_limit_;
};

}  // namespace cairn::transport
