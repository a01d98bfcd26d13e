// What the command line of `cairn` asks for, before anything is done.
#pragma once

#include <span>
#include <string>

#include "src/base/status.h"
#include "src/env/file.h"
#include "src/server/config.h"

namespace cairn::cli {

enum class Action : uint8_t { kPrint, kServe };

struct Request {
  Action action = Action::kPrint;
  std::string text;       // kPrint: what to print on stdout, with its end of line
  server::Config config;  // kServe
};

// `arguments` are main()'s, the program's name first: `cairn server --name=m1`, or, under the name
// etcd, the same without the word `server`. InvalidArgument: one line that says what to do.
Result<Request> ReadCommandLine(std::span<const std::string> arguments,
                                server::Environment environment, env::FileSystem& files);

}  // namespace cairn::cli
