#include "src/http/grpc.h"

#include <gtest/gtest.h>

namespace cairn::http {
namespace {

using env::Duration;

TEST(Grpc, TimeoutsInEveryUnit) {
  EXPECT_EQ(ParseGrpcTimeout("2H"), Duration(7'200'000'000'000));
  EXPECT_EQ(ParseGrpcTimeout("3M"), Duration(180'000'000'000));
  EXPECT_EQ(ParseGrpcTimeout("5S"), Duration(5'000'000'000));
  EXPECT_EQ(ParseGrpcTimeout("100m"), Duration(100'000'000));
  EXPECT_EQ(ParseGrpcTimeout("7u"), Duration(7'000));
  EXPECT_EQ(ParseGrpcTimeout("9n"), Duration(9));
  EXPECT_EQ(ParseGrpcTimeout("0n"), Duration(0));
  // The longest is cut to something that still adds to a time.
  ASSERT_TRUE(ParseGrpcTimeout("99999999H").has_value());
  EXPECT_GT(*ParseGrpcTimeout("99999999H"), std::chrono::hours(24 * 365));
  EXPECT_GT((env::Time{std::chrono::hours(1)} + *ParseGrpcTimeout("99999999H")).since_start.count(),
            0);
}

TEST(Grpc, MalformedTimeouts) {
  for (const char* bad : {"", "S", "5", "5s", "5 S", "-5S", "123456789S", "1.5S", "0x1S", "5SS"}) {
    EXPECT_FALSE(ParseGrpcTimeout(bad).has_value()) << bad;
  }
}

TEST(Grpc, FormattedTimeoutsParseToNoLess) {
  for (const int64_t nanos : {int64_t{1}, int64_t{99'999'999}, int64_t{100'000'001},
                              int64_t{5'000'000'000}, int64_t{123'456'789'012'345}}) {
    const std::string text = FormatGrpcTimeout(Duration(nanos));
    const auto parsed = ParseGrpcTimeout(text);
    ASSERT_TRUE(parsed.has_value()) << text;
    EXPECT_GE(parsed->count(), nanos) << text;
    EXPECT_LE(parsed->count(), nanos + nanos / 1000) << text;
  }
}

TEST(Grpc, MessagesArePercentEncoded) {
  EXPECT_EQ(EncodeGrpcMessage("etcdserver: key is not provided"),
            "etcdserver: key is not provided");
  EXPECT_EQ(EncodeGrpcMessage("100% \n\xc3\xa9"), "100%25 %0A%C3%A9");
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  EXPECT_EQ(DecodeGrpcMessage(EncodeGrpcMessage(all)), all);
  EXPECT_EQ(DecodeGrpcMessage("%"), "%");
  EXPECT_EQ(DecodeGrpcMessage("%4"), "%4");
  EXPECT_EQ(DecodeGrpcMessage("%zz%41"), "%zzA");
}

TEST(Grpc, ContentTypes) {
  EXPECT_TRUE(IsGrpcContentType("application/grpc"));
  EXPECT_TRUE(IsGrpcContentType("application/grpc+proto"));
  EXPECT_TRUE(IsGrpcContentType("application/grpc; charset=utf-8"));
  EXPECT_FALSE(IsGrpcContentType("application/grpc-web"));
  EXPECT_FALSE(IsGrpcContentType("application/json"));
  EXPECT_FALSE(IsGrpcContentType(""));
}

TEST(Grpc, StatusCodesAsText) {
  for (int code = 0; code <= 16; ++code) {
    EXPECT_EQ(StatusCodeText(static_cast<StatusCode>(code)), std::to_string(code));
    EXPECT_EQ(ParseStatusCode(std::to_string(code)), static_cast<StatusCode>(code));
  }
  EXPECT_EQ(ParseStatusCode("17"), StatusCode::kUnknown);
  EXPECT_EQ(ParseStatusCode(""), StatusCode::kUnknown);
  EXPECT_EQ(ParseStatusCode("-1"), StatusCode::kUnknown);
}

}  // namespace
}  // namespace cairn::http
