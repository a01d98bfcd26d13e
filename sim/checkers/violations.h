// Violations: where checkers say what they found. A run goes on until its first violation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cairn::sim {

struct Violation {
  std::string checker;
  std::string what;
};

class Violations {
 public:
  void Report(std::string_view checker, std::string what) {
    found_.push_back({std::string(checker), std::move(what)});
  }
  bool empty() const { return found_.empty(); }
  const std::vector<Violation>& found() const { return found_; }

 private:
  std::vector<Violation> found_;
};

}  // namespace cairn::sim
