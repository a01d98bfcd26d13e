// The log of the process: one line an event, as etcd's tools expect it.
//
//   json     {"level":"info","ts":"2026-11-22T10:00:00.000000Z","msg":"became leader","term":7}
//   console  2026-11-22T10:00:00.000000Z	INFO	became leader	{"term":7}
//
// Written directly: a line is formatted once and given to stdio in one call, which keeps lines of
// several threads apart and needs no queue whose loss would hide the last words of a dying process.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "src/base/log.h"
#include "src/base/status.h"
#include "src/server/config.h"

namespace cairn::server {

// Nanoseconds since 1970; called on any thread.
using UnixClock = std::function<int64_t()>;

// One line with its end.
std::string FormatLogLine(LogFormat format, int64_t unix_nanos, log::Level level,
                          std::string_view message, std::span<const log::Field> fields);

// Opens the outputs. They stay open for as long as the sink lives. InvalidArgument names a file
// that cannot be opened.
Result<log::Sink> MakeLogSink(const LogConfig& config, UnixClock clock);

}  // namespace cairn::server
