// Env: what a member gets of the world. The process makes a real one (posix/), the simulator one
// for each simulated member (sim/).
#pragma once

#include "src/env/executor.h"
#include "src/env/file.h"
#include "src/env/network.h"

namespace cairn::env {

struct Env {
  Executor& executor;
  FileSystem& files;
  Network& network;
};

}  // namespace cairn::env
