#include "src/raft/raw_node.h"

#include <utility>

#include "src/raft/core.h"

namespace cairn::raft {

RawNode::RawNode(const Config& config, const Restored& restored)
    : core_(std::make_unique<Core>(config, restored)) {
  Check();
}
RawNode::~RawNode() = default;
RawNode::RawNode(RawNode&&) noexcept = default;
RawNode& RawNode::operator=(RawNode&&) noexcept = default;

void RawNode::Check() {
  if (core_->config.check_invariants) core_->invariants.Check(*core_);
}

void RawNode::Step(Event event) {
  core_->Step(std::move(event));
  Check();
}

Result<EntryId> RawNode::Propose(SharedBytes data) {
  Result<EntryId> result = core_->Propose(std::move(data));
  Check();
  return result;
}

bool RawNode::HasReady() const { return core_->HasReady(); }

Ready RawNode::TakeReady() {
  Ready ready = core_->TakeReady();
  Check();
  return ready;
}

void RawNode::Compact(LogIndex upto) {
  core_->Compact(upto);
  Check();
}

NodeStatus RawNode::status() const { return core_->status(); }
Role RawNode::role() const { return core_->role_kind(); }
Term RawNode::term() const { return core_->term; }
NodeId RawNode::leader() const { return core_->leader(); }
LogIndex RawNode::commit_index() const { return core_->log.commit_index(); }
std::optional<Term> RawNode::TermAt(LogIndex index) const { return core_->log.TermAt(index); }

}  // namespace cairn::raft
