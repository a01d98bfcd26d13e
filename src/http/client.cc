#include "src/http/client.h"

#include <algorithm>
#include <cstring>

#include "src/base/check.h"
#include "src/http/grpc.h"

namespace cairn::http {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kFrameHeaderBytes = 9;
constexpr size_t kOurMaxFrame = 16384;

enum FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};
constexpr uint8_t kEndStream = 0x1;
constexpr uint8_t kAck = 0x1;
constexpr uint8_t kEndHeaders = 0x4;
constexpr uint8_t kPadded = 0x8;
constexpr uint8_t kPriorityFlag = 0x20;

constexpr uint32_t kErrorCancel = 8;

// What a server may send before it hears from us: per answer, and in all. Answers are handed on as
// they come, so this bounds nothing but a server's patience; credit goes out once half is used.
constexpr uint32_t kStreamWindow = 16 << 20;
constexpr uint32_t kConnectionWindow = 1 << 30;
constexpr int64_t kMaxWindow = 0x7fffffff;
constexpr size_t kKeptCapacity = 64 << 10;

uint32_t ReadU32(std::string_view at) {
  const auto* p = reinterpret_cast<const uint8_t*>(at.data());
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}

uint32_t ReadStreamId(std::string_view at) { return ReadU32(at) & 0x7fffffff; }

void WriteU32(char* to, uint32_t v) {
  to[0] = static_cast<char>(v >> 24);
  to[1] = static_cast<char>(v >> 16);
  to[2] = static_cast<char>(v >> 8);
  to[3] = static_cast<char>(v);
}

void WriteFrameHeader(char* to, size_t size, uint8_t type, uint8_t flags, uint32_t stream) {
  to[0] = static_cast<char>(size >> 16);
  to[1] = static_cast<char>(size >> 8);
  to[2] = static_cast<char>(size);
  to[3] = static_cast<char>(type);
  to[4] = static_cast<char>(flags);
  WriteU32(to + 5, stream);
}

void AppendFrameHeader(std::string& out, size_t size, uint8_t type, uint8_t flags,
                       uint32_t stream) {
  char header[kFrameHeaderBytes];
  WriteFrameHeader(header, size, type, flags, stream);
  out.append(header, sizeof header);
}

void AppendSetting(std::string& to, uint16_t id, uint32_t value) {
  char entry[6] = {static_cast<char>(id >> 8), static_cast<char>(id)};
  WriteU32(entry + 2, value);
  to.append(entry, sizeof entry);
}

// Takes off the padding of a DATA or HEADERS frame; false if it is malformed.
bool RemovePadding(uint8_t flags, std::string_view& payload) {
  if ((flags & kPadded) == 0) return true;
  if (payload.empty()) return false;
  const auto padding = static_cast<uint8_t>(payload[0]);
  payload.remove_prefix(1);
  if (padding > payload.size()) return false;
  payload.remove_suffix(padding);
  return true;
}

Status StatusOfReset(uint32_t error) {
  const std::string what = "the server reset the stream, HTTP/2 error " + std::to_string(error);
  switch (error) {
    case 7:
      return Status(StatusCode::kUnavailable, what);  // REFUSED_STREAM: nothing was done
    case 8:
      return Status::OutcomeUnknown(StatusCode::kCancelled, what);
    case 11:
      return Status::OutcomeUnknown(StatusCode::kResourceExhausted, what);
    default:
      return Status::OutcomeUnknown(StatusCode::kInternal, what);
  }
}

RequestHeaderEncoder MakeEncoder(const ClientOptions& options) {
  std::vector<std::pair<std::string, std::string>> fields = {
      {"content-type", "application/grpc"}, {"te", "trailers"}, {"user-agent", options.user_agent}};
  fields.insert(fields.end(), options.metadata.begin(), options.metadata.end());
  return RequestHeaderEncoder(options.authority, std::move(fields));
}

}  // namespace

