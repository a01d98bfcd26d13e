// Runs every script of src/raft/testdata. The commands are described in testing/script_world.h.
#include "src/raft/testing/script.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "src/raft/testing/script_world.h"

namespace cairn::raft {
namespace {

constexpr char kDirectory[] = "src/raft/testdata";

std::vector<std::string> Scripts() {
  std::vector<std::string> names;
  std::error_code none;  // started elsewhere: no scripts, which fails the test
  for (const auto& file : std::filesystem::directory_iterator(kDirectory, none)) {
    if (file.path().extension() == ".txt") names.push_back(file.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class ScriptTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ScriptTest, DoesAsWritten) {
  testing::ScriptWorld world;
  testing::RunScript(std::string(kDirectory) + "/" + GetParam() + ".txt",
                     [&](const testing::Command& c) { return world.Handle(c); });
}

INSTANTIATE_TEST_SUITE_P(Scripts, ScriptTest, ::testing::ValuesIn(Scripts()),
                         [](const auto& param_info) { return param_info.param; });

}  // namespace
}  // namespace cairn::raft
