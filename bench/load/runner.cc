#include "bench/load/runner.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <utility>

namespace cairn::load {
namespace {

constexpr env::Duration kTick = env::milliseconds(10);
constexpr env::Duration kOpenLoopTick = env::microseconds(200);
constexpr env::Duration kReconnectAfter = env::milliseconds(50);
// How long calls under way may take to end once the load is over.
constexpr env::Duration kLastAnswers = env::seconds(5);
constexpr env::Duration kPreloadPatience = env::seconds(30);

env::Duration Seconds(double s) { return env::Duration(static_cast<int64_t>(s * 1e9)); }
double ToSeconds(env::Duration d) { return std::chrono::duration<double>(d).count(); }

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

uint64_t Outcome::errors() const {
  return std::accumulate(by_code.begin() + 1, by_code.end(), uint64_t{0});
}

// One connection with its slots; made anew, to the next endpoint, when it is lost.
class Runner::Link final : public http::UnaryReceiver {
 public:
  struct Slot {
    env::Time since;     // sent, or due
    uint64_t key = 0;    // of a preload
    bool again = false;  // its put failed
    bool waits = false;  // for the connection, or after an error: the next tick issues it
  };

  Link(Runner& runner, size_t endpoint, uint32_t slot_count)
      : slots(slot_count), runner_(runner), endpoint_(endpoint) {
    Connect();
  }

  void Connect() {
    const auto& endpoints = runner_.options_.endpoints;
    const env::Address address{endpoints[endpoint_++ % endpoints.size()]};
    lost_ = false;
    const env::Env env = runner_.world_.env();
    http::ClientOptions client_options;
    client_options.authority = address.text;
    client = std::make_unique<http::GrpcClient>(env, env.network.Connect(address), client_options,
                                                [this](const Status&) {
                                                  lost_ = true;
                                                  lost_at_ = runner_.executor_.Now();
                                                });
    put = client->AddMethod("/etcdserverpb.KV/Put");
    range = client->AddMethod("/etcdserverpb.KV/Range");
  }

  void MaybeReconnect(env::Time now) {
    if (!client->open() && !lost_ && client->in_flight() == 0) {  // the server said goodbye
      lost_ = true;
      lost_at_ = now;
    }
    if (!lost_ || now - lost_at_ < kReconnectAfter) return;
    ++runner_.outcome_.reconnects;
    Connect();
  }
  bool usable() const { return !lost_ && client->open(); }

  void OnReply(uint64_t tag, const Status& status, std::string_view) override {
    runner_.OnAnswer(*this, static_cast<uint32_t>(tag), status);
  }

  std::unique_ptr<http::GrpcClient> client;
  http::ClientMethod put, range;
  std::vector<Slot> slots;

