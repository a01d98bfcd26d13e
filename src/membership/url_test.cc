#include "src/membership/url.h"

#include <gtest/gtest.h>

namespace cairn::membership {
namespace {

TEST(Url, GoodOnes) {
  struct Case {
    std::string text, address;
    bool tls;
  };
  const Case cases[] = {
      {"http://127.0.0.1:2380", "127.0.0.1:2380", false},
      {"https://localhost:20001", "localhost:20001", true},
      {"http://[::1]:0", "[::1]:0", false},
      {"http://[fe80::1%eth0]:2379", "[fe80::1%eth0]:2379", false},
      {"unix://path:1", "unix:path:1", false},
      {"unixs:///run/cairn.sock", "unix:/run/cairn.sock", true},
      {"http://etcd-0.etcd.default.svc:2379", "etcd-0.etcd.default.svc:2379", false},
  };
  for (const Case& c : cases) {
    const Result<Url> url = ParseUrl(c.text);
    ASSERT_TRUE(url.ok()) << url.status();
    EXPECT_EQ(url->text, c.text);
    EXPECT_EQ(url->ToAddress().text, c.address);
    EXPECT_EQ(url->tls(), c.tls);
  }
}

TEST(Url, BlanksAndCaseOfTheSchemeDoNotCount) {
  const Result<Url> url = ParseUrl("  HTTP://Host:1\t");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->text, "http://Host:1");
}

TEST(Url, BadOnesAreNamedWithTheReason) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "it is empty"},
      {"127.0.0.1:2380", "it has no scheme"},
      {"ftp://a:1", "the scheme must be"},
      {"http://a", "scheme://host:port"},
      {"http://::1:80", "brackets"},
      {"http://[::1]", "scheme://host:port"},
      {"http://:80", "the host is missing"},
      {"http://a b:80", "no host has"},
      {"http://user@a:80", "no host has"},
      {"http://a:80/", "must not contain a path"},
      {"http://a:80/x", "must not contain a path"},
      {"http://a:", "the port must be"},
      {"http://a:65536", "the port must be"},
      {"http://a:-1", "the port must be"},
      {"http://a:99999999999999999999", "the port must be"},
      {"unix://", "the path of the socket"},
  };
  for (const auto& [text, why] : cases) {
    const Result<Url> url = ParseUrl(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(url.status().message().find("\"" + text + "\""), std::string::npos) << url.status();
    EXPECT_NE(url.status().message().find(why), std::string::npos) << url.status();
  }
}

TEST(Url, ControlCharactersAndLengthStayOutOfTheMessage) {
  const Result<Url> url = ParseUrl("http://a\x1b[31m:" + std::string(10000, 'x'));
  ASSERT_FALSE(url.ok());
  EXPECT_LT(url.status().message().size(), 400u);
  EXPECT_EQ(url.status().message().find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace cairn::membership
