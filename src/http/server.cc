#include "src/http/server.h"

#include <absl/container/flat_hash_map.h>

#include <utility>

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/http/connection.h"
#include "src/http/http2_session.h"

namespace cairn::http {
namespace {

class ServerImpl final : public Server {
 public:
  ServerImpl(const env::Env& env, const Options& options)
      : context_(env, options), flush_(env.executor, [this] { Flush(); }) {
    context_.request_flush = [this] { flush_.Request(); };
  }

  ~ServerImpl() override {
    if (grace_timer_.value != 0) context_.env.executor.Cancel(grace_timer_);
    connections_.clear();
  }

  void HandleUnary(std::string path, UnaryHandler handler) override {
    context_.router.AddUnary(std::move(path), std::move(handler));
  }
  void HandleStream(std::string path, StreamFactory factory) override {
    context_.router.AddStream(std::move(path), std::move(factory));
  }
  void HandleHttp(std::string prefix, HttpHandler handler) override {
    context_.router.AddHttp(std::move(prefix), std::move(handler));
  }

  Result<env::Address> Listen(const env::Address& address) override {
    Result<std::unique_ptr<env::Listener>> listener = context_.env.network.Listen(
        address, [this](std::unique_ptr<env::Stream> stream) { Accept(std::move(stream)); });
    if (!listener.ok()) return listener.status();
    listeners_.push_back(*std::move(listener));
    return listeners_.back()->BoundTo();
  }

  void Shutdown(env::Duration grace, env::Task done) override {
    CHECK(!context_.draining, "Shutdown was called twice");
    context_.draining = true;
    shutdown_done_ = std::move(done);
    listeners_.clear();
    for (const auto& [key, connection] : connections_) connection->StartDrain();
    grace_timer_ = context_.env.executor.Schedule(context_.env.executor.Now() + grace, [this] {
      grace_timer_ = {};
      for (const auto& [key, connection] : connections_) connection->Close();
    });
    flush_.Request();  // there may be no connection
  }

  ServerStats stats() const override { return context_.stats; }
  std::vector<MethodStats> method_stats() const override { return context_.router.method_stats(); }

 private:
  void Accept(std::unique_ptr<env::Stream> stream) {
    if (context_.draining || connections_.size() >= context_.options.max_connections) return;
    auto connection = std::make_unique<Connection>(context_, std::move(stream));
    connections_.emplace(connection.get(), std::move(connection));
  }

  // The end of a turn: each connection that has something to say says it in one write.
  void Flush() {
    flushing_.swap(context_.dirty);
    for (Connection* connection : flushing_) {
      connection->Flush(scratch_);
      if (connection->closed()) doomed_.push_back(connection);
    }
    flushing_.clear();
    for (Connection* connection : doomed_) {
      std::erase(context_.dirty, connection);
      connections_.erase(connection);
    }
    doomed_.clear();
    if (!context_.dirty.empty()) flush_.Request();
    if (context_.draining && connections_.empty() && shutdown_done_) {
      if (grace_timer_.value != 0) context_.env.executor.Cancel(grace_timer_);
      grace_timer_ = {};
      context_.env.executor.Post(std::exchange(shutdown_done_, nullptr));
    }
  }

  ServerContext context_;
  std::vector<std::unique_ptr<env::Listener>> listeners_;
  absl::flat_hash_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> flushing_, doomed_;
  std::string scratch_;
  env::Task shutdown_done_;
  env::TimerId grace_timer_;
  env::TurnTask flush_;
};

}  // namespace

std::unique_ptr<Server> Server::Create(env::Env env, Options options) {
  return std::make_unique<ServerImpl>(env, options);
}

}  // namespace cairn::http