GrpcClient::GrpcClient(const env::Env& env, std::unique_ptr<env::Stream> stream,
                       ClientOptions options, ClosedHandler on_closed, bool connected)
    : env_(env),
      options_(std::move(options)),
      on_closed_(std::move(on_closed)),
      stream_(std::move(stream)),
      connected_(connected),
      encoder_(MakeEncoder(options_)),
      timers_(env.executor, env::milliseconds(10)),
      flush_(env.executor, [this] { Flush(); }) {
  out_.append(kPreface);
  std::string settings;
  AppendSetting(settings, 2, 0);  // ENABLE_PUSH
  AppendSetting(settings, 4, kStreamWindow);
  AppendControl(kSettings, 0, 0, settings);
  char update[4];
  WriteU32(update, kConnectionWindow - 65535);
  AppendControl(kWindowUpdate, 0, 0, {update, sizeof update});
  stream_->Start(this);
}

GrpcClient::~GrpcClient() = default;

ClientMethod GrpcClient::AddMethod(std::string path) { return {encoder_.AddPath(std::move(path))}; }

// ---- Calls ----

uint32_t GrpcClient::NewCall(ClientMethod method, env::Duration timeout) {
  uint32_t index;
  if (free_calls_.empty()) {
    index = static_cast<uint32_t>(calls_.size());
    calls_.emplace_back();
  } else {
    index = free_calls_.back();
    free_calls_.pop_back();
  }
  Call& call = calls_[index];
  call.live = true;
  call.method = method;
  call.timeout = timeout;
  if (timeout > env::Duration(0)) {
    if (call.timer == nullptr) call.timer = std::make_unique<CallTimer>();
    call.timer->client = this;
    call.timer->call = index;
    timers_.Arm(*call.timer, env_.executor.Now() + timeout);
  }
  return index;
}

void GrpcClient::FreeCall(uint32_t index) {
  Call& call = calls_[index];
  if (call.stream != 0) {
    by_stream_.erase(call.stream);
    if (last_stream_ == call.stream) last_stream_ = 0;
    --active_;
  }
  if (call.timer != nullptr) call.timer->Disarm();
  ++call.generation;
  call.stream = 0;
  call.unary = nullptr;
  call.streaming = nullptr;
  call.received = 0;
  call.ended = call.headers_seen = call.live = call.blocked = false;
  call.unsent.clear();
  call.unsent_begin = 0;
  call.in.clear();
  if (call.in.capacity() > kKeptCapacity) call.in.shrink_to_fit();
  free_calls_.push_back(index);
  if (!waiting_.empty()) StartWaiting();
}

GrpcClient::Call* GrpcClient::Find(ClientCallId id) {
  const auto index = static_cast<uint32_t>(id.value);
  if (index >= calls_.size()) return nullptr;
  Call& call = calls_[index];
  return call.live && call.generation == id.value >> 32 ? &call : nullptr;
}

void GrpcClient::Unary(ClientMethod method, std::string_view message, UnaryReceiver* receiver,
                       uint64_t tag, env::Duration timeout) {
  const uint32_t index = NewCall(method, timeout);
  Call& call = calls_[index];
  call.unary = receiver;
  call.tag = tag;
  call.ended = true;
  LaunchOrWait(index, message);
}

ClientCallId GrpcClient::OpenStream(ClientMethod method, StreamReceiver* receiver) {
  const uint32_t index = NewCall(method, env::Duration(0));
  calls_[index].streaming = receiver;
  const ClientCallId id = IdOf(index);
  LaunchOrWait(index, {});
  return id;
}

void GrpcClient::LaunchOrWait(uint32_t index, std::string_view message) {
  Call& call = calls_[index];
  if (!open()) {
    refused_.push_back(IdOf(index));
    if (refused_.size() == 1) {
      env_.executor.Post([this, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired()) FailRefused();
      });
    }
    return;
  }
  if (active_ < max_streams_ && waiting_.empty()) {
    StartCall(index, message);
    return;
  }
  if (call.unary != nullptr) {
    char prefix[kGrpcPrefixBytes];
    WriteGrpcPrefix(prefix, static_cast<uint32_t>(message.size()));
    call.unsent.append(prefix, sizeof prefix).append(message);
  }
  waiting_.push_back(IdOf(index));
}

