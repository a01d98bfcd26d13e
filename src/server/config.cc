#include "src/server/config.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "src/server/text.h"

namespace cairn::server {
namespace {

constexpr int64_t kMaxElectionTimeoutMs = 50'000;
constexpr int64_t kElectionPerHeartbeat = 5;

Status Invalid(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

// Reads values one by one and keeps the first error, so that the caller reads like a list.
class Reader {
 public:
  explicit Reader(const FlagValues& values) : values_(values) {}

  const Status& status() const { return status_; }
  void Fail(std::string message) {
    if (status_.ok()) status_ = Invalid(std::move(message));
  }

  std::string Text(std::string_view flag) { return std::string(values_.Get(flag)); }
  bool Bool(std::string_view flag) { return ParseBool(values_.Get(flag)).value_or(false); }
  // Within [least, most].
  int64_t Integer(std::string_view flag, int64_t least, int64_t most) {
    const std::string_view text = values_.Get(flag);
    const std::optional<int64_t> value = ParseInteger(text);
    if (value && *value >= least && *value <= most) return *value;
    Fail("--" + std::string(flag) + "=" + Quoted(text) + " is out of range; give a number from " +
         std::to_string(least) + " to " + std::to_string(most));
    return least;
  }
  env::Duration NotNegative(std::string_view flag) {
    const std::string_view text = values_.Get(flag);
    const std::optional<env::Duration> value = ParseDuration(text);
    if (value && *value >= env::Duration(0)) return *value;
    Fail("--" + std::string(flag) + "=" + Quoted(text) +
         " is below zero; give a duration such as 20s");
    return env::Duration(0);
  }
  std::vector<Url> Urls(std::string_view flag) {
    auto urls = ParseUrls(values_.Get(flag));
    if (urls.ok()) return *std::move(urls);
    Fail("--" + std::string(flag) + ": " + urls.status().message());
    return {};
  }
  std::vector<Url> OptionalUrls(std::string_view flag) {
    return values_.Get(flag).empty() ? std::vector<Url>() : Urls(flag);
  }

 private:
  const FlagValues& values_;
  Status status_;
};

// Names need a resolver, which may answer differently at each start; etcd refuses them too.
void CheckListenUrls(std::string_view flag, const std::vector<Url>& urls, Reader* reader) {
  for (const Url& url : urls) {
    if (url.scheme == "unix" || url.host.empty() || url.host == "localhost") continue;
    if (url.host.find_first_not_of("0123456789.") == std::string::npos) continue;
    if (url.host.find(':') != std::string::npos) continue;
    reader->Fail("--" + std::string(flag) + ": " + Quoted(url.ToString()) +
                 " has a host name; give the IP address to listen on");
  }
}

void CheckAdvertisedUrls(std::string_view flag, const std::vector<Url>& urls, Reader* reader) {
  for (const Url& url : urls) {
    if (!url.host.empty()) continue;
    reader->Fail("--" + std::string(flag) + ": " + Quoted(url.ToString()) +
                 " has no host; give the one under which others reach this member");
  }
}

void ReadUrls(const FlagValues& values, Reader* reader, Config* config) {
  config->listen_peer_urls = reader->Urls("listen-peer-urls");
  config->listen_client_urls = reader->Urls("listen-client-urls");
  config->listen_metrics_urls = reader->OptionalUrls("listen-metrics-urls");
  for (Url& url : reader->OptionalUrls("listen-client-http-urls")) {
    config->listen_client_urls.push_back(std::move(url));
  }
  config->advertise_peer_urls = reader->Urls("initial-advertise-peer-urls");
  config->advertise_client_urls = reader->Urls("advertise-client-urls");
  CheckListenUrls("listen-peer-urls", config->listen_peer_urls, reader);
  CheckListenUrls("listen-client-urls", config->listen_client_urls, reader);
  CheckListenUrls("listen-metrics-urls", config->listen_metrics_urls, reader);
  CheckAdvertisedUrls("initial-advertise-peer-urls", config->advertise_peer_urls, reader);
  CheckAdvertisedUrls("advertise-client-urls", config->advertise_client_urls, reader);
  if (values.Given("listen-client-urls") && !values.Given("advertise-client-urls")) {
    reader->Fail(
        "--advertise-client-urls is missing: it must be given together with --listen-client-urls");
  }
}

// One URL for two members would make one of them hear the other's votes.
Status CheckNoSharedUrl(const std::vector<FirstMember>& members) {
  std::map<std::string, std::string> owner;
  for (const FirstMember& member : members) {
    for (const Url& url : member.peer_urls) {
      const auto [at, fresh] = owner.emplace(url.ToString(), member.name);
      if (!fresh) {
        return Invalid("--initial-cluster: " + Quoted(at->first) + " is given for both " +
                       Quoted(at->second) + " and " + Quoted(member.name) +
                       "; each member needs its own");
      }
    }
  }
  return OkStatus();
}

void ReadCluster(const FlagValues& values, Reader* reader, Config* config) {
  for (const std::string_view flag : {"discovery", "discovery-srv", "discovery-token"}) {
    if (values.Get(flag).empty()) continue;
    reader->Fail(
        std::string("--") + std::string(flag) +
        " cannot be used: there is no discovery; list the members in --initial-cluster instead");
  }
  config->initial_cluster_token = reader->Text("initial-cluster-token");
  const std::string state = reader->Text("initial-cluster-state");
  if (state != "new" && state != "existing") {
    reader->Fail("--initial-cluster-state=" + Quoted(state) + ": give new or existing");
  }
  config->initial_cluster_state_existing = state == "existing";
  config->initial_cluster_given = values.Given("initial-cluster");
  if (!reader->status().ok()) return;

  if (!config->initial_cluster_given) {
    config->initial_cluster = {{config->name, config->advertise_peer_urls}};
    return;
  }
  auto members = ParseInitialCluster(values.Get("initial-cluster"));
  if (!members.ok()) {
    reader->Fail(members.status().message());
    return;
  }
  config->initial_cluster = *std::move(members);
  const auto own = std::find_if(config->initial_cluster.begin(), config->initial_cluster.end(),
                                [config](const FirstMember& m) { return m.name == config->name; });
  if (own == config->initial_cluster.end()) {
    reader->Fail("--initial-cluster does not name this member: add " +
                 Quoted(config->name + "=" + Join(ToStrings(config->advertise_peer_urls), ",")) +
                 " or correct --name");
  } else if (!SamePlaces(own->peer_urls, config->advertise_peer_urls)) {
    reader->Fail("--initial-cluster has " + Quoted(Join(ToStrings(own->peer_urls), ",")) + " for " +
                 Quoted(config->name) + " but --initial-advertise-peer-urls has " +
                 Quoted(Join(ToStrings(config->advertise_peer_urls), ",")) + "; make them equal");
  }
}

void ReadTimes(Reader* reader, Config* config) {
  const int64_t heartbeat = reader->Integer("heartbeat-interval", 1, kMaxElectionTimeoutMs);
  const int64_t election = reader->Integer("election-timeout", 1, kMaxElectionTimeoutMs);
  if (election < kElectionPerHeartbeat * heartbeat) {
    reader->Fail("--election-timeout=" + std::to_string(election) +
                 " is too short: it must be at least " +
                 std::to_string(kElectionPerHeartbeat * heartbeat) + " ms, " +
                 std::to_string(kElectionPerHeartbeat) + " times --heartbeat-interval");
  }
  config->heartbeat_interval = env::milliseconds(heartbeat);
  config->election_timeout = env::milliseconds(election);
  config->pre_vote = reader->Bool("pre-vote");
  config->grpc_keepalive_min_time = reader->NotNegative("grpc-keepalive-min-time");
  config->grpc_keepalive_interval = reader->NotNegative("grpc-keepalive-interval");
  config->grpc_keepalive_timeout = reader->NotNegative("grpc-keepalive-timeout");
}

void ReadLimits(Reader* reader, Config* config) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  // Frames between members carry whole requests and are bounded at 64 MiB.
  constexpr int64_t kMostRequestBytes = 32 << 20;
  config->quota_backend_bytes = static_cast<uint64_t>(
      std::max<int64_t>(0, reader->Integer("quota-backend-bytes", -kMost, kMost)));
  config->max_txn_ops = static_cast<uint64_t>(reader->Integer("max-txn-ops", 1, 1'000'000));
  config->max_request_bytes =
      static_cast<uint64_t>(reader->Integer("max-request-bytes", 1, kMostRequestBytes));
  config->max_concurrent_streams = static_cast<uint32_t>(
      reader->Integer("max-concurrent-streams", 1, std::numeric_limits<uint32_t>::max()));
}

void ReadLog(const FlagValues& values, Reader* reader, Config* config) {
  const std::string level = reader->Text("log-level");
  if (level == "debug") {
    config->log.level = log::Level::kDebug;
  } else if (level == "info") {
    config->log.level = log::Level::kInfo;
  } else if (level == "warn") {
    config->log.level = log::Level::kWarn;
  } else if (level == "error" || level == "dpanic" || level == "panic" || level == "fatal") {
    config->log.level = log::Level::kError;
  } else {
    reader->Fail("--log-level=" + Quoted(level) + ": give debug, info, warn or error");
  }
  if (ParseBool(values.Get("debug")) == true) config->log.level = log::Level::kDebug;
  const std::string format = reader->Text("log-format");
  if (format != "json" && format != "console") {
    reader->Fail("--log-format=" + Quoted(format) + ": give json or console");
  }
  config->log.format = format == "console" ? LogFormat::kConsole : LogFormat::kJson;
  std::set<std::string, std::less<>> outputs;
  for (std::string_view output : Split(values.Get("log-outputs"), ',')) {
    output = Trim(output);
    if (output.empty()) {
      reader->Fail("--log-outputs has an empty entry; give stderr, stdout or paths of files");
    }
    // The journal reads stderr.
    if (output == "default" || output == "systemd/journal") output = "stderr";
    outputs.emplace(output);
  }
  config->log.outputs.assign(outputs.begin(), outputs.end());
}

}  // namespace

Result<std::vector<FirstMember>> ParseInitialCluster(std::string_view text) {
  std::map<std::string, std::vector<Url>, std::less<>> urls_of;
  for (std::string_view entry : Split(text, ',')) {
    entry = Trim(entry);
    const size_t equals = entry.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == entry.size()) {
      return Invalid(
          "--initial-cluster: " + Quoted(entry) +
          " is no name=peer-url; write it as in m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380");
    }
    auto url = ParseUrl(Trim(entry.substr(equals + 1)));
    if (!url.ok()) return Invalid("--initial-cluster: " + url.status().message());
    std::vector<Url>& urls = urls_of[std::string(Trim(entry.substr(0, equals)))];
    if (std::find(urls.begin(), urls.end(), *url) != urls.end()) {
      return Invalid("--initial-cluster: " + Quoted(entry) + " is given twice; remove one");
    }
    urls.push_back(*std::move(url));
  }
  std::vector<FirstMember> members;
  for (auto& [name, urls] : urls_of) {
    std::sort(urls.begin(), urls.end(),
              [](const Url& a, const Url& b) { return a.ToString() < b.ToString(); });
    members.push_back({name, std::move(urls)});
  }
  if (Status s = CheckNoSharedUrl(members); !s.ok()) return s;
  return members;
}

