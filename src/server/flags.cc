#include "src/server/flags.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "src/server/text.h"

namespace cairn::server {
namespace {

constexpr std::string_view kPrefix = "ETCD_";

Status Invalid(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

std::string_view KindName(FlagKind kind) {
  switch (kind) {
    case FlagKind::kText:
      return "text";
    case FlagKind::kBool:
      return "true or false";
    case FlagKind::kInteger:
      return "a whole number";
    case FlagKind::kDuration:
      return "a duration such as 500ms, 10s or 2h";
  }
  return "";
}

bool Fits(FlagKind kind, std::string_view value) {
  switch (kind) {
    case FlagKind::kText:
      return true;
    case FlagKind::kBool:
      return ParseBool(value).has_value();
    case FlagKind::kInteger:
      return ParseInteger(value).has_value();
    case FlagKind::kDuration:
      return ParseDuration(value).has_value();
  }
  return false;
}

bool SameValue(const FlagSpec& flag, std::string_view value) {
  if (flag.kind == FlagKind::kBool) return ParseBool(value) == ParseBool(flag.fallback);
  return value.empty() || value == flag.fallback;
}

// Takes `value` for `flag`; `shown` is how the user wrote the name.
Status Take(const FlagSpec& flag, const std::string& shown, std::string_view value,
            FlagValues* into) {
  if (!Fits(flag.kind, value)) {
    return Invalid(shown + "=" + Quoted(value) + " is not " + std::string(KindName(flag.kind)));
  }
  if (flag.effect == FlagEffect::kRefused && !SameValue(flag, value)) {
    return Invalid(shown + "=" + Quoted(value) +
                   " is refused, since ignoring it would weaken security: " +
                   std::string(flag.help) + "; remove it");
  }
  into->given.insert_or_assign(std::string(flag.name), std::string(value));
  return OkStatus();
}

// The command line alone.
Status ReadArguments(std::span<const std::string> arguments, FlagValues* values) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    std::string_view name = argument;
    if (!name.starts_with('-') || name == "-" || name == "--") {
      return Invalid(Quoted(argument) +
                     " is not a flag; flags begin with --, see `cairn help server`");
    }
    name.remove_prefix(name.starts_with("--") ? 2 : 1);
    const size_t equals = name.find('=');
    const bool has_value = equals != std::string_view::npos;
    std::string_view value = has_value ? name.substr(equals + 1) : std::string_view();
    name = name.substr(0, equals);
    if (name == "help" || name == "h") {
      values->help = true;
      continue;
    }
    if (name == "version") {
      values->version = true;
      continue;
    }
    const FlagSpec* flag = FindFlag(name);
    if (flag == nullptr) {
      return Invalid("unknown flag " + Quoted(argument) + "; see `cairn help server`");
    }
    const std::string shown = "--" + std::string(name);
    if (!has_value) {
      if (flag->kind == FlagKind::kBool) {
        value = "true";
      } else if (++i < arguments.size()) {
        value = arguments[i];
      } else {
        return Invalid(shown + " needs a value: " + std::string(KindName(flag->kind)));
      }
    }
    if (Status s = Take(*flag, shown, value, values); !s.ok()) return s;
  }
  return OkStatus();
}

// Adds what the environment says and the command line does not.
Status ReadEnvironment(Environment environment, FlagValues* values) {
  std::map<std::string, std::string, std::less<>> ours;
  for (const std::string& variable : environment) {
    if (!variable.starts_with(kPrefix)) continue;
    const size_t equals = variable.find('=');
    if (equals == std::string::npos) continue;
    ours.insert_or_assign(variable.substr(0, equals), variable.substr(equals + 1));
  }
  for (const FlagSpec& flag : AllFlags()) {
    auto found = ours.extract(EnvironmentName(flag.name));
    // Set but empty counts as not set.
    if (found.empty() || found.mapped().empty()) continue;
    if (values->Given(flag.name)) {
      values->warnings.push_back("environment variable " + found.key() + " is ignored: --" +
                                 std::string(flag.name) + " is given");
      continue;
    }
    if (Status s = Take(flag, found.key(), found.mapped(), values); !s.ok()) return s;
  }
  for (const auto& [name, value] : ours) {
    if (value.empty()) continue;
    values->warnings.push_back("environment variable " + name + " is unknown and ignored");
  }
  return OkStatus();
}

void WarnOfNoEffect(FlagValues* values) {
  for (const auto& [name, value] : values->given) {
    const FlagSpec* flag = FindFlag(name);
    if (flag->effect != FlagEffect::kNoEffect) continue;
    values->warnings.push_back("--" + name + " has no effect: " + std::string(flag->help));
  }
}

// Which flag a key below `section` stands for; nullptr when none.
const FlagSpec* FlagOfKey(std::string_view section, const std::string& key) {
  if (section.empty()) return FindFlag(key);
  static const std::set<std::string, std::less<>> kTransportKeys = {"cert-file",
                                                                    "key-file",
                                                                    "client-cert-file",
                                                                    "client-key-file",
                                                                    "client-cert-auth",
                                                                    "trusted-ca-file",
                                                                    "auto-tls",
                                                                    "crl-file",
                                                                    "allowed-cn",
                                                                    "allowed-hostname",
                                                                    "skip-client-san-verification"};
  if (!kTransportKeys.contains(key)) return nullptr;
  if (section == "peer-transport-security") {
    if (key == "allowed-cn" || key == "allowed-hostname") return FindFlag("peer-cert-" + key);
    return FindFlag("peer-" + key);
  }
  if (key == "crl-file") return FindFlag("client-crl-file");
  if (key == "allowed-hostname") return FindFlag("client-cert-allowed-hostname");
  return FindFlag(key);
}

// A list stands for its items with commas between, as log-outputs and cors are written.
Result<std::string> ScalarOf(const YAML::Node& node, const std::string& what) {
  if (node.IsNull()) return std::string();
  if (node.IsScalar()) return node.Scalar();
  if (!node.IsSequence()) return Invalid(what + " needs a single value");
  std::string joined;
  for (const YAML::Node& item : node) {
    if (!item.IsScalar()) return Invalid(what + " needs a list of single values");
    if (!joined.empty()) joined += ',';
    joined += item.Scalar();
  }
  return joined;
}

Status ReadSection(const YAML::Node& section, std::string_view section_name, std::string_view path,
                   FlagValues* values) {
  for (const auto& item : section) {
    const std::string key = item.first.Scalar();
    const std::string shown = std::string(path) + ": " +
                              (section_name.empty() ? "" : std::string(section_name) + ".") + key;
    if (section_name.empty() &&
        (key == "client-transport-security" || key == "peer-transport-security")) {
      if (item.second.IsNull()) continue;
      if (!item.second.IsMap()) return Invalid(shown + " needs keys and values");
      if (Status s = ReadSection(item.second, key, path, values); !s.ok()) return s;
      continue;
    }
    const FlagSpec* flag = FlagOfKey(section_name, key);
    if (flag == nullptr) {
      values->warnings.push_back(shown + " is unknown and ignored");
      continue;
    }
    auto value = ScalarOf(item.second, shown);
    if (!value.ok()) return value.status();
    if (value->empty()) continue;
    // etcd reads durations of the file as nanoseconds.
    if (flag->kind == FlagKind::kDuration && ParseInteger(*value).has_value()) *value += "ns";
    if (Status s = Take(*flag, shown, *value, values); !s.ok()) return s;
  }
  return OkStatus();
}

}  // namespace

