#include "src/http/router.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"

namespace cairn::http {

Method& Router::Add(std::string path) {
  auto method = std::make_unique<Method>();
  method->stats.path = path;
  const auto [it, added] = methods_.emplace(std::move(path), std::move(method));
  CHECK(added, "two handlers for one gRPC method");
  return *it->second;
}

void Router::AddUnary(std::string path, UnaryHandler handler) {
  Add(std::move(path)).unary = std::move(handler);
}

void Router::AddStream(std::string path, StreamFactory factory) {
  Method& method = Add(std::move(path));
  method.stream = std::move(factory);
  method.stats.stream = true;
}

void Router::AddHttp(std::string prefix, HttpHandler handler) {
  const bool added = http_.emplace(std::move(prefix), std::move(handler)).second;
  CHECK(added, "two handlers for one HTTP path");
}

HttpHandler* Router::FindHttp(std::string_view path) {
  if (const auto it = http_.find(path); it != http_.end()) return &it->second;
  for (size_t end = path.rfind('/'); end != std::string_view::npos;
       end = path.rfind('/', end - 1)) {
    if (const auto it = http_.find(path.substr(0, end + 1)); it != http_.end()) return &it->second;
    if (end == 0) break;
  }
  return nullptr;
}

std::vector<MethodStats> Router::method_stats() const {
  std::vector<MethodStats> all;
  all.reserve(methods_.size());
  for (const auto& [path, method] : methods_) all.push_back(method->stats);
  std::sort(all.begin(), all.end(),
            [](const MethodStats& a, const MethodStats& b) { return a.path < b.path; });
  return all;
}

}  // namespace cairn::http
