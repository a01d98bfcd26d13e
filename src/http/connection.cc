#include "src/http/connection.h"

#include <algorithm>
#include <utility>

#include "src/http/http1_session.h"
#include "src/http/http2_session.h"

namespace cairn::http {
namespace {

constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// How much a session is asked for at a time, and how much one connection may write in one turn.
constexpr size_t kFillBytes = 128 << 10;
constexpr size_t kTurnBytes = 2 << 20;
// The part of its budget that a connection has while the server's is short.
constexpr size_t kPressureDivisor = 8;

}  // namespace

ServerContext::ServerContext(const env::Env& e, const Options& o)
    : env(e),
      options(o),
      call_timers(e.executor, env::milliseconds(10)),
      connection_timers(e.executor, env::milliseconds(500)),
      http2(std::make_unique<Http2Shared>(o)) {}

ServerContext::~ServerContext() = default;

Connection::Connection(ServerContext& server, std::unique_ptr<env::Stream> stream)
    : server_(server),
      stream_(std::move(stream)),
      peer_(stream_->PeerName()),
      opened_(server.env.executor.Now()) {
  ++server_.stats.connections;
  ++server_.stats.connections_total;
  UpdateTimer();
  stream_->Start(this);
}

Connection::~Connection() {
  if (!closed_) Close();
  --server_.stats.connections;
}

void Connection::OnData(std::string_view bytes) {
  if (closed_) return;
  server_.stats.bytes_received += bytes.size();
  if (session_ == nullptr) {
    Detect(bytes);
  } else if (!session_->OnData(bytes)) {
    SetReading(false);
    MarkDirty();
  }
  UpdateTimer();
}

void Connection::Detect(std::string_view bytes) {
  std::string joined;
  if (!preface_.empty()) {
    joined = std::move(preface_);
    preface_.clear();
    joined.append(bytes);
    bytes = joined;
  }
  const size_t known = std::min(bytes.size(), kHttp2Preface.size());
  if (bytes.substr(0, known) != kHttp2Preface.substr(0, known)) {
    session_ = NewHttp1Session(*this);
  } else if (known == kHttp2Preface.size()) {
    session_ = NewHttp2Session(*this);
  } else {
    preface_ = bytes;
    return;
  }
  if (server_.draining) session_->StartDrain();
  if (!session_->OnData(bytes)) SetReading(false);
  MarkDirty();
}

void Connection::OnWritable() { MarkDirty(); }

void Connection::OnClosed(const Status&) { Close(); }

void Connection::MarkDirty() {
  if (dirty_) return;
  dirty_ = true;
  server_.dirty.push_back(this);
  server_.request_flush();
}

void Connection::Flush(std::string& scratch) {
  dirty_ = false;
  if (closed_) return;
  size_t written = 0;
  while (!closed_) {
    if (!unwritten_.empty()) {
      const std::string_view rest = std::string_view(unwritten_).substr(unwritten_begin_);
      const size_t taken = stream_->Write({&rest, 1});
      server_.stats.bytes_sent += taken;
      Release(taken);
      unwritten_begin_ += taken;
      if (taken > 0) write_progress_ = server_.env.executor.Now();
      if (taken < rest.size()) break;
      std::string().swap(unwritten_);
      unwritten_begin_ = 0;
      written += taken;
    }
    if (session_ == nullptr) break;
    if (written >= kTurnBytes) {  // others have their turn too
      server_.env.executor.Post([ref = session_->self()] {
        if (Session* session = ref.session()) session->WantFlush();
      });
      break;
    }
    scratch.clear();
    session_->Fill(scratch, kFillBytes);
    if (scratch.empty()) {
      if (session_->finished()) Close();
      break;
    }
    const std::string_view piece = scratch;
    const size_t taken = stream_->Write({&piece, 1});
    server_.stats.bytes_sent += taken;
    written += taken;
    if (taken < piece.size()) {
      unwritten_.assign(piece.substr(taken));
      Charge(unwritten_.size());
      write_progress_ = server_.env.executor.Now();
      break;
    }
  }
  if (closed_) return;
  UpdateReading();
  UpdateTimer();
}

void Connection::StartDrain() {
  if (closed_) return;
  if (session_ == nullptr) {
    Close();
    return;
  }
  session_->StartDrain();
  MarkDirty();
}

void Connection::Close() {
  if (closed_) return;
  closed_ = true;
  Disarm();
  if (session_ != nullptr) session_->OnConnectionClosed();
  session_.reset();
  stream_->SetReading(false);
  Release(charged_);
  MarkDirty();  // the owner finds it there and destroys it
}

bool Connection::TryCharge(size_t bytes) {
  const size_t share = server_.UnderPressure()
                           ? server_.options.connection_budget_bytes / kPressureDivisor
                           : server_.options.connection_budget_bytes;
  if (charged_ + bytes > share ||
      server_.stats.budget_used + bytes > server_.options.server_budget_bytes) {
    return false;
  }
  Charge(bytes);
  return true;
}

void Connection::Charge(size_t bytes) {
  charged_ += bytes;
  server_.stats.budget_used += bytes;
}

void Connection::Release(size_t bytes) {
  CHECK_LE(bytes, charged_);
  charged_ -= bytes;
  server_.stats.budget_used -= bytes;
}

void Connection::SetReading(bool on) {
  session_wants_reading_ = on;
  UpdateReading();
}

void Connection::UpdateReading() {
  if (closed_) return;
  // A client that does not read is not read from: what it asks for would pile up here.
  const bool on = session_wants_reading_ && unwritten_.empty();
  if (on == reading_) return;
  reading_ = on;
  stream_->SetReading(on);
}

env::Time Connection::NextTimer() const {
  env::Time earliest =
      session_ != nullptr ? session_->NextTimer() : opened_ + server_.options.idle_request_timeout;
  if (!unwritten_.empty()) {
    earliest = std::min(earliest, write_progress_ + server_.options.stalled_write_timeout);
  }
  return earliest;
}

void Connection::UpdateTimer() {
  if (closed_) return;
  // A timer that fires too early finds nothing to do and is set again: only earlier times need it
  // now.
  const env::Time wanted = NextTimer();
  if (!armed() || wanted < at()) server_.connection_timers.Arm(*this, wanted);
}

void Connection::OnTimer() {
  const env::Time now = server_.env.executor.Now();
  const bool stalled =
      !unwritten_.empty() && write_progress_ + server_.options.stalled_write_timeout <= now;
  const bool silent = session_ == nullptr && opened_ + server_.options.idle_request_timeout <= now;
  if (stalled || silent || (session_ != nullptr && !session_->OnTimer())) {
    Close();
    return;
  }
  UpdateTimer();
}

}  // namespace cairn::http
