#include "src/api/etcd/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "src/api/etcd/process_stats.h"
#include "src/base/log.h"

namespace cairn::api::etcd {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// As Go's gRPC writes them; by code.
constexpr std::array<std::string_view, 17> kCodeNames = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

using Labels = std::vector<ClientMetric::Label>;

// Gathers the families of one page.
class Page {
 public:
  void Counter(std::string name, std::string help, double value, Labels labels = {}) {
    Add(std::move(name), std::move(help), MetricType::Counter, value, std::move(labels));
  }
  void Gauge(std::string name, std::string help, double value, Labels labels = {}) {
    Add(std::move(name), std::move(help), MetricType::Gauge, value, std::move(labels));
  }
  void Histogram(std::string name, std::string help, const DurationHistogram& histogram) {
    ClientMetric metric;
    metric.histogram.sample_count = histogram.count();
    metric.histogram.sample_sum = histogram.sum_seconds();
    for (size_t i = 0; i < DurationHistogram::kBuckets; ++i) {
      metric.histogram.bucket.push_back(
          {histogram.CumulativeCount(i), DurationHistogram::UpperBoundSeconds(i)});
    }
    metric.histogram.bucket.push_back({histogram.count(), std::numeric_limits<double>::infinity()});
    families_.push_back({std::move(name), std::move(help), MetricType::Histogram, {metric}});
  }
  std::string Text() const {
    return prometheus::TextSerializer().prometheus::Serializer::Serialize(families_);
  }

