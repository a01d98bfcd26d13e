#include "src/base/log.h"

#include <cstdio>

namespace cairn::log {
namespace {

// Set once at the start of the process (or by a test), read by every thread afterwards.
Sink g_sink;                   // NOLINT
Level g_least = Level::kWarn;  // NOLINT

void ToStderr(Level level, std::string_view message, std::span<const Field> fields) {
  std::string line(level == Level::kError ? "error: " : "");
  line += message;
  for (const Field& f : fields) {
    line += ' ';
    line += f.key;
    line += '=';
    line += f.value;
  }
  line += '\n';
  std::fputs(line.c_str(), stderr);
}

}  // namespace

std::string Hex(uint64_t id) {
  char text[17];
  const int n = std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(id));
  return {text, static_cast<size_t>(n)};
}

Field::Field(std::string_view k, NodeId v) : key(k), value(Hex(v.value)) {}
Field::Field(std::string_view k, ClusterId v) : key(k), value(Hex(v.value)) {}

void SetSink(Sink sink, Level least) {
  g_sink = std::move(sink);
  g_least = least;
}

void Write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (level < g_least) return;
  const std::span<const Field> all(fields.begin(), fields.size());
  if (g_sink) {
    g_sink(level, message, all);
  } else {
    ToStderr(level, message, all);
  }
}

}  // namespace cairn::log
