// Connection: one client's byte stream. Tells HTTP/2 from HTTP/1.1, carries bytes between the
// stream and the session, keeps the connection's share of the memory budget and its timer.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "src/env/env.h"
#include "src/http/router.h"
#include "src/http/server.h"
#include "src/http/session.h"
#include "src/http/timing_wheel.h"

namespace cairn::http {

class Connection;
class Http2Shared;

// What the connections of one server share.
struct ServerContext {
  ServerContext(const env::Env& e, const Options& o);
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;
  ~ServerContext();

  // More than half of the memory budget is in use: what one connection may hold shrinks, so that a
  // few cannot shut out the others, and clients that do not read are not waited for.
  bool UnderPressure() const { return stats.budget_used > options.server_budget_bytes / 2; }

  env::Env env;
  const Options options;
  Router router;
  ServerStats stats;
  TimingWheel call_timers;        // deadlines of calls
  TimingWheel connection_timers;  // idleness: coarse
  std::unique_ptr<Http2Shared> http2;
  bool draining = false;
  // Asks for Connection::Flush at the end of the turn.
  env::Task request_flush;
  std::vector<Connection*> dirty;
};

class Connection final : public env::StreamHandler, private TimingWheel::Timer {
 public:
  Connection(ServerContext& server, std::unique_ptr<env::Stream> stream);
  ~Connection() override;

  void OnData(std::string_view bytes) override;
  void OnWritable() override;
  void OnClosed(const Status& why) override;

  // Writes what the session has to say. At the end of a turn, if MarkDirty was called.
  void Flush(std::string& scratch);
  void StartDrain();
  // Tells the calls, forgets what is unsent; the owner destroys the connection at the end of the
  // turn.
  void Close();
  bool closed() const { return closed_; }

  // ---- For the session.

  ServerContext& server() { return server_; }
  const std::string& peer() const { return peer_; }
  // There is something for Fill, or finished() has become true.
  void MarkDirty();
  // Counts memory that a client causes. False, and nothing counted, if it goes beyond the
  // connection's or the server's budget.
  bool TryCharge(size_t bytes);
  // Counts it in any case.
  void Charge(size_t bytes);
  void Release(size_t bytes);
  size_t charged() const { return charged_; }
  // Backpressure by the session (HTTP/1.1: a request that is being served).
  void SetReading(bool on);

 private:
  void OnTimer() override;
  void UpdateTimer();
  env::Time NextTimer() const;
  // Nothing of the preface is wrong so far, and it is not whole: wait. Else makes the session.
  void Detect(std::string_view bytes);
  void UpdateReading();

  ServerContext& server_;
  std::unique_ptr<env::Stream> stream_;
  std::string peer_;
  std::unique_ptr<Session> session_;
  std::string preface_;    // what came before the protocol was known
  std::string unwritten_;  // what the socket did not take; charged
  size_t unwritten_begin_ = 0;
  size_t charged_ = 0;
  env::Time opened_;
  env::Time write_progress_;  // of unwritten_
  bool dirty_ = false;
  bool closed_ = false;
  bool session_wants_reading_ = true;
  bool reading_ = true;
};

}  // namespace cairn::http