void GrpcClient::FailRefused() {
  for (const ClientCallId id : std::exchange(refused_, {})) {
    if (Find(id) != nullptr) {
      EndCall(static_cast<uint32_t>(id.value),
              Status(StatusCode::kUnavailable, "the connection to the server is closed"));
    }
  }
}

void GrpcClient::StartWaiting() {
  while (!waiting_.empty() && active_ < max_streams_ && open()) {
    const ClientCallId id = waiting_.front();
    waiting_.pop_front();
    if (Find(id) != nullptr) StartCall(static_cast<uint32_t>(id.value), {});
  }
}

// `message` is that of a unary call which is not in `unsent` yet.
void GrpcClient::StartCall(uint32_t index, std::string_view message) {
  Call& call = calls_[index];
  call.stream = next_stream_;
  next_stream_ += 2;
  if (next_stream_ > 0x7ffffff0u) goaway_ = true;  // stream ids are used up
  call.send_window = initial_window_;
  ++active_;
  by_stream_.emplace(call.stream, index);
  const size_t begin = out_.size();
  out_.append(kFrameHeaderBytes, '\0');
  std::string timeout;
  if (call.timeout > env::Duration(0)) timeout = FormatGrpcTimeout(call.timeout);
  encoder_.Append(call.method.index, timeout, out_);
  const size_t block = out_.size() - begin - kFrameHeaderBytes;
  CHECK_LE(block, max_frame_);
  WriteFrameHeader(out_.data() + begin, block, kHeaders, kEndHeaders, call.stream);
  RequestFlush();
  if (call.unary != nullptr && call.unsent.empty()) {
    const size_t size = kGrpcPrefixBytes + message.size();
    const auto need = static_cast<int64_t>(size);
    if (size <= max_frame_ && need <= connection_window_ && need <= call.send_window) {
      connection_window_ -= need;
      call.send_window -= need;
      char head[kFrameHeaderBytes + kGrpcPrefixBytes];
      WriteFrameHeader(head, size, kData, kEndStream, call.stream);
      WriteGrpcPrefix(head + kFrameHeaderBytes, static_cast<uint32_t>(message.size()));
      out_.append(head, sizeof head).append(message);
      return;
    }
    char prefix[kGrpcPrefixBytes];
    WriteGrpcPrefix(prefix, static_cast<uint32_t>(message.size()));
    call.unsent.append(prefix, sizeof prefix).append(message);
  }
  if (!call.unsent.empty() || call.ended) SendData(call);
}

size_t GrpcClient::Send(ClientCallId id, std::string_view message) {
  Call* call = Find(id);
  if (call == nullptr || call->ended) return 0;
  char prefix[kGrpcPrefixBytes];
  WriteGrpcPrefix(prefix, static_cast<uint32_t>(message.size()));
  call->unsent.append(prefix, sizeof prefix).append(message);
  if (call->stream != 0 && !call->blocked) SendData(*call);
  return call->unsent.size() - call->unsent_begin;
}

void GrpcClient::HalfClose(ClientCallId id) {
  Call* call = Find(id);
  if (call == nullptr || call->ended) return;
  call->ended = true;
  if (call->stream != 0 && !call->blocked) SendData(*call);
}

void GrpcClient::Cancel(ClientCallId id) {
  Call* call = Find(id);
  if (call == nullptr) return;
  if (call->stream != 0) ResetStream(call->stream, kErrorCancel);
  FreeCall(static_cast<uint32_t>(id.value));
}

void GrpcClient::OnCallTimeout(uint32_t index) {
  Call& call = calls_[index];
  const bool sent = call.stream != 0;
  if (sent) ResetStream(call.stream, kErrorCancel);
  EndCall(index, sent ? Status::OutcomeUnknown(StatusCode::kDeadlineExceeded,
                                               "no answer within the call's timeout")
                      : Status(StatusCode::kDeadlineExceeded,
                               "the call could not be sent within its timeout"));
}

// ---- Output ----

