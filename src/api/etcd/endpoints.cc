#include "src/api/etcd/endpoints.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

namespace cairn::api::etcd {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kJson = "application/json";

// A JSON string, quotes included.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + '"';
}

// The parameters of "a=1&b&a=2", in order. Names and values of ours need no percent-encoding.
std::vector<std::pair<std::string_view, std::string_view>> Parameters(std::string_view query) {
  std::vector<std::pair<std::string_view, std::string_view>> result;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const size_t equals = part.find('=');
    const bool has_value = equals != part.npos;
    result.emplace_back(part.substr(0, equals), has_value ? part.substr(equals + 1) : "");
  }
  return result;
}

bool IsGet(const http::HttpRequest& request, http::HttpCall& call) {
  if (request.method == "GET" || request.method == "HEAD") return true;
  call.Reply(405, kText, "Method Not Allowed\n");
  return false;
}

}  // namespace

// The checks of one request, while they run one after another.
struct Endpoints::Run {
  std::vector<Check> checks;
  std::set<std::string, std::less<>> excluded;
  std::vector<std::string> unknown;  // excluded, but no check of this endpoint
  bool verbose = false;
  http::HttpCall call;
  size_t next = 0;
  bool failed = false;
  std::string report;
};

Endpoints::Endpoints(Services& services, ApiStats& stats, std::function<void()> refresh)
    : services_(services), stats_(stats), refresh_(std::move(refresh)) {}

void Endpoints::Serve(http::Server& server) {
  server.HandleHttp("/health", [this](const http::HttpRequest& request, http::HttpCall call) {
    if (IsGet(request, call)) Health(request, std::move(call));
  });
  server.HandleHttp("/version", [](const http::HttpRequest& request, http::HttpCall call) {
    if (!IsGet(request, call)) return;
    call.Reply(200, kJson,
               "{\"etcdserver\":" + Quoted(kServerVersion) +
                   ",\"etcdcluster\":" + Quoted(kClusterVersion) + "}");
  });
  server.HandleHttp("/metrics", [this](const http::HttpRequest& request, http::HttpCall call) {
    if (!IsGet(request, call)) return;
    refresh_();
    call.Reply(200, "text/plain; version=0.0.4; charset=utf-8", MetricsPage(services_, stats_));
  });
  const std::vector<Check> live = {{"serializable_read", &Endpoints::SerializableRead}};
  const std::vector<Check> ready = {{"data_corruption", &Endpoints::DataCorruption},
                                    {"serializable_read", &Endpoints::SerializableRead},
                                    {"linearizable_read", &Endpoints::LinearizableRead},
                                    {"non_learner", &Endpoints::NonLearner}};
  for (const auto& [path, checks] : {std::pair("/livez", live), std::pair("/readyz", ready)}) {
    for (const std::string& prefix : {std::string(path), std::string(path) + "/"}) {
      server.HandleHttp(prefix, [this, path = path, checks = checks](
                                    const http::HttpRequest& request, http::HttpCall call) {
        if (IsGet(request, call)) Checks(path, checks, request, std::move(call));
      });
    }
  }
}

// ---- /health ----

void Endpoints::Health(const http::HttpRequest& request, http::HttpCall call) {
  bool serializable = false;
  for (const auto& [name, value] : Parameters(request.query)) {
    if (name == "serializable") serializable = value == "true";
  }
  if (const Status health = services_.replica.health(); !health.ok()) {
    return AnswerHealth("STOPPED:" + health.message(), call);
  }
  if (!serializable && !services_.has_leader()) return AnswerHealth("RAFT NO LEADER", call);
  const auto done = [this, call](const Status& status) mutable {
    AnswerHealth(status.ok() ? "" : "RANGE ERROR:" + status.message(), call);
  };
  if (serializable) {
    SerializableRead(done);
  } else {
    LinearizableRead(done);
  }
}

void Endpoints::AnswerHealth(const std::string& failure, http::HttpCall& call) {
  const bool healthy = failure.empty();
  ++(healthy ? stats_.health_success : stats_.health_failures);
  call.Reply(healthy ? 200 : 503, kJson,
             std::string("{\"health\":\"") + (healthy ? "true" : "false") +
                 "\",\"reason\":" + Quoted(failure) + "}");
}

// ---- /livez and /readyz ----

void Endpoints::Checks(std::string_view path, const std::vector<Check>& checks,
                       const http::HttpRequest& request, http::HttpCall call) {
  auto run = std::make_shared<Run>();
  run->checks = checks;
  run->call = std::move(call);
  const auto known = [&](std::string_view name) {
    return std::any_of(checks.begin(), checks.end(),
                       [&](const Check& check) { return check.name == name; });
  };
  std::string_view only = request.path.substr(std::min(path.size(), request.path.size()));
  if (only.starts_with('/')) only.remove_prefix(1);
  if (!only.empty()) {
    if (!known(only)) return run->call.Reply(404, kText, "404 page not found\n");
    std::erase_if(run->checks, [&](const Check& check) { return check.name != only; });
  }
  for (const auto& [name, value] : Parameters(request.query)) {
    if (name == "verbose") run->verbose = true;
    if (name != "exclude" || value.empty()) continue;
    if (known(value)) {
      run->excluded.emplace(value);
    } else {
      run->unknown.emplace_back(value);
    }
  }
  Step(std::move(run));
}

// Runs the next check, and so on; answers after the last.
void Endpoints::Step(std::shared_ptr<Run> run) {
  while (run->next < run->checks.size()) {
    const Check& check = run->checks[run->next++];
    if (run->excluded.contains(check.name)) {
      run->report += "[+]" + std::string(check.name) + " excluded: ok\n";
      continue;
    }
    return (this->*check.run)([this, run, name = check.name](const Status& status) {
      run->failed = run->failed || !status.ok();
      run->report += status.ok()
                         ? "[+]" + std::string(name) + " ok\n"
                         : "[-]" + std::string(name) + " failed: " + status.message() + "\n";
      Step(run);
    });
  }
  for (const std::string& name : run->unknown) {
    run->report +=
        "warn: some health checks cannot be excluded: no matches for " + Quoted(name) + "\n";
  }
  // What went wrong is always told.
  if (run->failed) return run->call.Reply(503, kText, run->report);
  run->call.Reply(200, kText, (run->verbose ? run->report : "") + "ok\n");
}

void Endpoints::SerializableRead(Outcome done) {
  if (const Status health = services_.replica.health(); !health.ok()) return done(health);
  mvcc::RangeQuery query;
  query.keys = {"a", {}};
  query.keys_only = true;
  done(services_.store.Range(query, [](const mvcc::KeyValue&) {}).status());
}

void Endpoints::LinearizableRead(Outcome done) {
  services_.replica.ReadIndex(services_.executor.Now() + services_.limits.request_timeout,
                              [this, done = std::move(done)](const Status& status) mutable {
                                if (!status.ok()) return done(status);
                                SerializableRead(std::move(done));
                              });
}

void Endpoints::DataCorruption(Outcome done) {
  const Status health = services_.replica.health();
  done(health.code() == StatusCode::kDataLoss ? health : OkStatus());
}

void Endpoints::NonLearner(Outcome done) {
  done(services_.is_learner()
           ? Status(StatusCode::kFailedPrecondition, "etcdserver: rpc not supported for learner")
           : OkStatus());
}

}  // namespace cairn::api::etcd
