#include "src/base/types.h"

#include <gtest/gtest.h>

#include <sstream>
#include <type_traits>
#include <unordered_set>

namespace cairn {
namespace {

// What must not compile: a number, or another of the types, where one of them is wanted.
static_assert(!std::is_convertible_v<uint64_t, Term>);
static_assert(!std::is_convertible_v<Term, uint64_t>);
static_assert(!std::is_convertible_v<Term, LogIndex>);
static_assert(!std::is_constructible_v<LogIndex, Term>);
static_assert(!std::is_constructible_v<NodeId, GroupId>);

TEST(TypesTest, OrderAndSteps) {
  EXPECT_LT(Term(1), Term(2));
  EXPECT_EQ(Term(1).Next(), Term(2));
  EXPECT_EQ(LogIndex(5).Next(), LogIndex(6));
  EXPECT_EQ(LogIndex(5).Prev(), LogIndex(4));
  EXPECT_EQ(LogIndex(5) + 3, LogIndex(8));
  EXPECT_EQ(LogIndex(5) - 3, LogIndex(2));
  EXPECT_EQ(LogIndex(5) - LogIndex(3), 2u);
  EXPECT_EQ(kNobody, NodeId(0));
}

TEST(TypesTest, AreHashedAndShownByValue) {
  std::unordered_set<NodeId> nodes{NodeId(1), NodeId(2), NodeId(1)};
  EXPECT_EQ(nodes.size(), 2u);
  std::ostringstream os;
  os << LogIndex(17);
  EXPECT_EQ(os.str(), "17");
}

}  // namespace
}  // namespace cairn
