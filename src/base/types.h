// Strong integer types of the whole project. None converts to another, or from a bare integer,
// without being told to: a term passed where an index is wanted does not compile.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ostream>

namespace cairn {

// An integer with a meaning. `Tag` makes each instantiation a type of its own; `value` is the one
// way out. Ordered and hashable; arithmetic is given only to those that count (see LogIndex).
template <class Tag, class Rep = uint64_t>
struct StrongInt {
  Rep value = 0;

  constexpr StrongInt() = default;
  constexpr explicit StrongInt(Rep v) : value(v) {}
  friend constexpr auto operator<=>(const StrongInt&, const StrongInt&) = default;
  friend std::ostream& operator<<(std::ostream& os, const StrongInt& v) { return os << v.value; }

  template <class H>
  friend H AbslHashValue(H h, const StrongInt& v) {
    return H::combine(std::move(h), v.value);
  }
};

// A Raft term. 0 is "before any election"; it only ever grows.
struct Term : StrongInt<Term> {
  using StrongInt::StrongInt;
  constexpr Term Next() const { return Term(value + 1); }
};

// The position of an entry in one group's log. The first entry is 1; 0 stands before the first.
struct LogIndex : StrongInt<LogIndex> {
  using StrongInt::StrongInt;
  constexpr LogIndex Next() const { return LogIndex(value + 1); }
  constexpr LogIndex Prev() const { return LogIndex(value - 1); }
  constexpr LogIndex operator+(uint64_t n) const { return LogIndex(value + n); }
  constexpr LogIndex operator-(uint64_t n) const { return LogIndex(value - n); }
  // How many steps `other` stands before this one; the caller knows that other <= *this.
  constexpr uint64_t operator-(LogIndex other) const { return value - other.value; }
};

// A member of a group as the core sees it: etcd's member id. 0 is nobody.
struct NodeId : StrongInt<NodeId> {
  using StrongInt::StrongInt;
};

// One Raft group of a process. The first (today the only) group is 1.
struct GroupId : StrongInt<GroupId> {
  using StrongInt::StrongInt;
};

// The cluster's id, computed from its first members as etcd does.
struct ClusterId : StrongInt<ClusterId> {
  using StrongInt::StrongInt;
};

inline constexpr NodeId kNobody{};
inline constexpr GroupId kFirstGroup{1};

}  // namespace cairn

template <>
struct std::hash<cairn::Term> {
  size_t operator()(cairn::Term v) const noexcept { return std::hash<uint64_t>{}(v.value); }
};
template <>
struct std::hash<cairn::LogIndex> {
  size_t operator()(cairn::LogIndex v) const noexcept { return std::hash<uint64_t>{}(v.value); }
};
template <>
struct std::hash<cairn::NodeId> {
  size_t operator()(cairn::NodeId v) const noexcept { return std::hash<uint64_t>{}(v.value); }
};
template <>
struct std::hash<cairn::GroupId> {
  size_t operator()(cairn::GroupId v) const noexcept { return std::hash<uint64_t>{}(v.value); }
};