// Moves as much of `unsent` out as the windows allow; after its last byte, END_STREAM if the call
// has ended.
void GrpcClient::SendData(Call& call) {
  for (;;) {
    const size_t rest = call.unsent.size() - call.unsent_begin;
    const int64_t window = std::min(connection_window_, call.send_window);
    if (rest > 0 && window <= 0) {
      if (!call.blocked) {
        call.blocked = true;
        blocked_.push_back(IdOf(static_cast<uint32_t>(&call - calls_.data())));
      }
      return;
    }
    if (rest == 0 && !call.ended) break;
    const size_t size = rest == 0 ? 0 : std::min({rest, max_frame_, static_cast<size_t>(window)});
    const bool last = size == rest;
    AppendFrameHeader(out_, size, kData, last && call.ended ? kEndStream : 0, call.stream);
    out_.append(call.unsent, call.unsent_begin, size);
    call.unsent_begin += size;
    connection_window_ -= static_cast<int64_t>(size);
    call.send_window -= static_cast<int64_t>(size);
    RequestFlush();
    if (last) break;
  }
  call.unsent.clear();
  call.unsent_begin = 0;
  if (call.unsent.capacity() > kKeptCapacity) call.unsent.shrink_to_fit();
}

void GrpcClient::SendBlocked() {
  for (size_t n = blocked_.size(); n > 0 && connection_window_ > 0; --n) {
    const ClientCallId id = blocked_.front();
    blocked_.pop_front();
    Call* call = Find(id);
    if (call == nullptr) continue;
    call->blocked = false;
    SendData(*call);
  }
}

void GrpcClient::AppendControl(uint8_t type, uint8_t flags, uint32_t stream,
                               std::string_view payload) {
  AppendFrameHeader(out_, payload.size(), type, flags, stream);
  out_.append(payload);
  RequestFlush();
}

void GrpcClient::ResetStream(uint32_t stream, uint32_t error) {
  char payload[4];
  WriteU32(payload, error);
  AppendControl(kRstStream, 0, stream, {payload, sizeof payload});
}

void GrpcClient::RequestFlush() {
  if (connected_ && writable_) flush_.Request();
}

void GrpcClient::Flush() {
  if (closed_ || !writable_) return;
  const std::string_view rest = std::string_view(out_).substr(out_begin_);
  if (rest.empty()) return;
  const size_t taken = stream_->Write({&rest, 1});
  out_begin_ += taken;
  writable_ = taken == rest.size();
  if (writable_) {
    out_.clear();
    out_begin_ = 0;
  } else if (out_begin_ > out_.size() / 2) {
    out_.erase(0, out_begin_);
    out_begin_ = 0;
  }
}

void GrpcClient::OnConnected() {
  connected_ = true;
  RequestFlush();
}

void GrpcClient::OnWritable() {
  writable_ = true;
  RequestFlush();
}

// ---- Input ----

void GrpcClient::OnData(std::string_view bytes) {
  if (closed_) return;
  bool good = true;
  while (good && !bytes.empty()) {
    // Frames are read where they arrived, except one that is cut by the end of the bytes.
    std::string_view at = bytes;
    if (!in_.empty()) {
      const size_t want_header =
          in_.size() < kFrameHeaderBytes ? kFrameHeaderBytes - in_.size() : 0;
      const size_t part = std::min(want_header, bytes.size());
      in_.append(bytes.substr(0, part));
      bytes.remove_prefix(part);
      if (in_.size() < kFrameHeaderBytes) return;
      at = in_;
    } else if (bytes.size() < kFrameHeaderBytes) {
      in_.assign(bytes);
      return;
    }
    const size_t size = kFrameHeaderBytes + (ReadU32(at) >> 8);
    if (size > kFrameHeaderBytes + kOurMaxFrame) {
      good = false;
      break;
    }
    if (in_.empty()) {
      if (bytes.size() < size) {
        in_.assign(bytes);
        return;
      }
      good = OnFrame(bytes.substr(0, size));
      bytes.remove_prefix(size);
    } else {
      const size_t part = std::min(size - in_.size(), bytes.size());
      in_.append(bytes.substr(0, part));
      bytes.remove_prefix(part);
      if (in_.size() < size) return;
      good = OnFrame(in_);
      in_.clear();
    }
  }
  if (!good) {
    Fail(Status(StatusCode::kInternal, "the server's HTTP/2 is malformed"));
  }
}

