#include "src/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "src/env/posix/file.h"

namespace cairn::cli {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

using Strings = std::vector<std::string>;

class CommandLineTest : public ::testing::Test {
 protected:
  Result<Request> Read(const Strings& arguments, const Strings& environment = {}) {
    return ReadCommandLine(arguments, environment, files_);
  }
  env::posix::PosixFileSystem files_;
};

TEST_F(CommandLineTest, ServerTakesFlagsAndEnvironment) {
  auto request = Read({"bin/cairn", "server", "--name=a"}, {"ETCD_DATA_DIR=/d"});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->action, Action::kServe);
  EXPECT_EQ(request->config.name, "a");
  EXPECT_EQ(request->config.data_dir, "/d");
}

TEST_F(CommandLineTest, UnderTheNameEtcdTheFlagsStandAlone) {
  auto request = Read({"/usr/bin/etcd", "--name", "a"});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->config.name, "a");
  EXPECT_EQ(Read({"etcd", "--version"})->action, Action::kPrint);
}

TEST_F(CommandLineTest, HelpAndVersionArePrinted) {
  for (const Strings& arguments :
       {Strings{"cairn"}, {"cairn", "help"}, {"cairn", "--help"}, {"cairn", "-h"}}) {
    EXPECT_THAT(Read(arguments)->text, HasSubstr("usage: cairn COMMAND"));
  }
  EXPECT_THAT(Read({"cairn", "help", "server"})->text, HasSubstr("--initial-cluster"));
  EXPECT_THAT(Read({"cairn", "server", "--help"})->text, HasSubstr("--initial-cluster"));
  EXPECT_THAT(Read({"cairn", "--version"})->text, HasSubstr("cairn " CAIRN_VERSION));
  EXPECT_THAT(Read({"cairn", "server", "--version"})->text, HasSubstr("cairn " CAIRN_VERSION));
}

TEST_F(CommandLineTest, WhatIsWrongIsAnError) {
  EXPECT_EQ(Read({"cairn", "sever"}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Read({"cairn", "server", "--nonsense"}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Read({"cairn", "server", "--election-timeout=1"}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(CommandLineTest, WithAFileNothingElseCounts) {
  const std::string path = ::testing::TempDir() + "/command_line_test.yml";
  ASSERT_TRUE(env::ReplaceFile(files_, path, "name: from-file\n").ok());
  auto request = Read({"cairn", "server", "--config-file", path, "--name=from-flag"});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->config.name, "from-file");
  EXPECT_THAT(request->config.warnings, Contains(HasSubstr("--config-file is given")));
  EXPECT_EQ(Read({"cairn", "server"}, {"ETCD_CONFIG_FILE=" + path})->config.name, "from-file");
  auto missing = Read({"cairn", "server", "--config-file=/no/such/file"});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(missing.status().message(), HasSubstr("/no/such/file"));
}

}  // namespace
}  // namespace cairn::cli
