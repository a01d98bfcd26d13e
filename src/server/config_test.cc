#include "src/server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cairn::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using Strings = std::vector<std::string>;

Result<Config> Make(const Strings& arguments) {
  auto values = ReadFlags(arguments, {});
  if (!values.ok()) return values.status();
  return MakeConfig(*values);
}

std::vector<std::string> TextsOf(const std::vector<membership::Url>& urls) {
  std::vector<std::string> texts;
  for (const membership::Url& url : urls) texts.push_back(url.text);
  return texts;
}

Config Good(const Strings& arguments) {
  auto config = Make(arguments);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : Config();
}

std::string ErrorOf(const Strings& arguments) {
  auto config = Make(arguments);
  EXPECT_FALSE(config.ok());
  if (config.ok()) return "";
  EXPECT_EQ(config.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(config.status().message(), Not(HasSubstr("\n")));
  return config.status().message();
}

const Strings kMember1 = {"--name=m1",
                          "--listen-peer-urls=http://127.0.0.1:2380",
                          "--initial-advertise-peer-urls=http://127.0.0.1:2380",
                          "--listen-client-urls=http://127.0.0.1:2379",
                          "--advertise-client-urls=http://127.0.0.1:2379",
                          "--initial-cluster=m2=http://127.0.0.1:22380,m1=http://127.0.0.1:2380"};

Strings Member1And(const Strings& more) {
  Strings all = kMember1;
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST(Config, DefaultsAreEtcds) {
  const Config config = Good({});
  EXPECT_EQ(config.name, "default");
  EXPECT_EQ(config.data_dir, "default.etcd");
  EXPECT_EQ(config.wal_dir, "default.etcd/member/wal");
  EXPECT_THAT(TextsOf(config.listen_client_urls), ElementsAre("http://localhost:2379"));
  EXPECT_EQ(ToString(config.initial_cluster), "default=http://localhost:2380");
  EXPECT_EQ(config.initial_cluster_token, "etcd-cluster");
  EXPECT_EQ(config.heartbeat_interval, env::milliseconds(100));
  EXPECT_EQ(config.election_timeout, env::milliseconds(1000));
  EXPECT_TRUE(config.pre_vote);
  EXPECT_EQ(config.max_txn_ops, 128u);
  EXPECT_EQ(config.max_request_bytes, 1572864u);
  EXPECT_EQ(config.max_concurrent_streams, 4294967295u);
  EXPECT_EQ(config.grpc_keepalive_interval, env::seconds(7200));
  EXPECT_EQ(config.log.level, log::Level::kInfo);
  EXPECT_THAT(config.log.outputs, ElementsAre("stderr"));
  EXPECT_FALSE(config.name_given);
  EXPECT_FALSE(config.initial_cluster_given);
}

TEST(Config, AWholeMember) {
  const Config config = Good(kMember1);
  EXPECT_EQ(config.data_dir, "m1.etcd");
  ASSERT_EQ(config.initial_cluster.size(), 2u);
  const membership::Member& own =
      config.initial_cluster[config.initial_cluster[0].name == "m1" ? 0 : 1];
  EXPECT_EQ(own.id, config.self);
  EXPECT_THAT(own.peer_urls, ElementsAre("http://127.0.0.1:2380"));
  EXPECT_NE(config.cluster, ClusterId());
  EXPECT_TRUE(config.initial_cluster_given);
}

TEST(Config, TheClusterFollowsNameAndPeerUrlsWhenNotGiven) {
  const Config config = Good({"--name=a", "--initial-advertise-peer-urls=http://10.0.0.1:7"});
  EXPECT_EQ(ToString(config.initial_cluster), "a=http://10.0.0.1:7");
}

TEST(Config, LocalhostIsTheSamePlaceAsItsAddress) {
  Good({"--name=a", "--initial-advertise-peer-urls=http://localhost:7",
        "--initial-cluster=a=http://127.0.0.1:7"});
}

TEST(Config, SeveralUrls) {
  const Config config = Good({"--name=a", "--initial-advertise-peer-urls=http://b:2,http://a:1",
                              "--initial-cluster=a=http://a:1,a=http://b:2",
                              "--listen-client-http-urls=http://127.0.0.1:9",
                              "--listen-metrics-urls=http://0.0.0.0:10"});
  EXPECT_THAT(TextsOf(config.advertise_peer_urls), ElementsAre("http://a:1", "http://b:2"));
  EXPECT_THAT(TextsOf(config.listen_client_urls),
              ElementsAre("http://localhost:2379", "http://127.0.0.1:9"));
  EXPECT_THAT(TextsOf(config.listen_metrics_urls), ElementsAre("http://0.0.0.0:10"));
}

TEST(Config, ContradictionsInTheClusterAreSaid) {
  EXPECT_THAT(ErrorOf(Member1And({"--name=m3"})),
              HasSubstr("does not name this member: add \"m3=http"));
  EXPECT_THAT(ErrorOf(Member1And({"--initial-advertise-peer-urls=http://127.0.0.1:1"})),
              HasSubstr("make them equal"));
  EXPECT_THAT(
      ErrorOf(Member1And({"--initial-cluster=m1=http://127.0.0.1:2380,m2=http://127.0.0.1:2380"})),
      HasSubstr("twice (first for \"m1\")"));
  EXPECT_THAT(
      ErrorOf(Member1And({"--initial-cluster=m1=http://127.0.0.1:2380,m1=http://127.0.0.1:2380"})),
      HasSubstr("given twice"));
  for (const std::string bad : {"m1", "m1=", "=http://a:1", "m1=http://127.0.0.1:2380,"}) {
    EXPECT_THAT(ErrorOf(Member1And({"--initial-cluster=" + bad})), HasSubstr("--initial-cluster: "))
        << bad;
  }
  EXPECT_THAT(ErrorOf(Member1And({"--initial-cluster="})), HasSubstr("name=http://host:port"));
  EXPECT_THAT(
      ErrorOf(Member1And({"--initial-cluster=m1=http://127.0.0.1:2380,m2=https://127.0.0.1:1"})),
      HasSubstr("TLS"));
  EXPECT_THAT(ErrorOf(Member1And({"--initial-cluster-state=old"})), HasSubstr("new or existing"));
  EXPECT_THAT(ErrorOf({"--discovery=http://x/y"}), HasSubstr("--initial-cluster"));
  EXPECT_THAT(ErrorOf({"--proxy=on"}), HasSubstr("no proxy mode"));
}

TEST(Config, BadUrlsAreSaid) {
  for (const std::string bad :
       {"127.0.0.1:2380", "ftp://127.0.0.1:1", "http://127.0.0.1", "http://127.0.0.1:http",
        "http://127.0.0.1:65536", "http://127.0.0.1:1/path", "http://u:p@127.0.0.1:1",
        "http://::1:2", "http://[::1]", "unix://", "", "http://a b:1", "http://:1"}) {
    EXPECT_THAT(ErrorOf({"--listen-peer-urls=" + bad}), HasSubstr("--listen-peer-urls: bad URL"))
        << bad;
  }
  EXPECT_THAT(ErrorOf({"--listen-peer-urls=https://127.0.0.1:1"}), HasSubstr("asks for TLS"));
  EXPECT_THAT(ErrorOf({"--listen-peer-urls=http://example.com:1"}), HasSubstr("IP address"));
  EXPECT_THAT(ErrorOf({"--listen-peer-urls=http://127.0.0.1:1,http://127.0.0.1:1"}),
              HasSubstr("twice"));
  EXPECT_THAT(ErrorOf({"--listen-client-urls=http://127.0.0.1:1"}),
              HasSubstr("--advertise-client-urls"));
}

// The ids that etcd computes for this member, as its users know them.
TEST(Config, IdsAreThoseOfEtcd) {
  const Config config =
      Good({"--name=default", "--initial-advertise-peer-urls=http://localhost:2380"});
  EXPECT_EQ(log::Hex(config.self.value), "8e9e05c52164694d");
  EXPECT_EQ(log::Hex(config.cluster.value), "cdf818194e3a8c32");
}

TEST(Config, TimesHaveBounds) {
  EXPECT_THAT(ErrorOf({"--election-timeout=499"}), HasSubstr("at least 500 ms"));
  EXPECT_THAT(ErrorOf({"--election-timeout=50001"}), HasSubstr("1 to 50000"));
  EXPECT_THAT(ErrorOf({"--heartbeat-interval=0"}), HasSubstr("1 to 50000"));
  EXPECT_THAT(ErrorOf({"--heartbeat-interval=-1"}), HasSubstr("1 to 50000"));
  EXPECT_THAT(ErrorOf({"--grpc-keepalive-timeout=-1s"}), HasSubstr("below zero"));
  EXPECT_EQ(Good({"--heartbeat-interval=20", "--election-timeout=100"}).election_timeout,
            env::milliseconds(100));
}

TEST(Config, LimitsHaveBounds) {
  EXPECT_THAT(ErrorOf({"--max-request-bytes=0"}), HasSubstr("out of range"));
  EXPECT_THAT(ErrorOf({"--max-request-bytes=1000000000"}), HasSubstr("out of range"));
  EXPECT_THAT(ErrorOf({"--max-txn-ops=0"}), HasSubstr("out of range"));
  EXPECT_EQ(Good({"--quota-backend-bytes=-1"}).quota_backend_bytes, 0u);
}

TEST(Config, Logging) {
  EXPECT_EQ(Good({"--log-level=panic"}).log.level, log::Level::kError);
  EXPECT_EQ(Good({"--debug"}).log.level, log::Level::kDebug);
  EXPECT_THAT(Good({"--log-outputs=default,stderr,/x"}).log.outputs, ElementsAre("/x", "stderr"));
  EXPECT_EQ(Good({"--log-format=console"}).log.format, LogFormat::kConsole);
  EXPECT_THAT(ErrorOf({"--log-level=loud"}), HasSubstr("debug, info"));
  EXPECT_THAT(ErrorOf({"--log-format=xml"}), HasSubstr("json or console"));
  EXPECT_THAT(ErrorOf({"--log-outputs=stderr,"}), HasSubstr("empty entry"));
}

TEST(Config, NamesThatCannotStandInAClusterAreRefused) {
  EXPECT_THAT(ErrorOf({"--name=a=b"}), HasSubstr("comma or an equals"));
  EXPECT_THAT(ErrorOf({"--name="}), HasSubstr("empty"));
}

}  // namespace
}  // namespace cairn::server
