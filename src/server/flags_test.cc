#include "src/server/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "src/server/text.h"

namespace cairn::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Strings = std::vector<std::string>;

FlagValues Read(const Strings& arguments, const Strings& environment = {}) {
  auto values = ReadFlags(arguments, environment);
  EXPECT_TRUE(values.ok()) << values.status();
  return values.ok() ? *values : FlagValues();
}

std::string ErrorOf(const Strings& arguments, const Strings& environment = {}) {
  auto values = ReadFlags(arguments, environment);
  EXPECT_FALSE(values.ok());
  if (values.ok()) return "";
  EXPECT_EQ(values.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(values.status().message(), Not(HasSubstr("\n"))) << "an error is one line";
  return values.status().message();
}

TEST(Flags, ValueAfterEqualsOrAsNextArgumentWithOneDashOrTwo) {
  EXPECT_EQ(Read({"--name=a"}).Get("name"), "a");
  EXPECT_EQ(Read({"--name", "a"}).Get("name"), "a");
  EXPECT_EQ(Read({"-name=a"}).Get("name"), "a");
  EXPECT_EQ(Read({"-name", "a"}).Get("name"), "a");
  EXPECT_EQ(Read({"--name="}).Get("name"), "");
  EXPECT_EQ(Read({"--initial-cluster=a=http://b:1"}).Get("initial-cluster"), "a=http://b:1");
}

TEST(Flags, ANextArgumentIsTheValueEvenIfItLooksLikeAFlag) {
  EXPECT_EQ(Read({"--name", "--pre-vote"}).Get("name"), "--pre-vote");
}

TEST(Flags, BooleansStandBareAndNeverTakeTheNextArgument) {
  EXPECT_EQ(Read({"--pre-vote"}).Get("pre-vote"), "true");
  EXPECT_EQ(Read({"--pre-vote=false"}).Get("pre-vote"), "false");
  EXPECT_THAT(ErrorOf({"--pre-vote", "false"}), HasSubstr("\"false\" is not a flag"));
  EXPECT_THAT(ErrorOf({"--pre-vote=maybe"}), HasSubstr("true or false"));
}

TEST(Flags, TheLastOfSeveralCounts) {
  EXPECT_EQ(Read({"--name=a", "--name", "b"}).Get("name"), "b");
}

TEST(Flags, DefaultsWhereNothingIsGiven) {
  const FlagValues values = Read({});
  EXPECT_EQ(values.Get("name"), "default");
  EXPECT_EQ(values.Get("election-timeout"), "1000");
  EXPECT_FALSE(values.Given("name"));
  EXPECT_THAT(values.warnings, IsEmpty());
}

TEST(Flags, HelpAndVersion) {
  EXPECT_TRUE(Read({"--help"}).help);
  EXPECT_TRUE(Read({"-h"}).help);
  EXPECT_TRUE(Read({"--version"}).version);
}

TEST(Flags, WhatIsWrongIsSaid) {
  EXPECT_THAT(ErrorOf({"--nonsense=1"}), HasSubstr("unknown flag \"--nonsense=1\""));
  EXPECT_THAT(ErrorOf({"--name"}), HasSubstr("--name needs a value"));
  EXPECT_THAT(ErrorOf({"start"}), HasSubstr("\"start\" is not a flag"));
  EXPECT_THAT(ErrorOf({"--heartbeat-interval=10x"}), HasSubstr("whole number"));
  EXPECT_THAT(ErrorOf({"--grpc-keepalive-timeout=20"}), HasSubstr("duration"));
}

TEST(Flags, TheEnvironmentFillsInAndFlagsWin) {
  EXPECT_EQ(Read({}, {"ETCD_NAME=a", "PATH=/bin"}).Get("name"), "a");
  EXPECT_EQ(Read({}, {"ETCD_INITIAL_CLUSTER=a=http://b:1"}).Get("initial-cluster"), "a=http://b:1");
  const FlagValues both = Read({"--name=b"}, {"ETCD_NAME=a"});
  EXPECT_EQ(both.Get("name"), "b");
  EXPECT_THAT(both.warnings, ElementsAre(HasSubstr("ETCD_NAME is ignored")));
  EXPECT_FALSE(Read({}, {"ETCD_NAME="}).Given("name"));
  EXPECT_THAT(ErrorOf({}, {"ETCD_ELECTION_TIMEOUT=soon"}), HasSubstr("ETCD_ELECTION_TIMEOUT"));
}

TEST(Flags, AnUnknownVariableOnlyWarns) {
  EXPECT_THAT(Read({}, {"ETCD_SERVICE_HOST=10.0.0.1"}).warnings,
              ElementsAre(HasSubstr("ETCD_SERVICE_HOST is unknown")));
}

TEST(Flags, WithoutEffectMeansOneWarning) {
  EXPECT_THAT(Read({"--snapshot-count=5", "--snapshot-count=6"}).warnings,
              ElementsAre(HasSubstr("--snapshot-count has no effect")));
  EXPECT_THAT(Read({}, {"ETCD_UNSAFE_NO_FSYNC=true"}).warnings,
              ElementsAre(HasSubstr("--unsafe-no-fsync has no effect")));
}

TEST(Flags, RefusedWhereIgnoringWouldWeakenSecurity) {
  for (const std::string flag :
       {"--cert-file=x", "--key-file=x", "--client-cert-auth", "--trusted-ca-file=x", "--auto-tls",
        "--peer-cert-file=x", "--peer-key-file=x", "--peer-client-cert-auth=true",
        "--peer-trusted-ca-file=x", "--peer-auto-tls", "--auth-token=jwt,pub-key=x",
        "--client-crl-file=x", "--host-whitelist=a.example", "--tls-min-version=TLS1.3"}) {
    EXPECT_THAT(ErrorOf({flag}), HasSubstr("weaken security")) << flag;
  }
  EXPECT_THAT(ErrorOf({}, {"ETCD_CERT_FILE=x"}), HasSubstr("ETCD_CERT_FILE"));
}

TEST(Flags, RefusedFlagsMayStandAtTheirDefaults) {
  Read({"--client-cert-auth=false", "--auto-tls=f", "--auth-token=simple", "--host-whitelist=*",
        "--cert-file="});
}

TEST(Flags, EveryFlagIsTakenInEveryForm) {
  for (const FlagSpec& flag : AllFlags()) {
    const std::string name(flag.name);
    const std::string value(flag.fallback);
    EXPECT_TRUE(Read({"--" + name + "=" + value}).Given(name)) << name;
    EXPECT_TRUE(Read({"-" + name + "=" + value}).Given(name)) << name;
    EXPECT_FALSE(flag.help.empty()) << name;
    if (!value.empty()) {
      EXPECT_TRUE(Read({}, {EnvironmentName(name) + "=" + value}).Given(name)) << name;
    }
    if (flag.effect == FlagEffect::kNoEffect) {
      EXPECT_EQ(Read({"--" + name + "=" + value}).warnings.size(), 1u) << name;
    }
  }
}

FlagValues ReadYaml(const std::string& text) {
  auto values = ReadConfigFile(text, "f.yml");
  EXPECT_TRUE(values.ok()) << values.status();
  return values.ok() ? *values : FlagValues();
}

TEST(ConfigFile, KeysAreFlags) {
  const FlagValues values = ReadYaml(
      "name: 'm1'\ndata-dir: /d\nelection-timeout: 2000\npre-vote: false\n"
      "log-outputs: [stderr, /tmp/x]\ngrpc-keepalive-min-time: 5000000000\nwal-dir:\n");
  EXPECT_EQ(values.Get("name"), "m1");
  EXPECT_EQ(values.Get("election-timeout"), "2000");
  EXPECT_EQ(values.Get("pre-vote"), "false");
  EXPECT_EQ(values.Get("log-outputs"), "stderr,/tmp/x");
  EXPECT_EQ(ParseDuration(values.Get("grpc-keepalive-min-time")), env::Duration(env::seconds(5)));
  EXPECT_FALSE(values.Given("wal-dir"));
  EXPECT_THAT(values.warnings, IsEmpty());
}

TEST(ConfigFile, SecuritySectionsAreFlagsToo) {
  ReadYaml("client-transport-security:\n  cert-file:\n  client-cert-auth: false\n");
  for (const std::string text :
       {"client-transport-security: {cert-file: x}", "client-transport-security: {crl-file: x}",
        "peer-transport-security: {auto-tls: true}", "peer-transport-security: {allowed-cn: x}"}) {
    auto values = ReadConfigFile(text, "f.yml");
    ASSERT_FALSE(values.ok()) << text;
    EXPECT_THAT(values.status().message(), HasSubstr("weaken security")) << text;
  }
}

TEST(ConfigFile, WhatIsWrongIsSaidInOneLine) {
  for (const std::string text : {"name: [", "- a\n- b\n", "", "name: {a: b}",
                                 "election-timeout: soon", "client-transport-security: 3"}) {
    auto values = ReadConfigFile(text, "f.yml");
    ASSERT_FALSE(values.ok()) << text;
    EXPECT_THAT(values.status().message(), HasSubstr("f.yml"));
    EXPECT_THAT(values.status().message(), Not(HasSubstr("\n")));
  }
  EXPECT_THAT(ReadYaml("nonsense: 1").warnings, ElementsAre(HasSubstr("nonsense is unknown")));
}

TEST(Text, DurationsAsGoReadsThem) {
  EXPECT_EQ(ParseDuration("1h30m"), env::Duration(env::seconds(5400)));
  EXPECT_EQ(ParseDuration("1.5s"), env::Duration(env::milliseconds(1500)));
  EXPECT_EQ(ParseDuration("100ms"), env::Duration(env::milliseconds(100)));
  EXPECT_EQ(ParseDuration("-2us"), env::Duration(-2000));
  EXPECT_EQ(ParseDuration("0"), env::Duration(0));
  for (const char* bad : {"", "5", "s", "1x", "1.2.3s", "1h-3m", "99999999999h", " 1s"}) {
    EXPECT_EQ(ParseDuration(bad), std::nullopt) << bad;
  }
}

TEST(Text, IntegersAsGoReadsThem) {
  EXPECT_EQ(ParseInteger("12"), 12);
  EXPECT_EQ(ParseInteger("-3"), -3);
  EXPECT_EQ(ParseInteger("0x10"), 16);
  for (const char* bad : {"", "-", "1.5", "9223372036854775808", "1 ", "--1", "0x"}) {
    EXPECT_EQ(ParseInteger(bad), std::nullopt) << bad;
  }
}

TEST(Text, QuotedStaysOnOneLine) { EXPECT_EQ(Quoted("a\"b\\\n\x01"), "\"a\\\"b\\\\\\n\\u0001\""); }

}  // namespace
}  // namespace cairn::server
