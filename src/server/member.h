// Member: everything of a cluster member below the front end, put together on an Env. The process
// makes one on the real world, the simulator several on simulated ones: what runs in simulation is
// this class as it ships.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/apply/applier.h"
#include "src/env/env.h"
#include "src/membership/cluster.h"
#include "src/mvcc/sorted_files.h"
#include "src/mvcc/store.h"
#include "src/replica/replica.h"
#include "src/transport/transport.h"
#include "src/wal/wal.h"

namespace cairn::server {

struct MemberOptions {
  ClusterId cluster;
  NodeId self;
  // The first members of the cluster, this one among them.
  std::vector<membership::Member> members;
  std::vector<env::Address> listen_peers;
  wal::Options wal;
  mvcc::StoreOptions store;
  replica::Options replica;      // self and conf are filled in
  transport::Options transport;  // likewise cluster, self and listen
  // Puts another Sender before the transport: the simulator loses, delays and doubles messages
  // there.
  std::function<std::unique_ptr<transport::Sender>(transport::Sender&)> interpose;
};

class Member final : private transport::Receiver {
 public:
  // Opens log and store, starts to listen and to take part. DataLoss: something on disk is damaged,
  // and nothing was changed.
  static Result<std::unique_ptr<Member>> Open(env::Env env, MemberOptions options,
                                              std::unique_ptr<mvcc::SortedFiles> files);
  ~Member() override;

  replica::Replica& replica() { return *replica_; }
  mvcc::Store& store() { return *store_; }
  wal::Wal& wal() { return *wal_; }
  transport::Transport& transport() { return *transport_; }
  apply::Applier& applier() { return *applier_; }
  membership::Cluster& cluster() { return *cluster_; }
  const MemberOptions& options() const { return options_; }

 private:
  Member(env::Env env, MemberOptions options);
  Status Start(std::unique_ptr<mvcc::SortedFiles> files);

  void OnFrame(NodeId from, uint8_t kind, SharedBytes payload) override;
  void OnPeerConnected(NodeId peer) override;
  void OnPeerDisconnected(NodeId peer, const Status& why) override;

  env::Env env_;
  MemberOptions options_;
  // In the order in which they are made; each uses only those above it.
  std::unique_ptr<wal::Wal> wal_;
  std::unique_ptr<mvcc::Store> store_;
  std::unique_ptr<membership::Cluster> cluster_;
  std::unique_ptr<apply::Applier> applier_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<transport::Sender> interposed_;
  std::unique_ptr<replica::Replica> replica_;
};

}  // namespace cairn::server
