#include "src/base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cairn::log {
namespace {

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { SetSink(nullptr, Level::kWarn); }
  void Collect(Level least) {
    SetSink(
        [this](Level, std::string_view message, std::span<const Field> fields) {
          std::string line(message);
          for (const Field& f : fields) {
            line += " " + std::string(f.key) + "=" + f.value + (f.raw ? "" : "\"");
          }
          lines_.push_back(line);
        },
        least);
  }
  std::vector<std::string> lines_;
};

TEST_F(LogTest, FieldsAreWrittenByTheirKind) {
  Collect(Level::kDebug);
  Info("hello", {{"text", "x"},
                 {"number", 7},
                 {"yes", true},
                 {"node", NodeId(0x8e9e05c52164694d)},
                 {"cluster", ClusterId(0xf)},
                 {"term", Term(3)},
                 {"index", LogIndex(4)},
                 {"status", Status(StatusCode::kNotFound, "no")}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0],
            "hello text=x\" number=7 yes=true node=8e9e05c52164694d\" cluster=f\" term=3 index=4 "
            "status=NotFound: no\"");
}

TEST_F(LogTest, WhatIsBelowTheLeastLevelIsNotWritten) {
  Collect(Level::kWarn);
  Debug("debug");
  Info("info");
  Warn("warn");
  Error("error");
  EXPECT_EQ(lines_, (std::vector<std::string>{"warn", "error"}));
}

TEST_F(LogTest, WithoutASinkLinesGoToStderr) {
  testing::internal::CaptureStderr();
  Info("not this");
  Error("this", {{"k", "v"}});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "error: this k=v\n");
}

TEST_F(LogTest, HexHasNoLeadingZeros) {
  EXPECT_EQ(Hex(0), "0");
  EXPECT_EQ(Hex(0xab), "ab");
  EXPECT_EQ(Hex(UINT64_MAX), "ffffffffffffffff");
}

}  // namespace
}  // namespace cairn::log
