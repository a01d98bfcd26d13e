// Incoming: a connection that another member dialled. It is judged by its hello and then only
// received from.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "src/env/env.h"
#include "src/transport/send_queue.h"
#include "src/transport/transport.h"
#include "src/transport/wire.h"

namespace cairn::transport {

class Incoming final : private env::StreamHandler {
 public:
  // Who decides and takes what arrives. Each call may Close the connection; none may destroy it.
  class Owner {
   public:
    // The other side said hello. True: it was accepted and Accept was called. False: it was
    // refused, and the connection is given up.
    virtual bool OnHello(Incoming& from, const Hello& hello) = 0;
    virtual void OnIncomingFrame(Incoming& from, ReceivedFrame frame) = 0;
    // It ended, or what it sent was damaged. Already closed.
    virtual void OnIncomingBroken(Incoming& from, const Status& why) = 0;

   protected:
    ~Owner() = default;
  };

  Incoming(env::Executor& executor, const Options& options, std::unique_ptr<env::Stream> stream,
           Owner* owner);
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;
  ~Incoming();

  // Begins to read; a hello is due within the handshake's time.
  void Start();
  // From here on frames come, and count in `stats`, which outlives the open connection.
  void Accept(NodeId peer, Channel channel, PeerStats* stats, const Answer& answer);
  // Tells the other side why; the owner closes then.
  void Refuse(const Answer& answer);
  // No call of the owner follows.
  void Close();

  NodeId peer() const { return peer_; }  // kNobody before it is accepted
  Channel channel() const { return channel_; }
  std::string RemoteName() const { return remote_name_; }

 private:
  void OnData(std::string_view bytes) override;
  void OnWritable() override;
  void OnClosed(const Status& why) override;

  bool ReadHello(std::string_view* bytes);
  void Break(const Status& why);

  env::Executor& executor_;
  const Options& options_;
  Owner* const owner_;
  const std::string remote_name_;
  std::unique_ptr<env::Stream> stream_;  // none once closed
  HandshakeReader hello_{HandshakeReader::Kind::kHello};
  FrameReader frames_;
  SendQueue answer_;
  env::TimerId timer_;  // the end of patience with the handshake
  NodeId peer_;
  Channel channel_ = Channel::kControl;
  PeerStats* stats_ = nullptr;
};

}  // namespace cairn::transport
