#include "src/membership/cluster.h"

#include <gtest/gtest.h>

#include "src/mvcc/store_harness.h"

namespace cairn::membership {
namespace {

Member Named(uint64_t id, std::string name) {
  return {NodeId(id), std::move(name), {"http://m" + std::to_string(id) + ":2380"}, {}, false};
}

TEST(Cluster, FirstMembersInOrderOfIdWithoutNames) {
  mvcc::StoreHarness store(1);
  const Cluster cluster(ClusterId(7), store.store(),
                        {Named(9, "b"), Named(0xf, "c"), Named(2, "a")});
  EXPECT_EQ(cluster.id(), ClusterId(7));
  EXPECT_EQ(cluster.Members(), (std::vector<Member>{Named(2, ""), Named(9, ""), Named(0xf, "")}));
  EXPECT_EQ(cluster.Find(NodeId(9)), Named(9, ""));
  EXPECT_EQ(cluster.Find(NodeId(3)), std::nullopt);
}

TEST(Cluster, RecordsCountInsteadOfTheFirstMembersAndOutliveARestart) {
  mvcc::StoreHarness store(1);
  const std::vector<Member> first = {Named(1, "a"), Named(0x8e9e05c52164694d, "b")};
  Member published = Named(0x8e9e05c52164694d, "renamed");
  published.client_urls = {"http://c:2379"};
  {
    mvcc::WriteTxn& txn = store.store().Begin(store.next());
    Cluster::Save(txn, published);
    Cluster::Save(txn, Named(3, "later"));
    txn.Commit();
  }
  const std::vector<Member> expected = {Named(1, ""), Named(3, "later"), published};
  EXPECT_EQ(Cluster(ClusterId(7), store.store(), first).Members(), expected);
  store.FlushAll();
  store.Restart();
  const Cluster cluster(ClusterId(7), store.store(), first);
  EXPECT_EQ(cluster.Members(), expected);
  EXPECT_EQ(cluster.Find(published.id), published);
  // The members are no keys, and no revision is spent on them.
  EXPECT_EQ(store.store().revision(), 1);
}

}  // namespace
}  // namespace cairn::membership
