// Runner: keeps the load going and measures it. One loop, one thread.
//
// Closed loop: each answer makes the next call. Open loop (`rate`): calls are due at fixed times
// whether or not the server keeps up, and a latency counts from when the call was due, so that a
// stall of the server is seen by all the calls that it held up (coordinated omission).
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "bench/load/histogram.h"
#include "bench/load/options.h"
#include "bench/load/requests.h"
#include "src/env/posix/real_env.h"
#include "src/http/client.h"

namespace cairn::load {

struct Outcome {
  Histogram latency;  // of successful calls, nanoseconds
  std::array<uint64_t, 17> by_code{};
  std::string first_error;
  double seconds = 0;
  double cpu_seconds = 0;        // our own
  env::Duration longest_gap{0};  // between two successful answers
  uint64_t reconnects = 0;

  uint64_t errors() const;
};

class Runner {
 public:
  explicit Runner(const Options& options);
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner();

  // Fails if no connection can be made, or the preload does not succeed.
  Status Preload();
  Outcome Run();

 private:
  class Link;
  enum class Phase { kPreload, kLoad };

  void RunUntilDone();
  void Tick();
  void StartTicks();
  // The next call of a slot, or nothing if there is none to make now.
  void Issue(Link& link, uint32_t slot);
  void IssueDue();
  void OnAnswer(Link& link, uint32_t slot, const Status& status);
  void BeginMeasuring();
  bool MaySend() const { return !stopping_ && (to_issue_ > 0 || unlimited_); }
  std::string_view NextRequest(http::ClientMethod& method);

  const Options options_;
  env::posix::RealEnv world_;
  env::Executor& executor_;
  RequestMaker requests_;
  Random random_;
  std::vector<std::unique_ptr<Link>> links_;

  Phase phase_ = Phase::kLoad;
  bool stopping_ = false;
  bool unlimited_ = false;
  uint64_t to_issue_ = 0;
  uint64_t in_flight_ = 0;
  uint64_t next_preload_key_ = 0;
  bool measuring_ = false;
  env::Time measure_from_, end_;
  double cpu_from_ = 0;
  env::Time last_success_;
  uint64_t last_progress_count_ = 0;
  env::Time next_progress_;

  // Open loop.
  env::Time first_due_;
  uint64_t due_issued_ = 0;
  struct Idle {
    Link* link;
    uint32_t slot;
  };
  std::deque<Idle> idle_;

  Outcome outcome_;
};

}  // namespace cairn::load
