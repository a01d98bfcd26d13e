// For tests: the services over a real store and the real front end in a simulated world, with a
// replica that does as the test says; and a client of them.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/api/etcd/etcd_api.h"
#include "src/env/sim/process.h"
#include "src/env/sim/world.h"
#include "src/http/client.h"
#include "src/mvcc/sim_files.h"

namespace cairn::api::etcd {

inline constexpr ClusterId kCluster{0xc1};
inline constexpr NodeId kSelf{0x11};
inline constexpr NodeId kOther{0x22};

// A group of one that commits at once, unless told otherwise.
class FakeReplica final : public replica::Replica {
 public:
  FakeReplica(env::Executor& executor, apply::Applier& machine)
      : executor_(executor), machine_(machine) {}

  // What the test sets.
  NodeId leader_now = kSelf;
  Status health_now;
  Status propose_error, read_error;
  bool hold = false;  // reads and writes are not answered
  raft::NodeStatus node;
  // What the test sees.
  int proposals = 0, reads = 0;
  env::Duration last_patience{0};  // from the call to its deadline
  std::string last_command;

  void Propose(std::string_view command, env::Time deadline, ProposeDone done) override {
    ++proposals;
    last_patience = deadline - executor_.Now();
    last_command = command;
    if (hold) return;
    if (!propose_error.ok()) {
      return executor_.Post([done = std::move(done), s = propose_error]() mutable { done(s); });
    }
    executor_.Post([this, text = std::string(command), done = std::move(done)]() mutable {
      done(machine_.Apply({term(), machine_.applied().index.Next()}, text, true));
    });
  }
  void ReadIndex(env::Time deadline, ReadDone done) override {
    ++reads;
    last_patience = deadline - executor_.Now();
    if (hold) return;
    executor_.Post([done = std::move(done), s = read_error]() mutable { done(s); });
  }
  void Campaign() override {}
  Status health() const override { return health_now; }
  void Stop(const Status& why) override { health_now = why; }
  raft::NodeStatus status() const override {
    raft::NodeStatus status = node;
    status.leader = leader_now;
    status.term = term();
    return status;
  }
  NodeId leader() const override { return leader_now; }
  Term term() const override { return Term(7); }
  replica::Stats stats() const override { return {.proposals_committed = 99}; }
  void SetObserver(Observer) override {}
  void OnFrame(NodeId, uint8_t, SharedBytes) override {}
  void OnPeerConnected(NodeId) override {}
  void OnPeerDisconnected(NodeId, const Status&) override {}

 private:
  env::Executor& executor_;
  apply::Applier& machine_;
};

// The server's process.
struct ServerLife {
  std::unique_ptr<mvcc::Store> store;
  std::unique_ptr<membership::Cluster> cluster;
  std::unique_ptr<apply::Applier> applier;
  std::unique_ptr<FakeReplica> replica;
  std::unique_ptr<http::Server> http;
  std::unique_ptr<EtcdApi> api;

  void Start(env::sim::Process& process, const Limits& limits) {
    auto files = mvcc::SimFiles::Open(process.env().files, "/data/store");
    ASSERT_TRUE(files.ok());
    store = std::move(mvcc::Store::Open(process, std::move(*files), {})).value();
    cluster = std::make_unique<membership::Cluster>(
        kCluster, *store,
        std::vector<membership::Member>{{kOther, "b", {"http://b:2380"}, {}, false},
                                        {kSelf, "a", {"http://a:2380"}, {}, false}});
    applier = std::make_unique<apply::Applier>(*store, *cluster, kSelf);
    replica = std::make_unique<FakeReplica>(process, *applier);
    http = http::Server::Create(process.env(), {});
    api = std::make_unique<EtcdApi>(Services{
        .executor = process,
        .replica = *replica,
        .store = *store,
        .cluster = *cluster,
        .applier = *applier,
        .server = *http,
        .self = kSelf,
        .limits = limits,
        .wal_stats = [] { return wal::Stats{.bytes_written = 12345}; },
        .peer_stats =
            [] {
              transport::PeerStats peer;
              peer.peer = kOther;
              peer.connected = true;
              peer.bytes_sent = 5;
              peer.bytes_received = 6;
              return std::vector<transport::PeerStats>{peer};
            },
    });
    ASSERT_TRUE(http->Listen({"server:2379"}).ok());
  }
};

class ApiHarness : public http::UnaryReceiver {
 public:
  explicit ApiHarness(Limits limits = {}, uint64_t seed = 1) : world_(seed) {
    server_host_.Start([this, limits](env::sim::Process& process) {
      process.OnDeath([this] { server_.reset(); });
      server_ = std::make_unique<ServerLife>();
      server_->Start(process, limits);
    });
    world_.RunFor(env::milliseconds(1));
    client_host_.Start([this](env::sim::Process& process) {
      process.OnDeath([this] {
        clients_.clear();
        raw_.reset();
      });
    });
    world_.RunFor(env::milliseconds(1));
  }

