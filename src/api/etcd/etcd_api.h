// EtcdApi: all services of the etcd API, registered with the front end's server. Methods that are
// not registered are answered UNIMPLEMENTED by the server.
#pragma once

#include <utility>

#include "src/api/etcd/cluster_service.h"
#include "src/api/etcd/endpoints.h"
#include "src/api/etcd/health_service.h"
#include "src/api/etcd/kv_service.h"
#include "src/api/etcd/maintenance_service.h"
#include "src/api/etcd/metrics.h"
#include "src/api/etcd/services.h"
#include "src/env/time.h"
#include "src/http/server.h"

namespace cairn::api::etcd {

class EtcdApi {
 public:
  // Everything named in `services` outlives this object; when it is destroyed, the loop must not
  // run handlers or completions of the replica any more.
  explicit EtcdApi(Services services)
      : services_(std::move(services)),
        kv_(services_),
        cluster_(services_),
        maintenance_(services_),
        health_(services_),
        endpoints_(services_, stats_, [this] { stats_.ranges = kv_.ranges(); }) {
    ServeEndpoints(services_.server);
  }
  EtcdApi(const EtcdApi&) = delete;
  EtcdApi& operator=(const EtcdApi&) = delete;

  // Serves /health, /metrics and their like on another server too.
  void ServeEndpoints(http::Server& server) { endpoints_.Serve(server); }
  // To be called from the replica's observer.
  void OnReplicaChanged() { health_.OnReplicaChanged(); }
  // To be called from the log's sync observer.
  void OnWalSync(env::Duration duration) { stats_.wal_fsync.Observe(duration); }

 private:
  Services services_;
  ApiStats stats_;
  KvService kv_;
  ClusterService cluster_;
  MaintenanceService maintenance_;
  HealthService health_;
  Endpoints endpoints_;
};

}  // namespace cairn::api::etcd