bool GrpcClient::OnFrame(std::string_view frame) {
  const auto type = static_cast<uint8_t>(frame[3]);
  const auto flags = static_cast<uint8_t>(frame[4]);
  const uint32_t stream = ReadStreamId(frame.substr(5));
  const std::string_view payload = frame.substr(kFrameHeaderBytes);
  if (block_stream_ != 0 && type != kContinuation) return false;
  switch (type) {
    case kData:
      return OnDataFrame(flags, stream, payload);
    case kHeaders:
      return OnHeadersFrame(flags, stream, payload);
    case kContinuation:
      return OnContinuation(flags, stream, payload);
    case kRstStream: {
      if (payload.size() != 4 || stream == 0) return false;
      const uint32_t index = CallOf(stream);
      if (index != kNoCall) EndCall(index, StatusOfReset(ReadU32(payload)));
      return true;
    }
    case kSettings:
      return stream == 0 && OnSettings(flags, payload);
    case kPing:
      if (payload.size() != 8 || stream != 0) return false;
      if ((flags & kAck) == 0) AppendControl(kPing, kAck, 0, payload);
      return true;
    case kGoaway:
      if (payload.size() < 8 || stream != 0) return false;
      OnGoaway(payload);
      return true;
    case kWindowUpdate:
      return OnWindowUpdate(stream, payload);
    case kPushPromise:
      return false;  // we forbade it
    default:
      return true;  // PRIORITY, and what we do not know
  }
}

uint32_t GrpcClient::CallOf(uint32_t stream) {
  if (stream == last_stream_) return last_call_;
  const auto it = by_stream_.find(stream);
  if (it == by_stream_.end()) return kNoCall;
  last_stream_ = stream;
  last_call_ = it->second;
  return last_call_;
}

bool GrpcClient::OnDataFrame(uint8_t flags, uint32_t stream, std::string_view payload) {
  if (stream == 0) return false;
  const auto size = static_cast<uint32_t>(payload.size());
  received_ += size;
  if (received_ >= kConnectionWindow / 2) {
    char update[4];
    WriteU32(update, static_cast<uint32_t>(received_));
    AppendControl(kWindowUpdate, 0, 0, {update, sizeof update});
    received_ = 0;
  }
  if (!RemovePadding(flags, payload)) return false;
  const uint32_t index = CallOf(stream);
  if (index == kNoCall) return true;  // cancelled before
  Call& call = calls_[index];
  call.received += size;
  const bool end = (flags & kEndStream) != 0;
  if (call.received >= kStreamWindow / 2 && !end) {
    char update[4];
    WriteU32(update, std::exchange(call.received, 0));
    AppendControl(kWindowUpdate, 0, stream, {update, sizeof update});
  }
  call.in.append(payload);
  const ClientCallId id = IdOf(index);
  if (call.unary != nullptr) {
    if (!CheckMessage(index, call.in)) return true;
  } else {
    DeliverMessages(index);
  }
  if (end && Find(id) != nullptr) {
    EndCall(index, Status::OutcomeUnknown(StatusCode::kInternal,
                                          "the server ended the stream without a status"));
  }
  return true;
}

bool GrpcClient::CheckMessage(uint32_t index, std::string_view in) {
  if (in.size() < kGrpcPrefixBytes) return true;
  const GrpcPrefix prefix = ReadGrpcPrefix(in.data());
  Status wrong;
  if (prefix.flags != 0) {
    wrong = Status::OutcomeUnknown(StatusCode::kInternal, "the server sent a compressed message");
  } else if (prefix.length > options_.max_message_bytes) {
    const Status large = MessageTooLarge(prefix.length, options_.max_message_bytes);
    wrong = Status::OutcomeUnknown(large.code(), large.message());
  }
  if (wrong.ok()) return true;
  ResetStream(calls_[index].stream, kErrorCancel);
  EndCall(index, wrong);
  return false;
}

