#include "src/cli/command_line.h"

#include <string_view>
#include <utility>

#include "src/server/flags.h"
#include "src/server/text.h"

namespace cairn::cli {
namespace {

constexpr std::string_view kUsage =
    "usage: cairn COMMAND\n"
    "\n"
    "  server [flags]   run a member of a cluster (flags, environment and file as etcd's)\n"
    "  help server      the server's flags\n"
    "  version          the version (also --version)\n"
    "\n"
    "Installed under the name etcd it takes the server's flags directly.\n";

constexpr std::string_view kServerUsage =
    "usage: cairn server [flags]\n"
    "\n"
    "Runs one member until SIGTERM or SIGINT. Each flag is also a variable of the environment\n"
    "(--data-dir is ETCD_DATA_DIR; flags win) and a key of the file given with --config-file.\n";

constexpr std::string_view kVersion = "cairn " CAIRN_VERSION "\n";

Request Print(std::string_view text) { return {Action::kPrint, std::string(text), {}}; }

Request PrintServerHelp() { return Print(std::string(kServerUsage) + server::FlagHelp()); }

// The file's values instead of the flags', if a file is given.
Result<server::FlagValues> FollowConfigFile(server::FlagValues values, env::FileSystem& files) {
  const std::string path(values.Get("config-file"));
  if (path.empty()) return values;
  auto text = ReadWholeFile(files, path);
  if (!text.ok()) {
    return Status(
        StatusCode::kInvalidArgument,
        "--config-file: cannot read " + server::Quoted(path) + ": " + text.status().message());
  }
  auto from_file = server::ReadConfigFile(*text, path);
  if (from_file.ok() && values.given.size() > 1) {
    from_file->warnings.emplace_back(
        "--config-file is given, so all other flags and variables are ignored");
  }
  return from_file;
}

Result<Request> ReadServer(std::span<const std::string> flags, server::Environment environment,
                           env::FileSystem& files) {
  auto values = server::ReadFlags(flags, environment);
  if (!values.ok()) return values.status();
  if (values->help) return PrintServerHelp();
  if (values->version) return Print(kVersion);
  values = FollowConfigFile(*std::move(values), files);
  if (!values.ok()) return values.status();
  auto config = server::MakeConfig(*values);
  if (!config.ok()) return config.status();
  return Request{Action::kServe, "", *std::move(config)};
}

}  // namespace

Result<Request> ReadCommandLine(std::span<const std::string> arguments,
                                server::Environment environment, env::FileSystem& files) {
  const std::string_view program = arguments.empty() ? std::string_view() : arguments.front();
  const std::span<const std::string> rest = arguments.subspan(arguments.empty() ? 0 : 1);
  if (program.substr(program.rfind('/') + 1) == "etcd") return ReadServer(rest, environment, files);

  if (rest.empty()) return Print(kUsage);
  const std::string_view command = rest.front();
  if (command == "server") return ReadServer(rest.subspan(1), environment, files);
  if (command == "version" || command == "--version" || command == "-version")
    return Print(kVersion);
  if (command == "help" || command == "--help" || command == "-h" || command == "-help") {
    return rest.size() > 1 && rest[1] == "server" ? PrintServerHelp() : Print(kUsage);
  }
  return Status(StatusCode::kInvalidArgument,
                "no command " + server::Quoted(command) + "; see `cairn help`");
}

}  // namespace cairn::cli
