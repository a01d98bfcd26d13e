// Data-driven tests: a text file of commands, each with the output that is expected of it.
//
//     # What the next lines show.
//     propose 1 x
//     ----
//     ok
//
// A block is a command line (input lines may follow), a line of four dashes, the expected output,
// and an empty line. RunScript gives each command to `handle` and compares. With CAIRN_REWRITE=1 in
// the environment the file is written anew with what came out, to be read before it is committed.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace cairn::raft::testing {

struct Command {
  std::string name;
  std::vector<std::string> args;
  std::vector<std::string> input;  // further lines
};

// Fails the running test, with file and line, where an output differs.
void RunScript(const std::string& path, const std::function<std::string(const Command&)>& handle);

}  // namespace cairn::raft::testing
