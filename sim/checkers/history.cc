#include "sim/checkers/history.h"

#include <algorithm>
#include <charconv>

namespace cairn::sim {
namespace {

constexpr std::string_view kMark = "value<";

}  // namespace

std::string ValueText(Value value) { return std::string(kMark) + std::to_string(value) + ">"; }

std::vector<Value> FindValues(std::string_view bytes) {
  std::vector<Value> values;
  for (size_t at = bytes.find(kMark); at != std::string_view::npos; at = bytes.find(kMark, at)) {
    at += kMark.size();
    Value value = 0;
    const auto [end, error] =
        std::from_chars(bytes.data() + at, bytes.data() + bytes.size(), value);
    if (error == std::errc() && end != bytes.data() + bytes.size() && *end == '>')
      values.push_back(value);
  }
  return values;
}

Value ParseValue(std::string_view text) {
  const std::vector<Value> values = FindValues(text.substr(0, std::min<size_t>(text.size(), 32)));
  return values.size() == 1 ? values[0] : 0;
}

std::string_view OpName(OpKind kind) {
  switch (kind) {
    case OpKind::kPut:
      return "put";
    case OpKind::kGet:
      return "get";
    case OpKind::kDelete:
      return "delete";
    case OpKind::kSwap:
      return "swap";
    case OpKind::kRange:
      return "range";
  }
  return "?";
}

std::string Operation::ToString() const {
  std::string text = "client " + std::to_string(client) + " at member " + std::to_string(member) +
                     " [" + std::to_string(invoked) + "," +
                     (returned == kNever ? std::string("...") : std::to_string(returned)) +
                     "]: " + std::string(OpName(kind)) + " " + key;
  if (kind == OpKind::kSwap) text += " from " + std::to_string(expected);
  if (argument != 0) text += " to " + std::to_string(argument);
  switch (outcome) {
    case Outcome::kOpen:
      return text + " -> nothing heard";
    case Outcome::kFailed:
      return text + " -> not done: " + error;
    case Outcome::kUnknown:
      return text + " -> unknown: " + error;
    case Outcome::kOk:
      break;
  }
  text += " -> revision " + std::to_string(revision);
  if (kind == OpKind::kSwap || kind == OpKind::kDelete)
    text += succeeded ? ", done" : ", nothing done";
  for (const auto& [k, f] : found) {
    text += ", " + k + " is " + std::to_string(f.value) + " (mod " +
            std::to_string(f.mod_revision) + ")";
  }
  return text;
}

size_t History::Invoke(Operation operation) {
  operation.invoked = ++moment_;
  operations_.push_back(std::move(operation));
  return operations_.size() - 1;
}

void History::Return(size_t number, Outcome outcome) {
  Operation& op = operations_[number];
  op.outcome = outcome;
  ++moment_;
  if (outcome == Outcome::kOk || outcome == Outcome::kFailed) op.returned = moment_;
}

size_t History::count(Outcome outcome) const {
  return static_cast<size_t>(
      std::count_if(operations_.begin(), operations_.end(),
                    [&](const Operation& op) { return op.outcome == outcome; }));
}

}  // namespace cairn::sim
