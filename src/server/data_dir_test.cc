#include "src/server/data_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "src/env/posix/file.h"

namespace cairn::server {
namespace {

using ::testing::HasSubstr;

constexpr char kTwoMembers[] = "--initial-cluster=m1=http://127.0.0.1:1,m2=http://127.0.0.1:2";

class DataDirTest : public ::testing::Test {
 protected:
  DataDirTest() {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~DataDirTest() override { std::filesystem::remove_all(root_); }

  Config Make(const std::string& name, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {
        "--name=" + name, "--data-dir=" + data_dir(),
        "--initial-advertise-peer-urls=http://127.0.0.1:" + name.substr(1)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    auto values = ReadFlags(arguments, {});
    EXPECT_TRUE(values.ok()) << values.status();
    auto config = MakeConfig(*values);
    EXPECT_TRUE(config.ok()) << config.status();
    return *config;
  }
  // Starts once as a whole member does: the log is made, then the folder is complete.
  void StartOnce(const Config& config) {
    auto dir = DataDir::Open(files_, config);
    ASSERT_TRUE(dir.ok()) << dir.status();
    ASSERT_TRUE(files_.CreateDirectories((*dir)->wal_dir()).ok());
    ASSERT_TRUE(ReplaceFile(files_, (*dir)->wal_dir() + "/0.wal", "log").ok());
    ASSERT_TRUE((*dir)->MarkComplete().ok());
  }
  Status ErrorOf(const Config& config) {
    auto dir = DataDir::Open(files_, config);
    EXPECT_FALSE(dir.ok());
    return dir.status();
  }

  std::string data_dir() const { return root_ + "/d"; }
  std::string identity_path() const { return data_dir() + "/member/identity"; }

  const std::string root_ = ::testing::TempDir() + "/data_dir_test_" +
                            ::testing::UnitTest::GetInstance()->current_test_info()->name();
  env::posix::PosixFileSystem files_;
};

TEST_F(DataDirTest, ANewFolderGetsTheIdentityOfTheConfiguration) {
  const Config config = Make("m1", {kTwoMembers});
  auto dir = DataDir::Open(files_, config);
  ASSERT_TRUE(dir.ok()) << dir.status();
  EXPECT_EQ((*dir)->identity().self, config.self);
  EXPECT_EQ((*dir)->identity().cluster, config.cluster);
  EXPECT_EQ((*dir)->identity().first_members, config.initial_cluster);
  EXPECT_EQ((*dir)->store_dir(), data_dir() + "/member/store");
  EXPECT_EQ(std::filesystem::status(data_dir()).permissions(), std::filesystem::perms::owner_all);
}

TEST_F(DataDirTest, TheSameMemberComesBack) {
  const Config config = Make("m1", {kTwoMembers});
  StartOnce(config);
  auto dir = DataDir::Open(files_, config);
  ASSERT_TRUE(dir.ok()) << dir.status();
  EXPECT_TRUE((*dir)->identity().complete);
}

TEST_F(DataDirTest, WhatIsNotSaidIsTakenFromTheFolder) {
  const Config config = Make("m1", {kTwoMembers});
  StartOnce(config);
  auto values = ReadFlags(std::vector<std::string>{"--data-dir=" + data_dir()}, {});
  auto dir = DataDir::Open(files_, *MakeConfig(*values));
  ASSERT_TRUE(dir.ok()) << dir.status();
  EXPECT_EQ((*dir)->identity().name, "m1");
  EXPECT_EQ((*dir)->identity().first_members, config.initial_cluster);
}

TEST_F(DataDirTest, AnotherMembersFolderIsRefused) {
  StartOnce(Make("m1", {kTwoMembers}));
  const Status s = ErrorOf(Make("m2", {kTwoMembers}));
  EXPECT_EQ(s.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(s.message(), HasSubstr("belongs to member \"m1\""));
  EXPECT_THAT(s.message(), HasSubstr("not to member \"m2\""));
}

TEST_F(DataDirTest, AnotherClustersFolderIsRefused) {
  StartOnce(Make("m1", {kTwoMembers}));
  const Status s = ErrorOf(Make("m1", {kTwoMembers, "--initial-cluster-token=other"}));
  EXPECT_EQ(s.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(s.message(), HasSubstr("--initial-cluster-token=etcd-cluster"));
}

TEST_F(DataDirTest, OneProcessAtATime) {
  const Config config = Make("m1");
  auto first = DataDir::Open(files_, config);
  ASSERT_TRUE(first.ok()) << first.status();
  const Status s = ErrorOf(config);
  EXPECT_EQ(s.code(), StatusCode::kUnavailable);
  EXPECT_THAT(s.message(), HasSubstr("in use by another process"));
  first->reset();
  EXPECT_TRUE(DataDir::Open(files_, config).ok());
}

TEST_F(DataDirTest, OneProcessAtATimeOnALogElsewhereToo) {
  const std::string wal = "--wal-dir=" + root_ + "/wal";
  auto first = DataDir::Open(files_, Make("m1", {wal}));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ((*first)->wal_dir(), root_ + "/wal");
  const Status s = ErrorOf(Make("m2", {wal, "--data-dir=" + root_ + "/other"}));
  EXPECT_EQ(s.code(), StatusCode::kUnavailable);
}

TEST_F(DataDirTest, EtcdsDataIsRefused) {
  std::filesystem::create_directories(data_dir() + "/member/snap");
  const Status s = ErrorOf(Make("m1"));
  EXPECT_EQ(s.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(s.message(), HasSubstr("data of etcd"));
}

TEST_F(DataDirTest, AMemberThatLostItsLogDoesNotComeBackAsIfNew) {
  const Config config = Make("m1");
  StartOnce(config);
  std::filesystem::remove_all(config.wal_dir);
  const Status s = ErrorOf(config);
  EXPECT_EQ(s.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(s.message(), HasSubstr("its log"));
}

TEST_F(DataDirTest, AStartThatCrashedBeforeTheLogWasMadeIsTriedAgain) {
  const Config config = Make("m1");
  ASSERT_TRUE(DataDir::Open(files_, config).ok());
  EXPECT_TRUE(DataDir::Open(files_, config).ok());
}

TEST_F(DataDirTest, ALogWithoutIdentityIsRefused) {
  const Config config = Make("m1");
  StartOnce(config);
  std::filesystem::remove(identity_path());
  EXPECT_THAT(ErrorOf(config).message(), HasSubstr("it is not known whose it is"));
}

TEST_F(DataDirTest, JoiningIsRefusedForAnEmptyFolder) {
  EXPECT_THAT(ErrorOf(Make("m1", {"--initial-cluster-state=existing"})).message(),
              HasSubstr("joining an existing cluster"));
}

TEST_F(DataDirTest, ADamagedIdentityIsReported) {
  const Config config = Make("m1");
  StartOnce(config);
  std::string bytes = *ReadWholeFile(files_, identity_path());
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_TRUE(ReplaceFile(files_, identity_path(), bytes).ok());
  const Status s = ErrorOf(config);
  EXPECT_EQ(s.code(), StatusCode::kDataLoss);
  EXPECT_THAT(s.message(), HasSubstr(identity_path()));
}

TEST_F(DataDirTest, NoFlipOrCutOfAnIdentityGoesUnnoticed) {
  const Config config = Make("m1", {kTwoMembers});
  StartOnce(config);
  const std::string whole = *ReadWholeFile(files_, identity_path());
  ASSERT_TRUE(DecodeIdentity(whole).ok());
  EXPECT_EQ(EncodeIdentity(*DecodeIdentity(whole)), whole);
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    EXPECT_EQ(DecodeIdentity(flipped).status().code(), StatusCode::kDataLoss) << i;
    EXPECT_EQ(DecodeIdentity(whole.substr(0, i)).status().code(), StatusCode::kDataLoss) << i;
  }
}

}  // namespace
}  // namespace cairn::server
