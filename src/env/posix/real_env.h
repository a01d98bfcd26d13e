// RealEnv: the world as it is, for one loop.
#pragma once

#include "src/env/env.h"
#include "src/env/posix/file.h"
#include "src/env/posix/loop.h"
#include "src/env/posix/network.h"

namespace cairn::env::posix {

class RealEnv {
 public:
  RealEnv() : network_(loop_) {}
  Env env() { return Env{loop_, files_, network_}; }
  Loop& loop() { return loop_; }

 private:
  Loop loop_;
  PosixFileSystem files_;
  PosixNetwork network_;
};

}  // namespace cairn::env::posix
