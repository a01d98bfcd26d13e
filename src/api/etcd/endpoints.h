// What is served over plain HTTP: /health as etcd's clients know it, /livez and /readyz for
// Kubernetes, /version and /metrics.
//
//   /health    {"health":"true","reason":""} or 503; linearizable unless ?serializable=true
//   /livez     serializable_read                       this process works
//   /readyz    data_corruption, serializable_read, linearizable_read, non_learner: it may be sent
//   requests
// The last two take ?verbose, ?exclude=check (several times) and one check as a sub-path.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/api/etcd/metrics.h"
#include "src/api/etcd/services.h"
#include "src/http/server.h"

namespace cairn::api::etcd {

class Endpoints {
 public:
  // `stats` is what /metrics shows; health checks are counted in it. `refresh` brings it up to
  // date.
  Endpoints(Services& services, ApiStats& stats, std::function<void()> refresh);
  Endpoints(const Endpoints&) = delete;
  Endpoints& operator=(const Endpoints&) = delete;

  // Registers them with a server: that of the clients, or one for metrics alone. Outlives its use.
  void Serve(http::Server& server);

 private:
  struct Run;
  // A check is told where to put its outcome, now or later.
  using Outcome = absl::AnyInvocable<void(const Status&)>;
  struct Check {
    std::string_view name;
    void (Endpoints::*run)(Outcome done);
  };

  void Health(const http::HttpRequest& request, http::HttpCall call);
  void AnswerHealth(const std::string& failure, http::HttpCall& call);
  // `path`: the endpoint's own, "/livez" or "/readyz".
  void Checks(std::string_view path, const std::vector<Check>& checks,
              const http::HttpRequest& request, http::HttpCall call);
  void Step(std::shared_ptr<Run> run);

  void SerializableRead(Outcome done);
  void LinearizableRead(Outcome done);
  void DataCorruption(Outcome done);
  void NonLearner(Outcome done);

  Services& services_;
  ApiStats& stats_;
  std::function<void()> refresh_;
};

}  // namespace cairn::api::etcd
