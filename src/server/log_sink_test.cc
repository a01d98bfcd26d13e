#include "src/server/log_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace cairn::server {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kWhen = 1'763'776'547'123'456'789;  // 2025-11-22 01:55:47 UTC

std::string Line(LogFormat format, std::initializer_list<log::Field> fields) {
  return FormatLogLine(format, kWhen, log::Level::kWarn, "disk \"full\"",
                       std::span(fields.begin(), fields.size()));
}

TEST(LogSink, JsonAsZapWritesIt) {
  EXPECT_EQ(
      Line(LogFormat::kJson, {{"term", Term(7)}, {"path", "a\nb"}, {"ok", true}}),
      "{\"level\":\"warn\",\"ts\":\"2025-11-22T01:55:47.123456Z\",\"msg\":\"disk \\\"full\\\"\","
      "\"term\":7,\"path\":\"a\\nb\",\"ok\":true}\n");
  EXPECT_EQ(Line(LogFormat::kJson, {}),
            "{\"level\":\"warn\",\"ts\":\"2025-11-22T01:55:47.123456Z\",\"msg\":\"disk "
            "\\\"full\\\"\"}\n");
}

TEST(LogSink, Console) {
  EXPECT_EQ(Line(LogFormat::kConsole, {{"term", Term(7)}}),
            "2025-11-22T01:55:47.123456Z\tWARN\tdisk \"full\"\t{\"term\":7}\n");
}

TEST(LogSink, WritesToItsFilesAndAppends) {
  const std::string path = ::testing::TempDir() + "/log_sink_test.log";
  std::remove(path.c_str());
  for (int i = 0; i < 2; ++i) {
    auto sink = MakeLogSink({.outputs = {path}}, [] { return kWhen; });
    ASSERT_TRUE(sink.ok()) << sink.status();
    (*sink)(log::Level::kInfo, "hello", {});
  }
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  const std::string line =
      "{\"level\":\"info\",\"ts\":\"2025-11-22T01:55:47.123456Z\",\"msg\":\"hello\"}\n";
  EXPECT_EQ(text.str(), line + line);
}

TEST(LogSink, AFileThatCannotBeOpenedIsNamed) {
  auto sink = MakeLogSink({.outputs = {"/no/such/folder/log"}}, [] { return kWhen; });
  ASSERT_FALSE(sink.ok());
  EXPECT_THAT(sink.status().message(), HasSubstr("/no/such/folder/log"));
}

}  // namespace
}  // namespace cairn::server
