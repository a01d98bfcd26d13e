// CHECK: a broken invariant of our own stops the process at once, in release builds too, with the
// expression, the place and the values. It is never the answer to bad input (that is a Status) or
// to a failed disk (that stops the replica, in order).
#pragma once

#include <sstream>
#include <string>

namespace cairn::base {

// Writes the message to stderr and aborts. Never returns.
[[noreturn]] void CheckFailed(const char* file, int line, const char* expression,
                              const std::string& detail);

template <class A, class B>
[[noreturn, gnu::noinline, gnu::cold]] void CheckOpFailed(const char* file, int line,
                                                          const char* expression, const A& a,
                                                          const B& b) {
  std::ostringstream os;
  os << "(" << a << " against " << b << ")";
  CheckFailed(file, line, expression, os.str());
}

template <class Op, class A, class B>
inline void CheckOp(Op holds, const A& a, const B& b, const char* file, int line,
                    const char* expression) {
  if (!holds(a, b)) [[unlikely]] {
    CheckOpFailed(file, line, expression, a, b);
  }
}

}  // namespace cairn::base

// The message is optional: CHECK(x), CHECK(x, "why it must hold").
#define CHECK(condition, ...)                                                               \
  do {                                                                                      \
    if (!(condition)) [[unlikely]]                                                          \
      ::cairn::base::CheckFailed(__FILE__, __LINE__, #condition, std::string(__VA_ARGS__)); \
  } while (false)

// One full expression, so that what `a` and `b` refer to lives until they have been compared and
// shown.
#define CAIRN_CHECK_OP(op, a, b)                                                                  \
  ::cairn::base::CheckOp([](const auto& x, const auto& y) { return x op y; }, (a), (b), __FILE__, \
                         __LINE__, #a " " #op " " #b)

#define CHECK_EQ(a, b) CAIRN_CHECK_OP(==, a, b)
#define CHECK_NE(a, b) CAIRN_CHECK_OP(!=, a, b)
#define CHECK_LT(a, b) CAIRN_CHECK_OP(<, a, b)
#define CHECK_LE(a, b) CAIRN_CHECK_OP(<=, a, b)
#define CHECK_GT(a, b) CAIRN_CHECK_OP(>, a, b)
#define CHECK_GE(a, b) CAIRN_CHECK_OP(>=, a, b)

// Costly checks: on in debug, sanitizer and simulation builds (CAIRN_EXPENSIVE_CHECKS).
#ifdef CAIRN_EXPENSIVE_CHECKS
inline constexpr bool kExpensiveChecks = true;
#else
inline constexpr bool kExpensiveChecks = false;
#endif
#define DCHECK(condition, ...)                                                     \
  do {                                                                             \
    if constexpr (::kExpensiveChecks) CHECK(condition __VA_OPT__(, ) __VA_ARGS__); \
  } while (false)