void GrpcClient::DeliverMessages(uint32_t index) {
  const ClientCallId id = IdOf(index);
  StreamReceiver* receiver = calls_[index].streaming;
  const std::string data = std::move(calls_[index].in);
  std::string_view rest = data;
  while (rest.size() >= kGrpcPrefixBytes) {
    if (!CheckMessage(index, rest)) return;
    const size_t size = kGrpcPrefixBytes + ReadGrpcPrefix(rest.data()).length;
    if (rest.size() < size) break;
    receiver->OnMessage(rest.substr(kGrpcPrefixBytes, size - kGrpcPrefixBytes));
    rest.remove_prefix(size);
    if (Find(id) == nullptr) return;
  }
  calls_[index].in.assign(rest);
}

bool GrpcClient::OnHeadersFrame(uint8_t flags, uint32_t stream, std::string_view payload) {
  if (stream % 2 == 0 || stream >= next_stream_) return false;
  if (!RemovePadding(flags, payload)) return false;
  if ((flags & kPriorityFlag) != 0) {
    if (payload.size() < 5) return false;
    payload.remove_prefix(5);
  }
  const bool end_stream = (flags & kEndStream) != 0;
  if ((flags & kEndHeaders) != 0) return OnHeaderBlock(stream, end_stream, payload);
  block_stream_ = stream;
  block_end_stream_ = end_stream;
  block_.assign(payload);
  return true;
}

bool GrpcClient::OnContinuation(uint8_t flags, uint32_t stream, std::string_view payload) {
  constexpr size_t kMaxBlock = 256 << 10;
  if (stream == 0 || stream != block_stream_ || block_.size() + payload.size() > kMaxBlock) {
    return false;
  }
  block_.append(payload);
  if ((flags & kEndHeaders) == 0) return true;
  block_stream_ = 0;
  return OnHeaderBlock(stream, block_end_stream_, block_);
}

bool GrpcClient::OnHeaderBlock(uint32_t stream, bool end_stream, std::string_view block) {
  const ResponseHeaders* headers =
      decoder_.Decode(block);  // for a cancelled call too: it has state
  if (headers == nullptr) return false;
  const uint32_t index = CallOf(stream);
  if (index == kNoCall) return true;
  Call& call = calls_[index];
  if (end_stream) {
    FinishCall(index, *headers);
    return true;
  }
  if (headers->http_status >= 100 && headers->http_status < 200) return true;
  if (std::exchange(call.headers_seen, true)) return false;  // trailers end a stream
  if (headers->http_status != 200 || !headers->grpc || headers->compressed) {
    const Status status =
        headers->http_status != 200
            ? Status::OutcomeUnknown(
                  StatusCodeOfHttp(headers->http_status),
                  "the server answered with HTTP status " + std::to_string(headers->http_status))
            : Status::OutcomeUnknown(StatusCode::kUnknown, "the server's answer is not plain gRPC");
    ResetStream(stream, kErrorCancel);
    EndCall(index, status);
  }
  return true;
}

void GrpcClient::FinishCall(uint32_t index, const ResponseHeaders& headers) {
  const Call& call = calls_[index];
  // The server was satisfied before it had everything: take back what we have not sent.
  if (!call.ended || !call.unsent.empty()) ResetStream(call.stream, kErrorCancel);
  if (!headers.has_status) {
    const bool http_error = headers.http_status != 0 && headers.http_status != 200;
    EndCall(index, Status::OutcomeUnknown(
                       http_error ? StatusCodeOfHttp(headers.http_status) : StatusCode::kUnknown,
                       http_error ? "the server answered with HTTP status " +
                                        std::to_string(headers.http_status)
                                  : "the server's answer has no grpc-status"));
    return;
  }
  if (headers.status != StatusCode::kOk) {
    EndCall(index, Status(headers.status, headers.message));
    return;
  }
  const bool whole =
      call.unary != nullptr
          ? call.in.size() >= kGrpcPrefixBytes &&
                call.in.size() == kGrpcPrefixBytes + ReadGrpcPrefix(call.in.data()).length
          : call.in.empty();
  EndCall(index, whole ? OkStatus()
                       : Status::OutcomeUnknown(StatusCode::kInternal,
                                                "the server's answer is not one whole message"));
}

