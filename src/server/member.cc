#include "src/server/member.h"

#include <algorithm>
#include <utility>

#include "src/membership/url.h"

namespace cairn::server {
namespace {

Result<std::vector<env::Address>> PeerAddresses(const membership::Member& member) {
  std::vector<env::Address> addresses;
  for (const std::string& url : member.peer_urls) {
    auto address = membership::ParseUrl(url);
    if (!address.ok()) return address.status();
    addresses.push_back(address->ToAddress());
  }
  return addresses;
}

}  // namespace

Member::Member(env::Env env, MemberOptions options) : env_(env), options_(std::move(options)) {}

Member::~Member() = default;

Result<std::unique_ptr<Member>> Member::Open(env::Env env, MemberOptions options,
                                             std::unique_ptr<mvcc::SortedFiles> files) {
  std::unique_ptr<Member> member(new Member(env, std::move(options)));
  if (Status s = member->Start(std::move(files)); !s.ok()) return s;
  return member;
}

Status Member::Start(std::unique_ptr<mvcc::SortedFiles> files) {
  auto wal = wal::Wal::Open(env_, options_.wal);
  if (!wal.ok()) return wal.status();
  wal_ = std::move(wal).value();

  auto store = mvcc::Store::Open(env_.executor, std::move(files), options_.store);
  if (!store.ok()) return store.status();
  store_ = std::move(store).value();

  cluster_ = std::make_unique<membership::Cluster>(options_.cluster, *store_, options_.members);
  applier_ = std::make_unique<apply::Applier>(*store_, *cluster_, options_.self);

  transport::Options transport = options_.transport;
  transport.cluster = options_.cluster;
  transport.self = options_.self;
  transport.listen = options_.listen_peers;
  auto made = transport::Transport::Create(env_, std::move(transport), this);
  if (!made.ok()) return made.status();
  transport_ = std::move(made).value();
  if (options_.interpose) interposed_ = options_.interpose(*transport_);
  transport::Sender& sender =
      interposed_ ? *interposed_ : static_cast<transport::Sender&>(*transport_);

  replica::Options replica = options_.replica;
  replica.self = options_.self;
  for (const membership::Member& m : options_.members) replica.conf.voters.push_back(m.id);
  std::sort(replica.conf.voters.begin(), replica.conf.voters.end());
  auto opened = replica::Replica::Create(env_, replica, *wal_, sender, *applier_);
  if (!opened.ok()) return opened.status();
  replica_ = std::move(opened).value();

  // What fails beside the log stops the replica as a failed log does.
  applier_->SetFailureObserver([this](const Status& why) { replica_->Stop(why); });
  store_->SetFlushObserver([this](const Status& status) {
    if (!status.ok()) replica_->Stop(status);
  });

  for (const membership::Member& m : options_.members) {
    if (m.id == options_.self) continue;
    auto addresses = PeerAddresses(m);
    if (!addresses.ok()) return addresses.status();
    transport_->AddPeer(m.id, std::move(addresses).value());
  }
  return OkStatus();
}

void Member::OnFrame(NodeId from, uint8_t kind, SharedBytes payload) {
  if (replica_) replica_->OnFrame(from, kind, std::move(payload));
}

void Member::OnPeerConnected(NodeId peer) {
  if (replica_) replica_->OnPeerConnected(peer);
}

void Member::OnPeerDisconnected(NodeId peer, const Status& why) {
  if (replica_) replica_->OnPeerDisconnected(peer, why);
}

}  // namespace cairn::server
