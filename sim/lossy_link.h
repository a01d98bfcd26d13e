// LossyLink: between a member's replica and its transport. It loses, doubles, delays and so
// reorders whole frames, which streams alone never do, and shows the checkers what the member
// promises to others.
#pragma once

#include <memory>

#include "sim/checkers/election_safety.h"
#include "sim/checkers/promises.h"
#include "sim/options.h"
#include "src/env/sim/process.h"
#include "src/raft/message.h"
#include "src/transport/transport.h"

namespace cairn::sim {

// What members say, for the checkers. `number` finds a member's place from its id.
struct Listeners {
  ElectionSafety& elections;
  Promises& promises;
  std::function<size_t(NodeId)> number;
};

class LossyLink final : public transport::Sender {
 public:
  // All outlive the link; `faults` may change at any time.
  LossyLink(env::sim::Process& process, transport::Sender& to, const LinkFaults& faults,
            size_t self, Listeners& listeners)
      : process_(process), to_(to), faults_(faults), self_(self), listeners_(listeners) {}

  bool Send(NodeId to, transport::Channel channel, transport::Frame frame) override;
  void Flush() override { to_.Flush(); }

 private:
  void Listen(const transport::Frame& frame);
  void Later(NodeId to, transport::Channel channel, transport::Frame frame);

  env::sim::Process& process_;
  transport::Sender& to_;
  const LinkFaults& faults_;
  size_t self_;
  Listeners& listeners_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // timers hold it weakly
};

}  // namespace cairn::sim
