// Router: which method or handler a path belongs to, and what is counted of each.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/strings/string_view.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/http/server.h"

namespace cairn::http {

// One gRPC method: exactly one of the two handlers is set.
struct Method {
  UnaryHandler unary;
  StreamFactory stream;
  MethodStats stats;
};

class Router {
 public:
  void AddUnary(std::string path, UnaryHandler handler);
  void AddStream(std::string path, StreamFactory factory);
  void AddHttp(std::string prefix, HttpHandler handler);

  // Null if there is none. Results live as long as the router.
  Method* FindMethod(std::string_view path) const {
    const auto it = methods_.find(absl::string_view(path.data(), path.size()));
    return it == methods_.end() ? nullptr : it->second.get();
  }
  HttpHandler* FindHttp(std::string_view path);

  // Sorted by path.
  std::vector<MethodStats> method_stats() const;

 private:
  Method& Add(std::string path);
  absl::flat_hash_map<std::string, std::unique_ptr<Method>> methods_;
  std::map<std::string, HttpHandler, std::less<>> http_;
};

}  // namespace cairn::http