 private:
  // Values of one name follow each other.
  void Add(std::string name, std::string help, MetricType type, double value, Labels labels) {
    if (families_.empty() || families_.back().name != name) {
      families_.push_back({std::move(name), std::move(help), type, {}});
    }
    ClientMetric metric;
    metric.label = std::move(labels);
    (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    families_.back().metric.push_back(std::move(metric));
  }
  std::vector<MetricFamily> families_;
};

double Number(uint64_t v) { return static_cast<double>(v); }
double Number(int64_t v) { return static_cast<double>(v); }
double Number(bool v) { return v ? 1 : 0; }

void AddServer(const Services& services, const ApiStats& stats, Page* page) {
  const replica::Stats replica = services.replica.stats();
  const bool leads = services.replica.leader() == services.self;
  page->Gauge("etcd_server_has_leader", "1: a leader is known", Number(services.has_leader()));
  page->Gauge("etcd_server_is_leader", "1: this member leads", Number(leads));
  page->Gauge("etcd_server_is_learner", "1: this member is a learner",
              Number(services.is_learner()));
  page->Gauge("cairn_raft_term", "The current term", Number(services.replica.term().value));
  page->Counter("etcd_server_leader_changes_seen_total", "Changes of the leader seen here",
                Number(replica.leader_changes));
  page->Gauge("etcd_server_proposals_committed_total", "Index of the last entry committed",
              Number(replica.proposals_committed));
  page->Gauge("etcd_server_proposals_applied_total", "Index of the last entry applied",
              Number(replica.proposals_applied));
  page->Gauge("etcd_server_proposals_pending", "Writes taken and not answered yet",
              Number(replica.proposals_pending));
  page->Counter("etcd_server_proposals_failed_total", "Writes that were answered with an error",
                Number(replica.proposals_failed));
  page->Counter("etcd_server_heartbeat_send_failures_total",
                "Heartbeats that could not be sent in time",
                Number(replica.heartbeat_send_failures));
  page->Counter("etcd_server_slow_apply_total", "Applies that took too long",
                Number(replica.slow_applies));
  page->Counter("etcd_server_slow_read_indexes_total", "Linearizable reads that waited too long",
                Number(replica.slow_reads));
  page->Counter("etcd_server_read_indexes_failed_total", "Linearizable reads that failed",
                Number(replica.reads_failed));
  page->Counter("etcd_server_health_success", "Health checks that succeeded",
                Number(stats.health_success));
  page->Counter("etcd_server_health_failures", "Health checks that failed",
                Number(stats.health_failures));
  page->Gauge("etcd_server_quota_backend_bytes", "Room for data",
              Number(services.limits.quota_backend_bytes));
  page->Gauge("etcd_server_id", "This member's id", 1,
              {{"server_id", log::Hex(services.self.value)}});
  page->Gauge("etcd_server_version", "The etcd version whose API is served", 1,
              {{"server_version", std::string(kServerVersion)}});
  page->Gauge("etcd_cluster_version", "The version that the cluster runs as", 1,
              {{"cluster_version", std::string(kClusterVersion.substr(0, 3))}});
}

void AddDisk(const Services& services, const ApiStats& stats, Page* page) {
  page->Histogram("etcd_disk_wal_fsync_duration_seconds", "Time of each sync of the log",
                  stats.wal_fsync);
  if (services.wal_stats) {
    page->Gauge("etcd_disk_wal_write_bytes_total", "Bytes written to the log",
                Number(services.wal_stats().bytes_written));
  }
}

void AddStore(const Services& services, const ApiStats& stats, Page* page) {
  const mvcc::StoreStats store = services.store.stats();
  const apply::ApplyStats& apply = services.applier.stats();
  for (const std::string prefix : {"etcd_mvcc_", "etcd_debugging_mvcc_"}) {
    page->Counter(prefix + "put_total", "Puts applied, without those in transactions",
                  Number(apply.puts));
    page->Counter(prefix + "delete_total", "Deletes applied, without those in transactions",
                  Number(apply.deletes));
    page->Counter(prefix + "range_total", "Ranges answered", Number(stats.ranges));
    page->Counter(prefix + "txn_total", "Transactions applied", Number(apply.txns));
    page->Gauge(prefix + "db_total_size_in_bytes", "Size of the data, on disk and not flushed yet",
                Number(DataBytes(store)));
  }
  page->Gauge("etcd_mvcc_db_total_size_in_use_in_bytes",
              "Size of the data that is live or not yet compacted", Number(DataBytes(store)));
  page->Gauge("etcd_debugging_mvcc_keys_total", "Keys there are", Number(store.keys));
  page->Gauge("etcd_debugging_mvcc_current_revision", "The store's revision",
              Number(store.revision));
  page->Gauge("etcd_debugging_mvcc_compact_revision", "The revision compacted to",
              Number(store.compacted_revision));
  page->Gauge("etcd_debugging_mvcc_total_put_size_in_bytes", "Keys and values put",
              Number(apply.put_bytes));
}

void AddNetwork(const Services& services, Page* page) {
  const http::ServerStats server = services.server.stats();
  page->Counter("etcd_network_client_grpc_received_bytes_total", "Bytes received from clients",
                Number(server.bytes_received));
  page->Counter("etcd_network_client_grpc_sent_bytes_total", "Bytes sent to clients",
                Number(server.bytes_sent));
  if (!services.peer_stats) return;
  const std::vector<transport::PeerStats> peers = services.peer_stats();
  const std::string self = log::Hex(services.self.value);
  for (const transport::PeerStats& peer : peers) {
    page->Gauge("etcd_network_active_peers", "1: connected to the peer", Number(peer.connected),
                {{"Local", self}, {"Remote", log::Hex(peer.peer.value)}});
  }
  for (const transport::PeerStats& peer : peers) {
    page->Counter("etcd_network_peer_sent_bytes_total", "Bytes sent to the peer",
                  Number(peer.bytes_sent), {{"To", log::Hex(peer.peer.value)}});
  }
  for (const transport::PeerStats& peer : peers) {
    page->Counter("etcd_network_peer_received_bytes_total", "Bytes received from the peer",
                  Number(peer.bytes_received), {{"From", log::Hex(peer.peer.value)}});
  }
}

// The contract's methods that stream one way only; all other streams go both ways.
constexpr std::array<std::string_view, 4> kServerStreams = {
    "/etcdserverpb.KV/RangeStream", "/etcdserverpb.Maintenance/Snapshot",
    "/v3electionpb.Election/Observe", "/grpc.health.v1.Health/Watch"};

std::string_view TypeOf(const http::MethodStats& method) {
  if (!method.stream) return "unary";
  const bool one_way =
      std::find(kServerStreams.begin(), kServerStreams.end(), method.path) != kServerStreams.end();
  return one_way ? "server_stream" : "bidi_stream";
}

Labels MethodLabels(const http::MethodStats& method) {
  // "/etcdserverpb.KV/Put"
  const std::string_view path = std::string_view(method.path).substr(1);
  const size_t slash = path.find('/');
  return {{"grpc_method", std::string(slash == path.npos ? "" : path.substr(slash + 1))},
          {"grpc_service", std::string(path.substr(0, slash))},
          {"grpc_type", std::string(TypeOf(method))}};
}

void AddGrpc(const Services& services, Page* page) {
  const std::vector<http::MethodStats> methods = services.server.method_stats();
  for (const http::MethodStats& m : methods) {
    page->Counter("grpc_server_started_total", "Calls begun", Number(m.started), MethodLabels(m));
  }
  for (const http::MethodStats& m : methods) {
    for (size_t code = 0; code < kCodeNames.size(); ++code) {
      Labels labels = MethodLabels(m);
      labels.insert(labels.begin(), {"grpc_code", std::string(kCodeNames[code])});
      page->Counter("grpc_server_handled_total", "Calls finished, by code", Number(m.handled[code]),
                    std::move(labels));
    }
  }
  for (const http::MethodStats& m : methods) {
    page->Counter("grpc_server_msg_received_total", "Messages received",
                  Number(m.messages_received), MethodLabels(m));
  }
  for (const http::MethodStats& m : methods) {
    page->Counter("grpc_server_msg_sent_total", "Messages sent", Number(m.messages_sent),
                  MethodLabels(m));
  }
}

void AddProcess(Page* page) {
  const ProcessStats stats = ReadProcessStats();
  page->Counter("process_cpu_seconds_total", "CPU time used", stats.cpu_seconds);
  page->Gauge("process_max_fds", "Files that may be open", Number(stats.max_fds));
  page->Gauge("process_open_fds", "Files that are open", Number(stats.open_fds));
  page->Gauge("process_resident_memory_bytes", "Memory in use", Number(stats.resident_bytes));
  page->Gauge("process_start_time_seconds", "Start of the process, since 1970",
              stats.start_time_seconds);
  page->Gauge("process_virtual_memory_bytes", "Address space in use", Number(stats.virtual_bytes));
  page->Gauge("process_virtual_memory_max_bytes", "Address space that may be used",
              Number(stats.virtual_max_bytes));
  page->Gauge("os_fd_limit", "Files that may be open", Number(stats.max_fds));
  page->Gauge("os_fd_used", "Files that are open", Number(stats.open_fds));
}

}  // namespace

double DurationHistogram::UpperBoundSeconds(size_t bucket) {
  return 0.001 * static_cast<double>(uint64_t{1} << bucket);
}

void DurationHistogram::Observe(env::Duration duration) {
  ++count_;
  sum_ += duration;
  env::Duration bound = env::milliseconds(1);
  for (size_t i = 0; i < kBuckets; ++i, bound *= 2) {
    if (duration <= bound) {
      ++counts_[i];
      return;
    }
  }
}

uint64_t DurationHistogram::CumulativeCount(size_t bucket) const {
  uint64_t sum = 0;
  for (size_t i = 0; i <= bucket; ++i) sum += counts_[i];
  return sum;
}

std::string MetricsPage(const Services& services, const ApiStats& stats) {
  Page page;
  AddServer(services, stats, &page);
  AddDisk(services, stats, &page);
  AddStore(services, stats, &page);
  AddNetwork(services, &page);
  AddGrpc(services, &page);
  AddProcess(&page);
  return page.Text();
}

}  // namespace cairn::api::etcd
