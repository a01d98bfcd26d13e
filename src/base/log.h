// Log: what people read. One line an event: a message that stays the same for the same event, and
// fields. Components call it and know nothing of where it goes; the process sets the sink once.
//
// Never on the path of a request, except behind a rate limit: a log line costs more than a put.
#pragma once

#include <concepts>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "src/base/status.h"
#include "src/base/types.h"

namespace cairn::log {

enum class Level : uint8_t { kDebug, kInfo, kWarn, kError };

// One field. `raw` values (numbers, booleans) are written without quotes in JSON.
struct Field {
  std::string_view key;
  std::string value;
  bool raw = false;

  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  Field(std::string_view k, const Status& v) : key(k), value(v.ToString()) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false"), raw(true) {}
  template <std::integral I>
  Field(std::string_view k, I v) : key(k), value(std::to_string(v)), raw(true) {}
  template <std::floating_point F>
  Field(std::string_view k, F v) : key(k), value(std::to_string(v)), raw(true) {}
  // Ids are written as etcd writes them: hexadecimal without leading zeros.
  Field(std::string_view k, NodeId v);
  Field(std::string_view k, ClusterId v);
  Field(std::string_view k, Term v) : Field(k, v.value) {}
  Field(std::string_view k, LogIndex v) : Field(k, v.value) {}
};

// "8e9e05c52164694d": how ids are shown everywhere.
std::string Hex(uint64_t id);

using Sink = std::function<void(Level, std::string_view message, std::span<const Field>)>;

// Not while other threads log. Without a sink, lines of level kWarn and above go to stderr as text.
void SetSink(Sink sink, Level least);

void Write(Level level, std::string_view message, std::initializer_list<Field> fields);

inline void Debug(std::string_view m, std::initializer_list<Field> f = {}) {
  Write(Level::kDebug, m, f);
}
inline void Info(std::string_view m, std::initializer_list<Field> f = {}) {
  Write(Level::kInfo, m, f);
}
inline void Warn(std::string_view m, std::initializer_list<Field> f = {}) {
  Write(Level::kWarn, m, f);
}
inline void Error(std::string_view m, std::initializer_list<Field> f = {}) {
  Write(Level::kError, m, f);
}

}  // namespace cairn::log
