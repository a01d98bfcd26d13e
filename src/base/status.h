// Status and Result: the channel for what is expected to go wrong. Codes are gRPC's canonical ones,
// so that an error made deep in the store leaves through the front end unchanged.
//
// Definite failure and unknown outcome are different things: a Status whose `outcome_unknown()` is
// true says that the request may yet take effect; every other error says that it did not and will
// not.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "src/base/check.h"

namespace cairn {

enum class StatusCode : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  // An error after which the request may still take effect.
  static Status OutcomeUnknown(StatusCode code, std::string message) {
    Status s(code, std::move(message));
    s.outcome_unknown_ = true;
    return s;
  }

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }
  bool outcome_unknown() const { return outcome_unknown_; }
  // "NotFound: no such file", for logs.
  std::string ToString() const;

  friend bool operator==(const Status&, const Status&) = default;
  friend std::ostream& operator<<(std::ostream& os, const Status& s) { return os << s.ToString(); }

 private:
  StatusCode code_ = StatusCode::kOk;
  bool outcome_unknown_ = false;
  std::string message_;
};

inline Status OkStatus() { return {}; }

// A value or the Status that says why there is none. Asking the wrong one is a broken invariant.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: meant to be implicit
  Result(Status status) : v_(std::in_place_index<1>, std::move(status)) {  // NOLINT: likewise
    CHECK(!std::get<1>(v_).ok(), "a Result made from a Status needs an error");
  }

  bool ok() const { return v_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    CHECK(ok(), status().ToString());
    return std::get<0>(v_);
  }
  const T& value() const& {
    CHECK(ok(), status().ToString());
    return std::get<0>(v_);
  }
  T&& value() && {
    CHECK(ok(), status().ToString());
    return std::get<0>(std::move(v_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Status status() const { return ok() ? OkStatus() : std::get<1>(v_); }

 private:
  std::variant<T, Status> v_;
};

}  // namespace cairn
