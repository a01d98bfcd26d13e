// The flags of etcd 3.4 to its main branch, and what each does here.
#include <algorithm>
#include <array>

#include "src/server/flags.h"

namespace cairn::server {
namespace {

constexpr auto kText = FlagKind::kText;
constexpr auto kBool = FlagKind::kBool;
constexpr auto kInteger = FlagKind::kInteger;
constexpr auto kDuration = FlagKind::kDuration;
constexpr auto kEffective = FlagEffect::kEffective;
constexpr auto kNoEffect = FlagEffect::kNoEffect;
constexpr auto kRefused = FlagEffect::kRefused;

constexpr std::string_view kNoTls = "there is no TLS yet";
constexpr std::string_view kNoAuth = "there is no authentication yet";
constexpr std::string_view kNoBolt = "the store is not bbolt";
constexpr std::string_view kNoCorruptCheck = "there is no such check yet";
constexpr std::string_view kNoDiscovery =
    "there is no discovery, list the members in --initial-cluster";
constexpr std::string_view kNoMembership = "members cannot change yet";
constexpr std::string_view kNoProxy = "there is no proxy mode";
constexpr std::string_view kNoTracing = "there is no tracing";
constexpr std::string_view kNoV2 = "there is no v2 API";
constexpr std::string_view kNoRotation = "logs are not rotated, use logrotate or the journal";
constexpr std::string_view kNoWatch = "there is no watch yet";
constexpr std::string_view kNoLease = "there are no leases yet";
constexpr std::string_view kNoCompaction = "there is no compaction yet";
constexpr std::string_view kBySize = "the log is cut by its size";
constexpr std::string_view kNoDefrag = "nothing here needs defragmentation";
constexpr std::string_view kOnePort = "bound like any other address";

constexpr std::array kFlags = std::to_array<FlagSpec>({
    {"advertise-client-urls", kText, "http://localhost:2379", kEffective,
     "where clients reach this member, comma-separated"},
    {"auth-token", kText, "simple", kRefused, "only \"simple\" is possible"},
    {"auth-token-ttl", kInteger, "300", kNoEffect, kNoAuth},
    {"auto-compaction-mode", kText, "periodic", kNoEffect, kNoCompaction},
    {"auto-compaction-retention", kText, "0", kNoEffect, kNoCompaction},
    {"auto-tls", kBool, "false", kRefused, kNoTls},
    {"backend-batch-interval", kDuration, "0s", kNoEffect, kNoBolt},
    {"backend-batch-limit", kInteger, "0", kNoEffect, kNoBolt},
    {"backend-bbolt-freelist-type", kText, "map", kNoEffect, kNoBolt},
    {"bcrypt-cost", kInteger, "10", kNoEffect, kNoAuth},
    {"bootstrap-defrag-threshold-megabytes", kInteger, "0", kNoEffect, kNoDefrag},
    {"cert-file", kText, "", kRefused, kNoTls},
    {"cipher-suites", kText, "", kRefused, kNoTls},
    {"client-cert-allowed-hostname", kText, "", kRefused, kNoTls},
    {"client-cert-auth", kBool, "false", kRefused, kNoTls},
    {"client-cert-file", kText, "", kRefused, kNoTls},
    {"client-crl-file", kText, "", kRefused, kNoTls},
    {"client-key-file", kText, "", kRefused, kNoTls},
    {"compact-hash-check-time", kDuration, "1m", kNoEffect, kNoCorruptCheck},
    {"compaction-batch-limit", kInteger, "0", kNoEffect, kNoCompaction},
    {"compaction-sleep-interval", kDuration, "0s", kNoEffect, kNoCompaction},
    {"config-file", kText, "", kEffective,
     "YAML file with these flags as keys; every other flag and variable is then ignored"},
    {"corrupt-check-time", kDuration, "0s", kNoEffect, kNoCorruptCheck},
    {"cors", kText, "*", kNoEffect, "no cross-origin header is sent"},
    {"data-dir", kText, "", kEffective, "where everything is kept (default: <name>.etcd)"},
    {"debug", kBool, "false", kEffective, "the same as --log-level=debug"},
    {"discovery", kText, "", kNoEffect, kNoDiscovery},
    {"discovery-cacert", kText, "", kNoEffect, kNoDiscovery},
    {"discovery-cert", kText, "", kNoEffect, kNoDiscovery},
    {"discovery-dial-timeout", kDuration, "2s", kNoEffect, kNoDiscovery},
    {"discovery-endpoints", kText, "", kNoEffect, kNoDiscovery},
    {"discovery-fallback", kText, "exit", kNoEffect, kNoDiscovery},
    {"discovery-insecure-skip-tls-verify", kBool, "false", kNoEffect, kNoDiscovery},
    {"discovery-insecure-transport", kBool, "true", kNoEffect, kNoDiscovery},
    {"discovery-keepalive-time", kDuration, "2s", kNoEffect, kNoDiscovery},
    {"discovery-keepalive-timeout", kDuration, "6s", kNoEffect, kNoDiscovery},
    {"discovery-key", kText, "", kNoEffect, kNoDiscovery},
    {"discovery-password", kText, "", kNoEffect, kNoDiscovery},
    {"discovery-proxy", kText, "", kNoEffect, kNoDiscovery},
    {"discovery-request-timeout", kDuration, "5s", kNoEffect, kNoDiscovery},
    {"discovery-srv", kText, "", kNoEffect, kNoDiscovery},
    {"discovery-srv-name", kText, "", kNoEffect, kNoDiscovery},
    {"discovery-token", kText, "", kNoEffect, kNoDiscovery},
    {"discovery-user", kText, "", kNoEffect, kNoDiscovery},
    {"distributed-tracing-address", kText, "localhost:4317", kNoEffect, kNoTracing},
    {"distributed-tracing-instance-id", kText, "", kNoEffect, kNoTracing},
    {"distributed-tracing-sampling-rate", kInteger, "0", kNoEffect, kNoTracing},
    {"distributed-tracing-service-name", kText, "etcd", kNoEffect, kNoTracing},
    {"downgrade-check-time", kDuration, "5s", kNoEffect, "there is no downgrade"},
    {"election-timeout", kInteger, "1000", kEffective,
     "milliseconds without a leader until an election; at least 5 heartbeats, at most 50000"},
    {"enable-distributed-tracing", kBool, "false", kNoEffect, kNoTracing},
    {"enable-grpc-gateway", kBool, "true", kNoEffect, "there is no JSON gateway yet"},
    {"enable-log-rotation", kBool, "false", kNoEffect, kNoRotation},
    {"enable-pprof", kBool, "false", kNoEffect, "this is no Go program"},
    {"enable-v2", kBool, "false", kNoEffect, kNoV2},
    {"experimental-backend-bbolt-freelist-type", kText, "array", kNoEffect, kNoBolt},
    {"experimental-bootstrap-defrag-threshold-megabytes", kInteger, "0", kNoEffect, kNoDefrag},
    {"experimental-compact-hash-check-enabled", kBool, "false", kNoEffect, kNoCorruptCheck},
    {"experimental-compact-hash-check-time", kDuration, "1m", kNoEffect, kNoCorruptCheck},
    {"experimental-compaction-batch-limit", kInteger, "0", kNoEffect, kNoCompaction},
    {"experimental-compaction-sleep-interval", kDuration, "0s", kNoEffect, kNoCompaction},
    {"experimental-corrupt-check-time", kDuration, "0s", kNoEffect, kNoCorruptCheck},
    {"experimental-distributed-tracing-address", kText, "localhost:4317", kNoEffect, kNoTracing},
    {"experimental-distributed-tracing-instance-id", kText, "", kNoEffect, kNoTracing},
    {"experimental-distributed-tracing-sampling-rate", kInteger, "0", kNoEffect, kNoTracing},
    {"experimental-distributed-tracing-service-name", kText, "etcd", kNoEffect, kNoTracing},
    {"experimental-downgrade-check-time", kDuration, "5s", kNoEffect, "there is no downgrade"},
    {"experimental-enable-distributed-tracing", kBool, "false", kNoEffect, kNoTracing},
    {"experimental-enable-lease-checkpoint", kBool, "false", kNoEffect, kNoLease},
    {"experimental-enable-lease-checkpoint-persist", kBool, "false", kNoEffect, kNoLease},
    {"experimental-enable-v2v3", kText, "", kNoEffect, kNoV2},
    {"experimental-initial-corrupt-check", kBool, "false", kNoEffect, kNoCorruptCheck},
    {"experimental-max-learners", kInteger, "1", kNoEffect, kNoMembership},
    {"experimental-memory-mlock", kBool, "false", kNoEffect, "memory is not locked"},
    {"experimental-peer-skip-client-san-verification", kBool, "false", kNoEffect, kNoTls},
    {"experimental-snapshot-catchup-entries", kInteger, "5000", kNoEffect, kBySize},
    {"experimental-stop-grpc-service-on-defrag", kBool, "false", kNoEffect, kNoDefrag},
    {"experimental-txn-mode-write-with-shared-buffer", kBool, "true", kNoEffect, kNoBolt},
    {"experimental-wait-cluster-ready-timeout", kDuration, "5s", kNoEffect,
     "readiness is logged when there is a leader"},
    {"experimental-warning-apply-duration", kDuration, "100ms", kNoEffect,
     "slow applies are counted, not logged"},
    {"experimental-warning-unary-request-duration", kDuration, "300ms", kNoEffect,
     "slow requests are not logged"},
    {"experimental-watch-progress-notify-interval", kDuration, "10m", kNoEffect, kNoWatch},
    {"feature-gates", kText, "", kNoEffect, "there are no feature gates"},
    {"force-new-cluster", kBool, "false", kNoEffect, kNoMembership},
    {"grpc-keepalive-interval", kDuration, "2h", kEffective,
     "a client from which nothing came for so long is pinged; 0 turns it off"},
    {"grpc-keepalive-min-time", kDuration, "5s", kEffective,
     "a client that pings more often is disconnected"},
    {"grpc-keepalive-timeout", kDuration, "20s", kEffective,
     "a client that leaves a ping unanswered for so long is disconnected; 0 turns it off"},
    {"heartbeat-interval", kInteger, "100", kEffective, "milliseconds between heartbeats"},
    {"host-whitelist", kText, "*", kRefused, "the Host header is not checked yet"},
    {"initial-advertise-peer-urls", kText, "http://localhost:2380", kEffective,
     "where the other members reach this one, comma-separated"},
    {"initial-cluster", kText, "", kEffective,
     "the first members: name=peer-url,... (default: this member alone)"},
    {"initial-cluster-state", kText, "new", kEffective, "\"new\" or \"existing\""},
    {"initial-cluster-token", kText, "etcd-cluster", kEffective,
     "makes the ids of clusters with equal URLs differ"},
    {"initial-election-tick-advance", kBool, "true", kNoEffect,
     "the first election waits one whole timeout"},
    {"key-file", kText, "", kRefused, kNoTls},
    {"listen-client-http-urls", kText, "", kEffective,
     "more addresses for clients (each address serves gRPC and HTTP)"},
    {"listen-client-urls", kText, "http://localhost:2379", kEffective,
     "where to listen for clients, comma-separated; port 0 lets the system choose"},
    {"listen-metrics-urls", kText, "", kEffective, "where to serve /metrics and /health alone"},
    {"listen-peer-urls", kText, "http://localhost:2380", kEffective,
     "where to listen for the other members, comma-separated"},
    {"log-format", kText, "json", kEffective, "\"json\" or \"console\""},
    {"log-level", kText, "info", kEffective, "debug, info, warn or error"},
    {"log-outputs", kText, "default", kEffective,
     "stderr (the default), stdout or paths of files, comma-separated"},
    {"log-package-levels", kText, "", kNoEffect, "use --log-level"},
    {"log-rotation-config-json", kText, "", kNoEffect, kNoRotation},
    {"logger", kText, "zap", kNoEffect, "there is one logger, its lines are like zap's"},
    {"max-concurrent-streams", kInteger, "4294967295", kEffective,
     "requests at a time on one client connection"},
    {"max-learners", kInteger, "1", kNoEffect, kNoMembership},
    {"max-request-bytes", kInteger, "1572864", kEffective, "largest request"},
    {"max-snapshots", kInteger, "5", kNoEffect, "old snapshots are not kept"},
    {"max-txn-ops", kInteger, "128", kEffective, "operations in one transaction"},
    {"max-wals", kInteger, "5", kNoEffect, "the log keeps what it needs"},
    {"memory-mlock", kBool, "false", kNoEffect, "memory is not locked"},
    {"metrics", kText, "basic", kNoEffect, "there is one set of metrics"},
    {"name", kText, "default", kEffective, "this member's name in --initial-cluster"},
    {"peer-auto-tls", kBool, "false", kRefused, kNoTls},
    {"peer-cert-allowed-cn", kText, "", kRefused, kNoTls},
    {"peer-cert-allowed-hostname", kText, "", kRefused, kNoTls},
    {"peer-cert-file", kText, "", kRefused, kNoTls},
    {"peer-client-cert-auth", kBool, "false", kRefused, kNoTls},
    {"peer-client-cert-file", kText, "", kRefused, kNoTls},
    {"peer-client-key-file", kText, "", kRefused, kNoTls},
    {"peer-crl-file", kText, "", kRefused, kNoTls},
    {"peer-key-file", kText, "", kRefused, kNoTls},
    {"peer-skip-client-san-verification", kBool, "false", kNoEffect, kNoTls},
    {"peer-trusted-ca-file", kText, "", kRefused, kNoTls},
    {"pre-vote", kBool, "true", kEffective,
     "ask whether an election could be won before starting it"},
    {"proxy", kText, "off", kNoEffect, kNoProxy},
    {"proxy-dial-timeout", kInteger, "1000", kNoEffect, kNoProxy},
    {"proxy-failure-wait", kInteger, "5000", kNoEffect, kNoProxy},
    {"proxy-read-timeout", kInteger, "0", kNoEffect, kNoProxy},
    {"proxy-refresh-interval", kInteger, "30000", kNoEffect, kNoProxy},
    {"proxy-write-timeout", kInteger, "5000", kNoEffect, kNoProxy},
    {"quota-backend-bytes", kInteger, "0", kNoEffect, "the size is shown, not limited yet"},
    {"raft-read-timeout", kDuration, "5s", kNoEffect, "heartbeats find a dead connection"},
    {"raft-write-timeout", kDuration, "5s", kNoEffect, "heartbeats find a dead connection"},
    {"self-signed-cert-validity", kInteger, "1", kNoEffect, kNoTls},
    {"snapshot-catchup-entries", kInteger, "5000", kNoEffect, kBySize},
    {"snapshot-count", kInteger, "10000", kNoEffect, kBySize},
    {"socket-reuse-address", kBool, "false", kNoEffect, kOnePort},
    {"socket-reuse-port", kBool, "false", kNoEffect, kOnePort},
    {"strict-reconfig-check", kBool, "true", kNoEffect, kNoMembership},
    {"tls-max-version", kText, "", kRefused, kNoTls},
    {"tls-min-version", kText, "TLS1.2", kRefused, kNoTls},
    {"trusted-ca-file", kText, "", kRefused, kNoTls},
    {"unsafe-no-fsync", kBool, "false", kNoEffect, "what is acknowledged is always synced"},
    {"v2-deprecation", kText, "not-yet", kNoEffect, kNoV2},
    {"wal-dir", kText, "", kEffective, "where the log is kept (default: <data-dir>/member/wal)"},
    {"warning-apply-duration", kDuration, "100ms", kNoEffect,
     "slow applies are counted, not logged"},
    {"warning-unary-request-duration", kDuration, "300ms", kNoEffect,
     "slow requests are not logged"},
    {"watch-progress-notify-interval", kDuration, "10m", kNoEffect, kNoWatch},
});

static_assert(std::is_sorted(kFlags.begin(), kFlags.end(),
                             [](const FlagSpec& a, const FlagSpec& b) { return a.name < b.name; }));

}  // namespace

std::span<const FlagSpec> AllFlags() { return kFlags; }

const FlagSpec* FindFlag(std::string_view name) {
  const auto at =
      std::lower_bound(kFlags.begin(), kFlags.end(), name,
                       [](const FlagSpec& flag, std::string_view n) { return flag.name < n; });
  return at != kFlags.end() && at->name == name ? &*at : nullptr;
}

}  // namespace cairn::server
