// History: what clients asked and what they were told, in one order of moments. Two operations of
// which neither ended before the other began are concurrent; an operation whose outcome stayed
// unknown never ends.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::sim {

// A value written by a client: unique in a run, from 1. 0: the key is not there.
using Value = uint64_t;

// How values stand in the store and in log entries: a form that is found again within other bytes.
std::string ValueText(Value value);
// 0 when the text is no such value.
Value ParseValue(std::string_view text);
// Every value that stands somewhere in `bytes`.
std::vector<Value> FindValues(std::string_view bytes);

enum class OpKind : uint8_t {
  kPut,  // writes `argument`
  kGet,  // reads
  kDelete,
  kSwap,   // transaction: if the value is `expected`, write `argument`, else read
  kRange,  // reads several keys at one moment
};
std::string_view OpName(OpKind kind);

enum class Outcome : uint8_t {
  kOpen,  // nothing heard (yet)
  kOk,
  kFailed,   // definitely not done, and never will be
  kUnknown,  // may be done, or may yet be
};

// What a read found of one key.
struct Found {
  Value value = 0;
  int64_t mod_revision = 0;
  int64_t version = 0;
};

inline constexpr uint64_t kNever = UINT64_MAX;

struct Operation {
  size_t client = 0;
  size_t member = 0;  // that was asked
  OpKind kind = OpKind::kGet;
  std::string key;  // kRange: the first
  std::string range_end;
  Value argument = 0;
  Value expected = 0;
  uint64_t invoked = 0;
  uint64_t returned = kNever;
  Outcome outcome = Outcome::kOpen;
  std::string error;
  // ---- kOk only ----
  int64_t revision = 0;    // the answer's header
  bool succeeded = false;  // kSwap: it wrote; kDelete: the key was there
  std::map<std::string, Found>
      found;  // kGet, kRange, kSwap that did not write: keys that are there

  bool writes() const {
    return kind == OpKind::kPut || kind == OpKind::kDelete || kind == OpKind::kSwap;
  }
  // "client 2: put k3 = 17 -> ok, revision 9"
  std::string ToString() const;
};

class History {
 public:
  // The operation's number; the moment is taken now.
  size_t Invoke(Operation operation);
  Operation& at(size_t number) { return operations_[number]; }
  void Return(size_t number, Outcome outcome);

  const std::vector<Operation>& operations() const { return operations_; }
  size_t count(Outcome outcome) const;

 private:
  uint64_t moment_ = 0;
  std::vector<Operation> operations_;
};

}  // namespace cairn::sim
