#include "src/server/server.h"

#include <string>
#include <utility>

#include "proto/etcd/rpc.pb.h"
#include "src/api/etcd/etcd_api.h"
#include "src/apply/command.h"
#include "src/base/log.h"
#include "src/http/server.h"
#include "src/mvcc/rocksdb_files.h"
#include "src/server/data_dir.h"
#include "src/server/member.h"

namespace cairn::server {
namespace {

// How long calls that run get when the process is asked to end.
constexpr env::Duration kShutdownGrace = env::seconds(2);
constexpr env::Duration kPublishRetry = env::milliseconds(500);
// Slack for what stands around a request of the largest size allowed: protobuf and gRPC framing, as
// etcd.
constexpr size_t kRequestSlack = 512 << 10;

MemberOptions ToMemberOptions(const Config& config, const DataDir& dir) {
  MemberOptions options;
  options.cluster = dir.identity().cluster;
  options.self = dir.identity().self;
  options.members = dir.identity().first_members;
  for (const membership::Url& url : config.listen_peer_urls) {
    options.listen_peers.push_back(url.ToAddress());
  }
  options.wal.directory = dir.wal_dir();
  options.replica.heartbeat_interval = config.heartbeat_interval;
  options.replica.election_timeout = config.election_timeout;
  options.replica.pre_vote = config.pre_vote;
  options.transport.self_name = dir.identity().name;
  return options;
}

http::Options ToHttpOptions(const Config& config) {
  http::Options options;
  options.max_request_bytes = config.max_request_bytes + kRequestSlack;
  options.max_concurrent_streams = config.max_concurrent_streams;
  options.keepalive_min_time = config.grpc_keepalive_min_time;
  options.keepalive_interval = config.grpc_keepalive_interval;
  options.keepalive_timeout = config.grpc_keepalive_timeout;
  return options;
}

class ServerImpl final : public Server {
 public:
  ServerImpl(env::Env env, Config config) : env_(env), config_(std::move(config)) {}
  ~ServerImpl() override { env_.executor.Cancel(publish_timer_); }

  Status Start();
  void Stop(env::Task done) override;

 private:
  Status OpenMember();
  void RegisterServices();
  Status Listen();
  void Publish();
  void OnPublished(const Result<std::string>& outcome);

  env::Env env_;
  Config config_;
  std::unique_ptr<DataDir> dir_;
  std::unique_ptr<Member> member_;
  std::unique_ptr<http::Server> http_;
  std::unique_ptr<http::Server> metrics_http_;  // null without --listen-metrics-urls
  std::unique_ptr<api::etcd::EtcdApi> api_;
  api::etcd::Limits limits_;
  env::TimerId publish_timer_;
  bool stopping_ = false;
};

Status ServerImpl::Start() {
  if (Status s = OpenMember(); !s.ok()) return s;
  http_ = http::Server::Create(env_, ToHttpOptions(config_));
  RegisterServices();
  if (Status s = Listen(); !s.ok()) return s;
  log::Info("member started", {{"name", dir_->identity().name},
                               {"member-id", dir_->identity().self},
                               {"cluster-id", dir_->identity().cluster},
                               {"applied-index", member_->store().applied().index}});
  Publish();
  return OkStatus();
}

Status ServerImpl::OpenMember() {
  auto dir = DataDir::Open(env_.files, config_);
  if (!dir.ok()) return dir.status();
  dir_ = std::move(dir).value();
  auto files = mvcc::OpenRocksDbFiles(dir_->store_dir(), mvcc::RocksDbOptions());
  if (!files.ok()) return files.status();
  auto member = Member::Open(env_, ToMemberOptions(config_, *dir_), std::move(files).value());
  if (!member.ok()) return member.status();
  member_ = std::move(member).value();
  // From here on the member may vote and acknowledge: a folder that lost its log must be known for
  // it.
  return dir_->MarkComplete();
}

void ServerImpl::RegisterServices() {
  limits_.max_txn_ops = config_.max_txn_ops;
  limits_.max_request_bytes = config_.max_request_bytes;
  limits_.request_timeout = api::etcd::Limits::RequestTimeout(config_.election_timeout);
  if (config_.quota_backend_bytes != 0) limits_.quota_backend_bytes = config_.quota_backend_bytes;
  api_ = std::make_unique<api::etcd::EtcdApi>(api::etcd::Services{
      .executor = env_.executor,
      .replica = member_->replica(),
      .store = member_->store(),
      .cluster = member_->cluster(),
      .applier = member_->applier(),
      .server = *http_,
      .self = dir_->identity().self,
      .limits = limits_,
      .wal_stats = [this] { return member_->wal().stats(); },
      .peer_stats = [this] { return member_->transport().stats(); },
  });
  member_->replica().SetObserver([this] { api_->OnReplicaChanged(); });
  member_->wal().SetSyncObserver([this](env::Duration took) { api_->OnWalSync(took); });
}

Status ServerImpl::Listen() {
  for (const membership::Url& url : config_.listen_client_urls) {
    auto bound = http_->Listen(url.ToAddress());
    if (!bound.ok()) return bound.status();
    log::Info("serving client traffic", {{"address", bound->text}});
  }
  if (config_.listen_metrics_urls.empty()) return OkStatus();
  metrics_http_ = http::Server::Create(env_, ToHttpOptions(config_));
  api_->ServeEndpoints(*metrics_http_);
  for (const membership::Url& url : config_.listen_metrics_urls) {
    auto bound = metrics_http_->Listen(url.ToAddress());
    if (!bound.ok()) return bound.status();
    log::Info("serving metrics", {{"address", bound->text}});
  }
  return OkStatus();
}

// Tells the cluster this member's name and client URLs. It is also the first proof that there is a
// leader and a majority: what waits for a member to be ready waits for the lines below.
void ServerImpl::Publish() {
  etcdserverpb::Member attributes;
  attributes.set_id(dir_->identity().self.value);
  attributes.set_name(dir_->identity().name);
  for (const membership::Url& url : config_.advertise_client_urls) {
    attributes.add_clienturls(url.text);
  }
  std::string command;
  apply::EncodeCommand(apply::CommandKind::kMemberAttributes, attributes.SerializeAsString(),
                       &command);
  const env::Time deadline = env_.executor.Now() + limits_.request_timeout;
  member_->replica().Propose(command, deadline,
                             [this](Result<std::string> outcome) { OnPublished(outcome); });
}

void ServerImpl::OnPublished(const Result<std::string>& outcome) {
  if (stopping_ || !member_->replica().health().ok()) return;
  if (!outcome.ok()) {
    log::Warn("failed to publish this member to the cluster, trying again",
              {{"error", outcome.status()}});
    publish_timer_ =
        env_.executor.Schedule(env_.executor.Now() + kPublishRetry, [this] { Publish(); });
    return;
  }
  log::Info("published local member to cluster", {{"name", dir_->identity().name},
                                                  {"member-id", dir_->identity().self},
                                                  {"cluster-id", dir_->identity().cluster}});
  log::Info("enabled capabilities for version", {{"cluster-version", api::etcd::kClusterVersion}});
  log::Info("ready to serve client requests");
}

void ServerImpl::Stop(env::Task done) {
  stopping_ = true;
  env_.executor.Cancel(publish_timer_);
  if (metrics_http_) metrics_http_->Shutdown(env::Duration(0), [] {});
  http_->Shutdown(kShutdownGrace, std::move(done));
}

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(env::Env env, Config config) {
  auto server = std::make_unique<ServerImpl>(env, std::move(config));
  if (Status s = server->Start(); !s.ok()) return s;
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace cairn::server
