// What a load is made of: the command line of cairn-load.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/env/time.h"

namespace cairn::load {

enum class Workload { kPut, kRange, kMixed };

struct Options {
  Workload workload = Workload::kPut;
  std::vector<std::string> endpoints = {"127.0.0.1:2379"};
  uint32_t connections = 1;
  uint32_t streams = 1;  // calls in flight on each connection
  double seconds = 10;   // of measuring; ignored when `total` is given
  double warmup_seconds = 0;
  uint64_t total = 0;  // calls to make; 0: for `seconds`
  double rate = 0;     // calls a second, in all; 0: as fast as the answers come
  uint64_t keys = 1'000'000;
  uint32_t key_size = 16;
  uint32_t value_size = 128;
  uint64_t preload = 0;  // the first so many keys are put before the measuring begins
  bool serializable = false;
  double read_share = 0.9;     // of a mixed load
  double timeout_seconds = 0;  // sent with each call; 0: none
  uint64_t seed = 1;
  bool json = false;
  bool progress = false;  // a line each second on stderr
};

// Exits the process, with a message, when the line is wrong or asks for help.
Options ParseCommandLine(int argc, char** argv);

}  // namespace cairn::load