 private:
  Runner& runner_;
  size_t endpoint_;
  bool lost_ = false;
  env::Time lost_at_;
};

Runner::Runner(const Options& options)
    : options_(options),
      executor_(world_.loop()),
      requests_(options.key_size, options.value_size, options.serializable, options.seed),
      random_(options.seed) {
  for (uint32_t i = 0; i < options_.connections; ++i) {
    links_.push_back(std::make_unique<Link>(*this, i, options_.streams));
  }
}

Runner::~Runner() = default;

Status Runner::Preload() {
  if (options_.preload == 0) return OkStatus();
  phase_ = Phase::kPreload;
  to_issue_ = options_.preload;
  outcome_ = {};
  last_success_ = executor_.NowExact();
  for (auto& link : links_) {
    for (uint32_t s = 0; s < options_.streams; ++s) Issue(*link, s);
  }
  RunUntilDone();
  if (in_flight_ == 0 && to_issue_ == 0 && !stopping_) return OkStatus();
  return Status(StatusCode::kUnavailable,
                "the preload got no answer for 30 s: " + outcome_.first_error);
}

Outcome Runner::Run() {
  phase_ = Phase::kLoad;
  stopping_ = false;
  unlimited_ = options_.total == 0;
  to_issue_ = options_.total;
  outcome_ = {};
  const env::Time now = executor_.NowExact();
  last_success_ = now;
  next_progress_ = now + env::seconds(1);
  last_progress_count_ = 0;
  measure_from_ = now + Seconds(options_.warmup_seconds);
  end_ = unlimited_ ? measure_from_ + Seconds(options_.seconds) : env::Time::Never();
  measuring_ = false;
  if (options_.warmup_seconds <= 0) BeginMeasuring();
  first_due_ = now;
  due_issued_ = 0;
  for (auto& link : links_) {
    for (uint32_t s = 0; s < options_.streams; ++s) {
      if (options_.rate > 0) {
        idle_.push_back({link.get(), s});
      } else {
        Issue(*link, s);
      }
    }
  }
  RunUntilDone();
  const env::Time ended = std::min(executor_.NowExact(), end_);
  outcome_.seconds = ToSeconds(ended - measure_from_);
  outcome_.cpu_seconds = CpuSeconds() - cpu_from_;
  if (measuring_) outcome_.longest_gap = std::max(outcome_.longest_gap, ended - last_success_);
  return outcome_;
}

void Runner::BeginMeasuring() {
  measuring_ = true;
  const uint64_t reconnects = outcome_.reconnects;
  outcome_ = {};
  outcome_.reconnects = reconnects;
  cpu_from_ = CpuSeconds();
  last_success_ = executor_.NowExact();
  last_progress_count_ = 0;
}

void Runner::RunUntilDone() {
  const env::Duration tick = options_.rate > 0 && phase_ == Phase::kLoad ? kOpenLoopTick : kTick;
  env::Time next_tick = executor_.NowExact();
  env::Time give_up = env::Time::Never();
  for (;;) {
    world_.loop().RunTurn(tick);
    const env::Time now = executor_.NowExact();
    if (now < next_tick && tick == kTick) continue;
    next_tick = now + tick;
    Tick();
    if (!unlimited_ && to_issue_ == 0 && in_flight_ == 0) return;
    if (stopping_) {
      if (in_flight_ == 0 || now >= give_up) return;
    } else if (phase_ == Phase::kLoad ? now >= end_ : now - last_success_ > kPreloadPatience) {
      stopping_ = true;
      give_up = now + (phase_ == Phase::kLoad ? kLastAnswers : env::Duration(0));
    }
  }
}

void Runner::Tick() {
  const env::Time now = executor_.NowExact();
  if (phase_ == Phase::kLoad && !measuring_ && now >= measure_from_) BeginMeasuring();
  for (auto& link : links_) {
    link->MaybeReconnect(now);
    if (!link->usable()) continue;
    for (uint32_t s = 0; s < options_.streams; ++s) {
      if (!link->slots[s].waits) continue;
      link->slots[s].waits = false;
      if (options_.rate > 0 && phase_ == Phase::kLoad) {
        idle_.push_back({link.get(), s});
      } else {
        Issue(*link, s);
      }
    }
  }
  if (options_.rate > 0 && phase_ == Phase::kLoad) IssueDue();
  if (options_.progress && now >= next_progress_) {
    next_progress_ = now + env::seconds(1);
    const uint64_t count = outcome_.latency.count();
    std::fprintf(stderr, "%9llu calls/s, %llu errors\n",
                 static_cast<unsigned long long>(count - last_progress_count_),
                 static_cast<unsigned long long>(outcome_.errors()));
    last_progress_count_ = count;
  }
}

std::string_view Runner::NextRequest(http::ClientMethod& method) {
  const Link& any = *links_.front();  // every client has the same methods in the same order
  const uint64_t key = random_.Below(options_.keys);
  const bool read = options_.workload == Workload::kRange ||
                    (options_.workload == Workload::kMixed && random_.Chance(options_.read_share));
  method = read ? any.range : any.put;
  return read ? requests_.Range(key) : requests_.Put(key);
}

void Runner::Issue(Link& link, uint32_t s) {
  if (!MaySend()) return;
  Link::Slot& slot = link.slots[s];
  if (!link.usable()) {
    slot.waits = true;
    return;
  }
  if (!unlimited_) --to_issue_;
  ++in_flight_;
  slot.since = executor_.NowExact();
  if (phase_ == Phase::kPreload) {
    if (!std::exchange(slot.again, false)) slot.key = next_preload_key_++;
    link.client->Unary(link.put, requests_.Put(slot.key), &link, s);
    return;
  }
  http::ClientMethod method;
  const std::string_view request = NextRequest(method);
  link.client->Unary(method, request, &link, s, Seconds(options_.timeout_seconds));
}

// Calls that have come due, each to the slot that has been idle longest. What finds no idle slot
// stays due.
void Runner::IssueDue() {
  const env::Time now = executor_.NowExact();
  const double elapsed = ToSeconds(std::min(now, end_) - first_due_);
  const auto due = static_cast<uint64_t>(elapsed * options_.rate);
  while (due_issued_ < due && !idle_.empty() && MaySend()) {
    const Idle idle = idle_.front();
    idle_.pop_front();
    if (!idle.link->usable()) {
      idle.link->slots[idle.slot].waits = true;
      continue;
    }
    Issue(*idle.link, idle.slot);
    idle.link->slots[idle.slot].since =
        first_due_ + Seconds(static_cast<double>(due_issued_) / options_.rate);
    ++due_issued_;
  }
}

void Runner::OnAnswer(Link& link, uint32_t s, const Status& status) {
  Link::Slot& slot = link.slots[s];
  const env::Time now = executor_.NowExact();
  --in_flight_;
  if (now <= end_ || phase_ == Phase::kPreload) {
    ++outcome_.by_code[static_cast<size_t>(status.code())];
    if (status.ok()) {
      outcome_.latency.Record((now - slot.since).count());
      outcome_.longest_gap = std::max(outcome_.longest_gap, now - last_success_);
      last_success_ = now;
    } else if (outcome_.first_error.empty()) {
      outcome_.first_error = status.ToString();
    }
  }
  if (!status.ok()) {
    if (phase_ == Phase::kPreload) {
      ++to_issue_;
      slot.again = true;
    }
    slot.waits = true;  // not at once: a server in trouble is not helped by a storm
  } else if (options_.rate > 0 && phase_ == Phase::kLoad) {
    idle_.push_back({&link, s});
    IssueDue();
  } else {
    Issue(link, s);
  }
}

}  // namespace cairn::load