  FakeReplica& replica() { return *server_->replica; }
  mvcc::Store& store() { return *server_->store; }
  EtcdApi& api() { return *server_->api; }
  env::sim::World& world() { return world_; }
  void OnServer(env::Task task) {
    server_host_.process()->Post(std::move(task));
    world_.RunFor(env::milliseconds(1));
  }

  // One unary call with its bytes as they are; with `metadata` over a connection of its own.
  Result<std::string> CallBytes(const std::string& path, const std::string& message,
                                std::vector<std::pair<std::string, std::string>> metadata = {},
                                env::Duration timeout = env::Duration(0)) {
    const uint64_t tag = ++last_tag_;
    client_host_.process()->Post([&, this] {
      http::GrpcClient& client = Client(metadata);
      client.Unary(client.AddMethod(path), message, this, tag, timeout);
    });
    EXPECT_TRUE(
        world_.RunUntil(world_.now() + env::seconds(60), [&] { return answers_.count(tag) > 0; }))
        << "no answer to " << path;
    const auto answer = answers_.find(tag);
    if (answer == answers_.end()) return Status(StatusCode::kUnknown, "no answer");
    return answer->second;
  }
  template <class Response, class Request>
  Result<Response> Call(const std::string& path, const Request& request,
                        std::vector<std::pair<std::string, std::string>> metadata = {}) {
    const Result<std::string> bytes =
        CallBytes(path, request.SerializeAsString(), std::move(metadata));
    if (!bytes.ok()) return bytes.status();
    Response response;
    EXPECT_TRUE(response.ParseFromString(*bytes));
    return response;
  }

  // An HTTP/1.1 request; the whole answer, as text.
  std::string Http(const std::string& target, const std::string& method = "GET") {
    raw_.reset();
    client_host_.process()->Post([&, this] {
      raw_ = std::make_unique<RawStream>();
      raw_->stream = client_host_.process()->env().network.Connect({"server:2379"});
      raw_->waiting = method + " " + target + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
      raw_->stream->Start(raw_.get());
    });
    EXPECT_TRUE(world_.RunUntil(world_.now() + env::seconds(60), [&] {
      return raw_ != nullptr && raw_->closed;
    })) << target;
    return raw_->received;
  }

  // A streaming call on the first connection.
  struct Stream final : http::StreamReceiver {
    void OnMessage(std::string_view message) override { messages.emplace_back(message); }
    void OnDone(const Status& status) override { done = status; }
    std::vector<std::string> messages;
    std::optional<Status> done;
  };
  // Opens it, sends one message, and leaves the sending half open.
  void Open(const std::string& path, const std::string& message, Stream* stream) {
    client_host_.process()->Post([=, this] {
      http::GrpcClient& client = Client({});
      const http::ClientCallId call = client.OpenStream(client.AddMethod(path), stream);
      client.Send(call, message);
    });
  }

 private:
  struct RawStream final : env::StreamHandler {
    void OnConnected() override { OnWritable(); }
    void OnData(std::string_view bytes) override { received += bytes; }
    void OnWritable() override {
      const std::string_view piece = waiting;
      waiting.erase(0, stream->Write(std::span(&piece, 1)));
    }
    void OnClosed(const Status&) override {
      closed = true;
      stream.reset();
    }
    std::unique_ptr<env::Stream> stream;
    std::string waiting, received;
    bool closed = false;
  };

  http::GrpcClient& Client(const std::vector<std::pair<std::string, std::string>>& metadata) {
    std::unique_ptr<http::GrpcClient>& client = clients_[metadata];
    if (client == nullptr) {
      env::Env env = client_host_.process()->env();
      http::ClientOptions options;
      options.authority = "server";
      options.metadata = metadata;
      client = std::make_unique<http::GrpcClient>(env, env.network.Connect({"server:2379"}),
                                                  std::move(options), [](const Status&) {});
    }
    return *client;
  }
  void OnReply(uint64_t tag, const Status& status, std::string_view message) override {
    answers_.emplace(
        tag, status.ok() ? Result<std::string>(std::string(message)) : Result<std::string>(status));
  }

  // Before the world, whose processes let go of them when it ends.
  std::unique_ptr<ServerLife> server_;
  std::map<std::vector<std::pair<std::string, std::string>>, std::unique_ptr<http::GrpcClient>>
      clients_;
  std::unique_ptr<RawStream> raw_;
  uint64_t last_tag_ = 0;
  std::map<uint64_t, Result<std::string>> answers_;
  env::sim::World world_;
  env::sim::Host& server_host_ = world_.AddHost("server");
  env::sim::Host& client_host_ = world_.AddHost("client");
};

}  // namespace cairn::api::etcd
