#include "sim/checkers/exactly_once.h"

namespace cairn::sim {

void CheckExactlyOnce(const History& history, const std::map<Value, int>& committed,
                      Violations& violations) {
  for (const Operation& op : history.operations()) {
    if (op.argument == 0) continue;
    const auto it = committed.find(op.argument);
    const int times = it == committed.end() ? 0 : it->second;
    const char* wrong = nullptr;
    if (times > 1) {
      wrong = "was applied more than once: ";
    } else if (op.outcome == Outcome::kOk && times == 0) {
      wrong = "was acknowledged and is lost: ";
    } else if (op.outcome == Outcome::kFailed && times > 0) {
      wrong = "was refused and yet applied: ";
    }
    if (wrong != nullptr) violations.Report("exactly once", wrong + op.ToString());
  }
}

}  // namespace cairn::sim
