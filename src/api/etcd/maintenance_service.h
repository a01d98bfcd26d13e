// etcdserverpb.Maintenance: Status.
#pragma once

#include <string_view>

#include "src/api/etcd/services.h"
#include "src/http/server.h"

namespace cairn::api::etcd {

class MaintenanceService {
 public:
  explicit MaintenanceService(Services& services);
  MaintenanceService(const MaintenanceService&) = delete;
  MaintenanceService& operator=(const MaintenanceService&) = delete;

 private:
  // Answers without a leader and on a stopped member too: it is what people ask then.
  void GetStatus(std::string_view message, http::UnaryCall call);

  Services& services_;
};

}  // namespace cairn::api::etcd
