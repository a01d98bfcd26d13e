#include "src/server/log_sink.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "src/server/text.h"

namespace cairn::server {
namespace {

std::string Timestamp(int64_t unix_nanos) {
  constexpr int64_t kNanosPerSecond = 1'000'000'000;
  const std::time_t seconds = unix_nanos / kNanosPerSecond;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", utc.tm_year + 1900,
                utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                static_cast<int>(unix_nanos % kNanosPerSecond / 1000));
  return text;
}

std::string_view LowerName(log::Level level) {
  switch (level) {
    case log::Level::kDebug:
      return "debug";
    case log::Level::kInfo:
      return "info";
    case log::Level::kWarn:
      return "warn";
    case log::Level::kError:
      return "error";
  }
  return "";
}

std::string_view UpperName(log::Level level) {
  switch (level) {
    case log::Level::kDebug:
      return "DEBUG";
    case log::Level::kInfo:
      return "INFO";
    case log::Level::kWarn:
      return "WARN";
    case log::Level::kError:
      return "ERROR";
  }
  return "";
}

// "key":value pairs with commas between.
void AppendFields(std::span<const log::Field> fields, std::string* line) {
  bool first = true;
  for (const log::Field& field : fields) {
    if (!std::exchange(first, false)) *line += ',';
    *line += Quoted(field.key);
    *line += ':';
    *line += field.raw ? field.value : Quoted(field.value);
  }
}

// A file that is closed with its last user; standard streams stay open.
using Output = std::shared_ptr<std::FILE>;

Result<Output> OpenOutput(const std::string& name) {
  if (name == "stderr") return Output(stderr, [](std::FILE*) {});
  if (name == "stdout") return Output(stdout, [](std::FILE*) {});
  std::FILE* file = std::fopen(name.c_str(), "ae");
  if (file == nullptr) {
    return Status(StatusCode::kInvalidArgument,
                  "--log-outputs: cannot write to " + Quoted(name) + ": " + std::strerror(errno));
  }
  return Output(file, [](std::FILE* f) { std::fclose(f); });
}

}  // namespace

std::string FormatLogLine(LogFormat format, int64_t unix_nanos, log::Level level,
                          std::string_view message, std::span<const log::Field> fields) {
  std::string line;
  line.reserve(128 + message.size());
  if (format == LogFormat::kJson) {
    line += "{\"level\":\"";
    line += LowerName(level);
    line += "\",\"ts\":\"";
    line += Timestamp(unix_nanos);
    line += "\",\"msg\":";
    line += Quoted(message);
    if (!fields.empty()) line += ',';
    AppendFields(fields, &line);
    line += "}\n";
    return line;
  }
  line += Timestamp(unix_nanos);
  line += '\t';
  line += UpperName(level);
  line += '\t';
  line += message;
  if (!fields.empty()) {
    line += "\t{";
    AppendFields(fields, &line);
    line += '}';
  }
  line += '\n';
  return line;
}

Result<log::Sink> MakeLogSink(const LogConfig& config, UnixClock clock) {
  std::vector<Output> outputs;
  for (const std::string& name : config.outputs) {
    auto output = OpenOutput(name);
    if (!output.ok()) return output.status();
    outputs.push_back(*std::move(output));
  }
  return log::Sink(
      [outputs = std::move(outputs), clock = std::move(clock), format = config.format](
          log::Level level, std::string_view message, std::span<const log::Field> fields) {
        const std::string line = FormatLogLine(format, clock(), level, message, fields);
        for (const Output& output : outputs) {
          std::fwrite(line.data(), 1, line.size(), output.get());
          std::fflush(output.get());
        }
      });
}

}  // namespace cairn::server