void GrpcClient::EndCall(uint32_t index, const Status& status) {
  Call& call = calls_[index];
  UnaryReceiver* unary = call.unary;
  StreamReceiver* streaming = call.streaming;
  const uint64_t tag = call.tag;
  if (unary == nullptr) {
    const Status copy = status;
    FreeCall(index);
    streaming->OnDone(copy);
    return;
  }
  // The slot is free for a call that the receiver makes; its buffer is not, until it has been
  // looked at.
  std::string message = std::move(call.in);
  call.in.clear();
  FreeCall(index);
  unary->OnReply(
      tag, status,
      status.ok() ? std::string_view(message).substr(kGrpcPrefixBytes) : std::string_view());
  message.clear();
  if (message.capacity() <= kKeptCapacity && calls_[index].in.empty())
    calls_[index].in.swap(message);
}

bool GrpcClient::OnSettings(uint8_t flags, std::string_view payload) {
  if ((flags & kAck) != 0) return payload.empty();
  if (payload.size() % 6 != 0) return false;
  for (; !payload.empty(); payload.remove_prefix(6)) {
    const uint32_t id = ReadU32(payload) >> 16;
    const uint32_t value = ReadU32(payload.substr(2));
    switch (id) {
      case 1:
        encoder_.SetTableLimit(value);
        break;
      case 3:
        max_streams_ = value;
        break;
      case 4: {
        if (value > kMaxWindow) return false;
        const int64_t change = int64_t{value} - initial_window_;
        initial_window_ = value;
        for (Call& call : calls_) {
          if (call.stream != 0) call.send_window += change;
        }
        break;
      }
      case 5:
        if (value < 16384 || value > 0xffffff) return false;
        max_frame_ = std::min<size_t>(value, 64 << 10);
        break;
      default:
        break;
    }
  }
  AppendControl(kSettings, kAck, 0, {});
  SendBlocked();
  StartWaiting();
  return true;
}

bool GrpcClient::OnWindowUpdate(uint32_t stream, std::string_view payload) {
  if (payload.size() != 4) return false;
  const int64_t more = ReadStreamId(payload);
  if (more == 0) return false;
  if (stream == 0) {
    connection_window_ += more;
    if (connection_window_ > kMaxWindow) return false;
    SendBlocked();
    return true;
  }
  const uint32_t index = CallOf(stream);
  if (index == kNoCall) return true;
  Call& call = calls_[index];
  call.send_window += more;
  if (call.send_window > kMaxWindow) return false;
  if (call.blocked) SendBlocked();
  return true;
}

void GrpcClient::OnGoaway(std::string_view payload) {
  goaway_ = true;
  const uint32_t last = ReadStreamId(payload);
  const uint32_t error = ReadU32(payload.substr(4));
  const Status status(StatusCode::kUnavailable,
                      "the server takes no more calls on this connection, HTTP/2 error " +
                          std::to_string(error) + " " + std::string(payload.substr(8, 64)));
  for (uint32_t i = 0; i < calls_.size(); ++i) {
    // The server has not looked at them, and will not.
    if (calls_[i].live && (calls_[i].stream == 0 || calls_[i].stream > last)) EndCall(i, status);
  }
  waiting_.clear();
}

void GrpcClient::OnClosed(const Status& why) {
  if (closed_) return;
  Fail(Status(StatusCode::kUnavailable,
              why.ok() ? "the server closed the connection" : why.message()));
}

void GrpcClient::Fail(const Status& why) {
  closed_ = true;
  stream_.reset();
  waiting_.clear();
  const auto calls = static_cast<uint32_t>(calls_.size());
  for (uint32_t i = 0; i < calls; ++i) {
    if (!calls_[i].live) continue;
    EndCall(i, calls_[i].stream != 0
                   ? Status::OutcomeUnknown(StatusCode::kUnavailable, why.message())
                   : Status(StatusCode::kUnavailable, why.message()));
  }
  if (on_closed_) on_closed_(why);
}

}  // namespace cairn::http