std::string EnvironmentName(std::string_view flag) {
  std::string name(kPrefix);
  for (const char c : flag) {
    name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return name;
}

std::string_view FlagValues::Get(std::string_view name) const {
  const auto found = given.find(name);
  if (found != given.end()) return found->second;
  const FlagSpec* flag = FindFlag(name);
  CHECK(flag != nullptr, "no such flag: " + std::string(name));
  return flag->fallback;
}

Result<FlagValues> ReadFlags(std::span<const std::string> arguments, Environment environment) {
  FlagValues values;
  if (Status s = ReadArguments(arguments, &values); !s.ok()) return s;
  if (values.help || values.version) return values;
  if (Status s = ReadEnvironment(environment, &values); !s.ok()) return s;
  WarnOfNoEffect(&values);
  return values;
}

Result<FlagValues> ReadConfigFile(std::string_view text, std::string_view path) {
  FlagValues values;
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (!root.IsMap()) return Invalid(std::string(path) + ": no keys and values in it");
    if (Status s = ReadSection(root, "", path, &values); !s.ok()) return s;
  } catch (const YAML::Exception& e) {
    std::string why = e.what();
    std::replace(why.begin(), why.end(), '\n', ' ');
    return Invalid(std::string(path) + " is not valid YAML: " + why);
  }
  WarnOfNoEffect(&values);
  return values;
}

std::string FlagHelp() {
  std::string text;
  const auto section = [&text](std::string_view title, FlagEffect effect) {
    text += '\n';
    text += title;
    text += '\n';
    for (const FlagSpec& flag : AllFlags()) {
      if (flag.effect != effect) continue;
      text += "  --";
      text += flag.name;
      if (!flag.fallback.empty()) {
        text += "=";
        text += flag.fallback;
      }
      text += "\n        ";
      text += flag.help;
      text += '\n';
    }
  };
  section("Flags, with their defaults:", FlagEffect::kEffective);
  section("Refused unless left at their defaults, since ignoring them would weaken security:",
          FlagEffect::kRefused);
  section("Accepted for compatibility, with a warning and without effect:", FlagEffect::kNoEffect);
  return text;
}

}  // namespace cairn::server
