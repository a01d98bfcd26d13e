#include "src/transport/incoming.h"

#include <utility>

namespace cairn::transport {

Incoming::Incoming(env::Executor& executor, const Options& options,
                   std::unique_ptr<env::Stream> stream, Owner* owner)
    : executor_(executor),
      options_(options),
      owner_(owner),
      remote_name_(stream->PeerName()),
      stream_(std::move(stream)),
      frames_(options.max_frame_bytes) {}

Incoming::~Incoming() { executor_.Cancel(timer_); }

void Incoming::Start() {
  timer_ = executor_.Schedule(executor_.Now() + options_.handshake_timeout, [this] {
    Break(Status(StatusCode::kDeadlineExceeded, "no hello in time"));
  });
  stream_->Start(this);
}

void Incoming::Accept(NodeId peer, Channel channel, PeerStats* stats, const Answer& answer) {
  executor_.Cancel(timer_);
  peer_ = peer;
  channel_ = channel;
  stats_ = stats;
  answer_.PushRaw(EncodeAnswer(answer));
  answer_.WriteTo(*stream_);
}

void Incoming::Refuse(const Answer& answer) {
  answer_.PushRaw(EncodeAnswer(answer));
  answer_.WriteTo(*stream_);
}

void Incoming::Close() {
  executor_.Cancel(timer_);
  stream_.reset();
}

void Incoming::OnData(std::string_view bytes) {
  if (peer_ == kNobody && !ReadHello(&bytes)) return;
  stats_->bytes_received += bytes.size();
  ReceivedFrame frame;
  while (!bytes.empty()) {
    const auto whole = frames_.Take(&bytes, &frame);
    if (!whole.ok()) return Break(whole.status());
    if (!*whole) return;
    owner_->OnIncomingFrame(*this, std::move(frame));
    if (stream_ == nullptr) return;
  }
}

bool Incoming::ReadHello(std::string_view* bytes) {
  const auto whole = hello_.Take(bytes);
  if (!whole.ok()) {
    Break(whole.status());
    return false;
  }
  if (!*whole) return false;
  Hello hello;
  // What is too short to be read leaves no channel, and is refused for that.
  if (!hello_.DecodeHello(&hello)) hello.channel = UINT8_MAX;
  return owner_->OnHello(*this, hello);
}

void Incoming::OnWritable() { answer_.WriteTo(*stream_); }

void Incoming::OnClosed(const Status& why) {
  Break(why.ok() ? Status(StatusCode::kUnavailable, "closed by the other side") : why);
}

void Incoming::Break(const Status& why) {
  const Status reason = why;  // may belong to the stream that ends here
  Close();
  owner_->OnIncomingBroken(*this, reason);
}

}  // namespace cairn::transport
