#include "src/api/etcd/health_service.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "proto/grpc/health.pb.h"

namespace cairn::api::etcd {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

std::string Answer(HealthCheckResponse::ServingStatus status) {
  HealthCheckResponse response;
  response.set_status(status);
  return response.SerializeAsString();
}

HealthCheckResponse::ServingStatus StatusOf(bool serving) {
  return serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

}  // namespace

// One client's Watch. What has not been read yet by a slow client is not added to: it gets the
// newest status once it has caught up.
class HealthService::WatchStream final : public http::StreamHandler {
 public:
  WatchStream(std::shared_ptr<Streams> streams, http::StreamCall call)
      : streams_(std::move(streams)), number_(++streams_->last), call_(std::move(call)) {
    streams_->open.emplace(number_, this);
  }
  ~WatchStream() override { streams_->open.erase(number_); }

  void OnMessage(std::string_view message) override {
    if (watching_) return;  // the method takes one request
    HealthCheckRequest request;
    if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      return call_.Finish(MalformedRequest());
    }
    watching_ = true;
    known_ = request.service().empty();
    Update();
  }
  void OnHalfClose() override {
    if (!watching_) call_.Finish(MalformedRequest());
  }
  void OnCancelled() override { watching_ = false; }
  void OnDrained() override { Update(); }

  void Update() {
    if (!watching_ || streams_->service == nullptr || call_.unsent_bytes() > 0) return;
    const auto now =
        known_ ? StatusOf(streams_->service->Serving()) : HealthCheckResponse::SERVICE_UNKNOWN;
    if (sent_ == now) return;
    sent_ = now;
    call_.Send(Answer(now));
  }

 private:
  std::shared_ptr<Streams> streams_;
  const uint64_t number_;
  http::StreamCall call_;
  bool watching_ = false;
  bool known_ = false;
  std::optional<HealthCheckResponse::ServingStatus> sent_;
};

HealthService::HealthService(Services& services)
    : services_(services), streams_(std::make_shared<Streams>(Streams{this, {}, 0})) {
  services.server.HandleUnary(
      "/grpc.health.v1.Health/Check",
      [this](const http::CallInfo&, std::string_view message, http::UnaryCall call) {
        HealthCheckRequest request;
        if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
          call.Fail(MalformedRequest());
        } else if (!request.service().empty()) {
          call.Fail({StatusCode::kNotFound, "unknown service"});
        } else {
          call.Reply(Answer(StatusOf(Serving())));
        }
      });
  services.server.HandleStream("/grpc.health.v1.Health/Watch",
                               [streams = streams_](const http::CallInfo&, http::StreamCall call) {
                                 return std::make_unique<WatchStream>(streams, std::move(call));
                               });
}

HealthService::~HealthService() { streams_->service = nullptr; }

bool HealthService::Serving() const {
  return services_.replica.health().ok() && services_.has_leader();
}

void HealthService::OnReplicaChanged() {
  // Sending may end a stream, which is then gone from the map.
  for (auto at = streams_->open.begin(); at != streams_->open.end();) {
    const uint64_t number = at->first;
    at->second->Update();
    at = streams_->open.upper_bound(number);
  }
}

}  // namespace cairn::api::etcd
