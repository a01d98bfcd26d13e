#include "src/membership/member.h"

#include <gtest/gtest.h>

namespace cairn::membership {
namespace {

TEST(MemberId, AsEtcdComputesThem) {
  const NodeId id = MemberId({"https://localhost:20001"}, "new");
  EXPECT_EQ(MakeClusterId({id}), ClusterId(0x34c21a2d427db393));
  // etcd's own defaults: one member at localhost:2380 and the token "etcd-cluster".
  const NodeId first = MemberId({"http://localhost:2380"}, "etcd-cluster");
  EXPECT_EQ(first, NodeId(0x8e9e05c52164694d));
  EXPECT_EQ(MakeClusterId({first}), ClusterId(0xcdf818194e3a8c32));
}

TEST(MemberId, OrderDoesNotCount) {
  EXPECT_EQ(MemberId({"http://a:1", "http://b:1"}, "t"),
            MemberId({"http://b:1", "http://a:1"}, "t"));
  EXPECT_EQ(MakeClusterId({NodeId(1), NodeId(2)}), MakeClusterId({NodeId(2), NodeId(1)}));
}

TEST(MemberId, TokenAndTimeCount) {
  const std::vector<std::string> urls = {"http://a:1"};
  EXPECT_NE(MemberId(urls, "t"), MemberId(urls, "u"));
  EXPECT_NE(MemberId(urls, "t"), MemberId(urls, "t", 1700000000));
  EXPECT_EQ(MemberId(urls, "t", 1700000000), MemberId(urls, "t1700000000"));
}

TEST(MemberRecord, RoundTripAndDamage) {
  Member member{
      NodeId(0xfedcba9876543210), "m1", {"http://a:1", "http://b:1"}, {"http://c:1"}, true};
  const std::string record = EncodeMember(member);
  const Result<Member> back = DecodeMember(record);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, member);
  for (size_t cut = 0; cut < record.size(); ++cut) {
    EXPECT_EQ(DecodeMember(record.substr(0, cut)).status().code(), StatusCode::kDataLoss);
  }
  EXPECT_FALSE(DecodeMember(record + "x").ok());
  EXPECT_FALSE(DecodeMember("\x02" + record.substr(1)).ok());
}

}  // namespace
}  // namespace cairn::membership
