// Flags: etcd's command line, environment and configuration file, read by etcd's rules.
//
// A table-driven reader of our own, because Go's flag syntax is not what C++ libraries read: one
// dash or two, the value after '=' or as the next argument, booleans bare or `=false` but never
// with a separate value, a flag given twice takes its last value, and a word that is no flag ends
// the flags.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/status.h"

namespace cairn::server {

enum class FlagKind : uint8_t { kText, kBool, kInteger, kDuration };

enum class FlagEffect : uint8_t {
  kEffective,
  kNoEffect,  // accepted, and one warning says that it does nothing here
  // Accepted with its default only: who sets it relies on a protection that is not there.
  kRefused,
};

struct FlagSpec {
  std::string_view name;
  FlagKind kind = FlagKind::kText;
  std::string_view fallback;  // the default
  FlagEffect effect = FlagEffect::kNoEffect;
  // What it does, why it has no effect, or what is missing.
  std::string_view help;
};

// Every flag, in order of name.
std::span<const FlagSpec> AllFlags();
const FlagSpec* FindFlag(std::string_view name);

// "ETCD_INITIAL_CLUSTER" for "initial-cluster".
std::string EnvironmentName(std::string_view flag);

// What was given, by flag name. Values are checked against their kind already.
struct FlagValues {
  std::map<std::string, std::string, std::less<>> given;
  std::vector<std::string> warnings;
  bool help = false;
  bool version = false;

  bool Given(std::string_view name) const { return given.contains(name); }
  // What was given, else the default.
  std::string_view Get(std::string_view name) const;
};

// One variable of the environment, as main() gets it: "NAME=value".
using Environment = std::span<const std::string>;

// `arguments` without the program's name. Flags win over the environment. InvalidArgument with one
// line that says what to do.
Result<FlagValues> ReadFlags(std::span<const std::string> arguments, Environment environment);

// The text of a configuration file (YAML, etcd's keys). With a file nothing else counts, as in
// etcd: the result has only the file's values. `path` is for messages.
Result<FlagValues> ReadConfigFile(std::string_view text, std::string_view path);

// For `cairn help server`.
std::string FlagHelp();

}  // namespace cairn::server
