// grpc.health.v1.Health: SERVING while this member works and knows a leader. The one service it
// knows is "", the server as a whole.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "src/api/etcd/services.h"
#include "src/http/server.h"

namespace cairn::api::etcd {

class HealthService {
 public:
  explicit HealthService(Services& services);
  HealthService(const HealthService&) = delete;
  HealthService& operator=(const HealthService&) = delete;
  ~HealthService();

  // Tells those who watch, if the answer has changed. To be called when the replica's leader or
  // health changes.
  void OnReplicaChanged();

 private:
  class WatchStream;
  // The streams that are open; they may outlive the service, and then find `service` null.
  struct Streams {
    HealthService* service;
    std::map<uint64_t, WatchStream*> open;  // in the order in which they came
    uint64_t last = 0;
  };

  bool Serving() const;

  Services& services_;
  std::shared_ptr<Streams> streams_;
};

}  // namespace cairn::api::etcd