std::string ToString(std::span<const FirstMember> members) {
  std::vector<std::string> entries;
  for (const FirstMember& member : members) {
    for (const Url& url : member.peer_urls) entries.push_back(member.name + "=" + url.ToString());
  }
  return Join(entries, ",");
}

Result<Config> MakeConfig(const FlagValues& values) {
  Config config;
  Reader reader(values);
  config.warnings = values.warnings;
  config.name = reader.Text("name");
  config.name_given = values.Given("name");
  if (config.name.empty()) reader.Fail("--name is empty; give each member its own name");
  if (config.name.find_first_of(",=") != std::string::npos) {
    reader.Fail("--name=" + Quoted(config.name) + " has a comma or an equals sign; leave them out");
  }
  const std::string proxy = reader.Text("proxy");
  if (proxy != "off") {
    reader.Fail("--proxy=" + Quoted(proxy) + " cannot be used: there is no proxy mode; remove it");
  }
  config.data_dir = reader.Text("data-dir");
  if (config.data_dir.empty()) {
    config.data_dir = config.name + ".etcd";
    config.warnings.push_back("--data-dir is not given, using " + Quoted(config.data_dir));
  }
  config.wal_dir = reader.Text("wal-dir");
  if (config.wal_dir.empty()) config.wal_dir = config.data_dir + "/member/wal";
  ReadUrls(values, &reader, &config);
  ReadCluster(values, &reader, &config);
  ReadTimes(&reader, &config);
  ReadLimits(&reader, &config);
  ReadLog(values, &reader, &config);
  if (!reader.status().ok()) return reader.status();
  return config;
}

}  // namespace cairn::server
