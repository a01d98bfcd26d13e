#include "src/transport/outgoing.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/base/log.h"

namespace cairn::transport {
namespace {

std::string_view ChannelName(Channel channel) {
  return channel == Channel::kControl ? "control" : "bulk";
}

}  // namespace

Outgoing::Outgoing(env::Env env, const Options& options, NodeId peer, Channel channel,
                   std::vector<env::Address> addresses, PeerStats* stats, Owner* owner)
    : env_(env),
      options_(options),
      peer_(peer),
      channel_(channel),
      max_queue_bytes_(channel == Channel::kControl ? options.max_control_queue_bytes
                                                    : options.max_bulk_queue_bytes),
      addresses_(std::move(addresses)),
      stats_(stats),
      owner_(owner),
      backoff_(options.min_backoff) {
  CHECK(!addresses_.empty(), "a peer has at least one address");
  DialAt(env_.executor.Now());
}

Outgoing::~Outgoing() { env_.executor.Cancel(timer_); }

void Outgoing::SetAddresses(std::vector<env::Address> addresses) {
  CHECK(!addresses.empty(), "a peer has at least one address");
  if (addresses == addresses_ || state_ == State::kClosed) return;
  addresses_ = std::move(addresses);
  next_address_ = 0;
  backoff_ = options_.min_backoff;
  if (state_ == State::kWaiting) return DialSoon();
  if (std::find(addresses_.begin(), addresses_.end(), dialled_) != addresses_.end()) return;
  Break(Status(StatusCode::kAborted, "the peer has other addresses now"));
}

void Outgoing::DialSoon() {
  if (state_ == State::kWaiting) DialAt(env_.executor.Now());
}

void Outgoing::DialAt(env::Time at) {
  env_.executor.Cancel(timer_);
  timer_ = env_.executor.Schedule(at, [this] { Dial(); });
}

void Outgoing::Dial() {
  state_ = State::kConnecting;
  answer_ = HandshakeReader(HandshakeReader::Kind::kAnswer);
  next_frame_ = 0;
  blocked_ = false;
  timer_ = env_.executor.Schedule(env_.executor.Now() + options_.handshake_timeout, [this] {
    Break(Status(StatusCode::kDeadlineExceeded, state_ == State::kConnecting
                                                    ? "no connection in time"
                                                    : "no answer to the handshake in time"));
  });
  dialled_ = addresses_[next_address_];
  stream_ = env_.network.Connect(dialled_);
  stream_->Start(this);
}

void Outgoing::OnConnected() {
  state_ = State::kHandshake;
  Hello hello;
  hello.cluster = options_.cluster;
  hello.from = options_.self;
  hello.to = peer_;
  hello.channel = static_cast<uint8_t>(channel_);
  hello.name = options_.self_name;
  queue_.PushRaw(EncodeHello(hello));
  blocked_ = !queue_.WriteTo(*stream_);
}

void Outgoing::OnData(std::string_view bytes) {
  if (state_ == State::kOpen) {
    return Break(Status(StatusCode::kDataLoss, "the peer sent bytes where it only receives"));
  }
  const auto whole = answer_.Take(&bytes);
  if (!whole.ok()) return Break(whole.status());
  if (!*whole) return;
  Answer answer;
  if (!answer_.DecodeAnswer(&answer)) {
    return Break(Status(StatusCode::kDataLoss, "the answer to the handshake is malformed"));
  }
  if (Status s = CheckAnswer(answer); !s.ok()) return Break(s);
  if (!bytes.empty()) {
    return Break(Status(StatusCode::kDataLoss, "the peer sent bytes where it only receives"));
  }
  state_ = State::kOpen;
  open_since_ = env_.executor.Now();
  env_.executor.Cancel(timer_);
  if (const auto left_out = open_limit_.Allow(open_since_.value())) {
    log::Info("connected to a peer", {{"peer", peer_},
                                      {"channel", ChannelName(channel_)},
                                      {"address", dialled_.text},
                                      {"left-out", *left_out}});
  }
  owner_->OnOutgoingOpen(channel_);
}

Status Outgoing::CheckAnswer(const Answer& answer) const {
  if (answer.verdict != Verdict::kAccepted) {
    return Status(StatusCode::kFailedPrecondition,
                  "refused by the other side: " +
                      (answer.reason.empty() ? std::string("no reason given") : answer.reason));
  }
  if (answer.version < kMinVersion || answer.version > kMaxVersion) {
    return Status(StatusCode::kFailedPrecondition, "the other side chose format version " +
                                                       std::to_string(answer.version) +
                                                       ", which this member does not speak");
  }
  if (answer.cluster != options_.cluster) {
    return Status(StatusCode::kFailedPrecondition, "the other side is of cluster " +
                                                       log::Hex(answer.cluster.value) + ", not " +
                                                       log::Hex(options_.cluster.value));
  }
  if (answer.node != peer_) {
    return Status(
        StatusCode::kFailedPrecondition,
        "the other side is node " + log::Hex(answer.node.value) + ", not " + log::Hex(peer_.value));
  }
  return OkStatus();
}

void Outgoing::OnWritable() {
  blocked_ = false;
  Flush();
}

void Outgoing::OnClosed(const Status& why) {
  Break(why.ok() ? Status(StatusCode::kUnavailable, "closed by the other side") : why);
}

bool Outgoing::Push(FrameClass frame_class, Frame frame) {
  const size_t payload = PayloadBytes(frame);
  const size_t size = payload + kFrameHeaderBytes;
  // The first of an empty queue may be larger than the queue: else it could never go.
  const bool fits = queue_.bytes() == 0 || queue_.bytes() + size <= max_queue_bytes_;
  if (state_ != State::kOpen || !fits || payload > options_.max_frame_bytes) {
    ++stats_->frames_dropped;
    return false;
  }
  const FrameHeader header = EncodeFrameHeader(frame_class, frame, payload, next_frame_++);
  queue_.PushFrame(header, std::move(frame), payload);
  return true;
}

void Outgoing::Flush() {
  if (stream_ == nullptr || blocked_ || queue_.bytes() == 0) return;
  const size_t bytes_before = queue_.bytes();
  const size_t frames_before = queue_.frames();
  blocked_ = !queue_.WriteTo(*stream_);
  if (state_ != State::kOpen) return;
  stats_->bytes_sent += bytes_before - queue_.bytes();
  stats_->frames_sent += frames_before - queue_.frames();
}

void Outgoing::Break(const Status& why) {
  if (state_ == State::kWaiting || state_ == State::kClosed) return;
  // `why` may belong to the stream that ends here.
  const Status reason = why;
  const bool was_open = state_ == State::kOpen;
  if (was_open) stats_->frames_dropped += queue_.frames();
  queue_.Clear();
  stream_.reset();
  state_ = State::kWaiting;
  LogBroken(reason, was_open);
  stats_->last_error = dialled_.text + ": " + reason.message();
  DialAt(NextDial());
  if (was_open) owner_->OnOutgoingBroken(channel_, reason);
}

void Outgoing::Close() {
  env_.executor.Cancel(timer_);
  if (state_ == State::kOpen) stats_->frames_dropped += queue_.frames();
  queue_.Clear();
  stream_.reset();
  state_ = State::kClosed;
}

env::Time Outgoing::NextDial() {
  const env::Time now = env_.executor.Now();
  // A connection that held for a while was a good one; one that breaks at once counts as a failed
  // try.
  if (open_since_ && now - *open_since_ > options_.max_backoff) backoff_ = options_.min_backoff;
  open_since_.reset();
  if (++next_address_ < addresses_.size()) return now;  // this one was not tried in this round
  next_address_ = 0;
  // Between half and all of the backoff, so that members that lost each other at once do not dial
  // at once.
  const auto half = static_cast<uint64_t>(backoff_.count() / 2);
  const auto wait = static_cast<int64_t>(half + env_.executor.random().Below(half + 1));
  backoff_ = std::min(backoff_ * 2, options_.max_backoff);
  return now + env::Duration(wait);
}

void Outgoing::LogBroken(const Status& why, bool was_open) {
  // What fails to connect fails on both channels: one of them speaks for both.
  if (!was_open && channel_ != Channel::kControl) return;
  LogLimit& limit = was_open ? lost_limit_ : dial_limit_;
  const auto left_out = limit.Allow(env_.executor.Now());
  if (!left_out) return;
  log::Warn(was_open ? "lost the connection to a peer" : "cannot connect to a peer",
            {{"peer", peer_},
             {"channel", ChannelName(channel_)},
             {"address", dialled_.text},
             {"error", why.message()},
             {"left-out", *left_out}});
}

}  // namespace cairn::transport
