#include "src/raft/testing/script.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace cairn::raft::testing {
namespace {

std::vector<std::string> ReadLines(const std::string& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in.good()) << "cannot read " << path;
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

Command Parse(const std::vector<std::string>& lines) {
  Command c;
  std::istringstream words(lines[0]);
  words >> c.name;
  for (std::string word; words >> word;) c.args.push_back(word);
  c.input.assign(lines.begin() + 1, lines.end());
  return c;
}

}  // namespace

void RunScript(const std::string& path, const std::function<std::string(const Command&)>& handle) {
  const std::vector<std::string> lines = ReadLines(path);
  const bool rewrite = std::getenv("CAIRN_REWRITE") != nullptr;
  std::string all;
  size_t commands = 0;
  for (size_t i = 0; i < lines.size();) {
    if (lines[i].empty() || lines[i][0] == '#') {
      all += lines[i++] + "\n";
      continue;
    }
    const size_t at = i;
    std::vector<std::string> command;
    for (; i < lines.size() && lines[i] != "----" && !lines[i].empty(); ++i)
      command.push_back(lines[i]);
    ASSERT_TRUE(i < lines.size() && lines[i] == "----")
        << path << ":" << at + 1 << ": no ---- follows";
    ++i;
    std::string expected;
    for (; i < lines.size() && !lines[i].empty(); ++i) expected += lines[i] + "\n";
    std::string actual = handle(Parse(command));
    if (actual.empty()) actual = "ok\n";
    ++commands;
    for (const std::string& line : command) all += line + "\n";
    all += "----\n" + actual;
    if (!rewrite) {
      EXPECT_EQ(actual, expected) << path << ":" << at + 1 << ": " << command[0];
      if (actual != expected) return;  // what follows would only differ too
    }
  }
  ASSERT_GT(commands, 0u) << path;
  if (rewrite) std::ofstream(path) << all;
}

}  // namespace cairn::raft::testing
