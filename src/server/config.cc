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

using Urls = std::vector<membership::Url>;

Status Invalid(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

bool ByText(const membership::Url& a, const membership::Url& b) { return a.text < b.text; }

// A URL without TLS: to ignore its 's' would send in the clear what was meant to be secret.
Result<membership::Url> ParsePlainUrl(std::string_view text) {
  auto url = membership::ParseUrl(text);
  if (url.ok() && url->tls()) {
    return Invalid(Quoted(url->text) +
                   " asks for TLS, which there is not yet; use http:// or unix://");
  }
  return url;
}

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
  // Sorted by their texts.
  Urls ReadUrls(std::string_view flag) {
    Urls urls;
    for (const std::string_view text : Split(values_.Get(flag), ',')) {
      auto url = ParsePlainUrl(text);
      if (!url.ok()) {
        Fail("--" + std::string(flag) + ": " + url.status().message());
        return {};
      }
      urls.push_back(*std::move(url));
    }
    std::sort(urls.begin(), urls.end(), ByText);
    const auto twice = std::adjacent_find(urls.begin(), urls.end());
    if (twice != urls.end()) {
      Fail("--" + std::string(flag) + ": " + Quoted(twice->text) + " is given twice; remove one");
    }
    return urls;
  }
  Urls ReadOptionalUrls(std::string_view flag) {
    return values_.Get(flag).empty() ? Urls() : ReadUrls(flag);
  }

 private:
  const FlagValues& values_;
  Status status_;
};

// Names need a resolver, which may answer differently at each start; etcd refuses them too.
void CheckListenUrls(std::string_view flag, const Urls& urls, Reader* reader) {
  for (const membership::Url& url : urls) {
    if (url.scheme == membership::Scheme::kUnix || url.host == "localhost") continue;
    if (url.host.find_first_not_of("0123456789.") == std::string::npos) continue;
    if (url.host.find(':') != std::string::npos) continue;
    reader->Fail("--" + std::string(flag) + ": " + Quoted(url.text) +
                 " has a host name; give the IP address to listen on");
  }
}

// The texts, sorted, with "localhost" and its address written alike.
std::vector<std::string> Places(std::vector<std::string> texts) {
  constexpr std::string_view kLocalhost = "http://localhost:";
  for (std::string& text : texts) {
    if (text.starts_with(kLocalhost)) text.replace(0, kLocalhost.size(), "http://127.0.0.1:");
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

void ReadAllUrls(const FlagValues& values, Reader* reader, Config* config) {
  config->listen_peer_urls = reader->ReadUrls("listen-peer-urls");
  config->listen_client_urls = reader->ReadUrls("listen-client-urls");
  config->listen_metrics_urls = reader->ReadOptionalUrls("listen-metrics-urls");
  for (membership::Url& url : reader->ReadOptionalUrls("listen-client-http-urls")) {
    config->listen_client_urls.push_back(std::move(url));
  }
  config->advertise_peer_urls = reader->ReadUrls("initial-advertise-peer-urls");
  config->advertise_client_urls = reader->ReadUrls("advertise-client-urls");
  CheckListenUrls("listen-peer-urls", config->listen_peer_urls, reader);
  CheckListenUrls("listen-client-urls", config->listen_client_urls, reader);
  CheckListenUrls("listen-metrics-urls", config->listen_metrics_urls, reader);
  if (values.Given("listen-client-urls") && !values.Given("advertise-client-urls")) {
    reader->Fail(
        "--advertise-client-urls is missing: it must be given together with --listen-client-urls");
  }
}

std::vector<std::string> Texts(const Urls& urls) {
  std::vector<std::string> texts;
  for (const membership::Url& url : urls) texts.push_back(url.text);
  return texts;
}

using UrlsByName = std::map<std::string, Urls, std::less<>>;

// "m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380"; a name may stand several times, once for each
// URL.
Result<UrlsByName> ParseInitialCluster(std::string_view text) {
  UrlsByName members;
  std::map<std::string, std::string> owners;
  for (const std::string_view piece : Split(text, ',')) {
    const std::string_view entry = Trim(piece);
    const size_t equals = entry.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return Invalid("--initial-cluster: " + Quoted(entry) +
                     " is not of the form name=http://host:port; separate members by commas");
    }
    const std::string name(entry.substr(0, equals));
    auto url = ParsePlainUrl(entry.substr(equals + 1));
    if (!url.ok()) return Invalid("--initial-cluster: " + url.status().message());
    // One URL for two members would make one of them hear the other's votes.
    const auto [owner, fresh] = owners.emplace(url->text, name);
    if (!fresh) {
      return Invalid("--initial-cluster: " + Quoted(url->text) + " is given twice (first for " +
                     Quoted(owner->second) + "); each member needs its own");
    }
    members[name].push_back(*std::move(url));
  }
  for (auto& [name, urls] : members) std::sort(urls.begin(), urls.end(), ByText);
  return members;
}

// This member among `members`, with the peer URLs that it advertises.
Status CheckOwnEntry(const UrlsByName& members, const Config& config) {
  const std::vector<std::string> advertised = Texts(config.advertise_peer_urls);
  const auto own = members.find(config.name);
  if (own == members.end()) {
    return Invalid("--initial-cluster does not name this member: add " +
                   Quoted(config.name + "=" + Join(advertised, ",")) + " or correct --name");
  }
  const std::vector<std::string> listed = Texts(own->second);
  if (Places(listed) != Places(advertised)) {
    return Invalid("--initial-cluster has " + Quoted(Join(listed, ",")) + " for " +
                   Quoted(config.name) + " but --initial-advertise-peer-urls has " +
                   Quoted(Join(advertised, ",")) + "; make them equal");
  }
  return OkStatus();
}

// The members that the command line names; this one alone where it names none.
Result<UrlsByName> ListMembers(const FlagValues& values, const Config& config) {
  if (!values.Given("initial-cluster"))
    return UrlsByName{{config.name, config.advertise_peer_urls}};
  auto members = ParseInitialCluster(values.Get("initial-cluster"));
  if (!members.ok()) return members;
  if (Status s = CheckOwnEntry(*members, config); !s.ok()) return s;
  return members;
}

// Fills in the first members with their ids, and the cluster's.
void ComputeIds(const UrlsByName& members, Config* config) {
  std::vector<NodeId> ids;
  for (const auto& [name, urls] : members) {
    std::vector<std::string> texts = Texts(urls);
    const NodeId id = membership::MemberId(texts, config->initial_cluster_token);
    if (name == config->name) config->self = id;
    ids.push_back(id);
    membership::Member& member = config->initial_cluster.emplace_back();
    member.id = id;
    member.name = name;
    member.peer_urls = std::move(texts);
  }
  std::sort(config->initial_cluster.begin(), config->initial_cluster.end(),
            [](const membership::Member& a, const membership::Member& b) { return a.id < b.id; });
  config->cluster = membership::MakeClusterId(std::move(ids));
}

void ReadCluster(const FlagValues& values, Reader* reader, Config* config) {
  for (const std::string_view flag : {"discovery", "discovery-srv", "discovery-token"}) {
    if (values.Get(flag).empty()) continue;
    reader->Fail(
        "--" + std::string(flag) +
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

  auto listed = ListMembers(values, *config);
  if (!listed.ok()) return reader->Fail(listed.status().message());
  ComputeIds(*listed, config);
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
  // An entry takes half a segment of the log (32 MiB) at most, its tag included; half of that
  // leaves room.
  constexpr int64_t kMostRequestBytes = 16 << 20;
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

std::string ToString(std::span<const membership::Member> members) {
  std::vector<std::string> entries;
  for (const membership::Member& member : members) {
    for (const std::string& url : member.peer_urls) entries.push_back(member.name + "=" + url);
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
  ReadAllUrls(values, &reader, &config);
  ReadCluster(values, &reader, &config);
  ReadTimes(&reader, &config);
  ReadLimits(&reader, &config);
  ReadLog(values, &reader, &config);
  if (!reader.status().ok()) return reader.status();
  return config;
}

}  // namespace cairn::server
