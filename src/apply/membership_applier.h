// MembershipApplier: what members publish of themselves.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "src/apply/applier.h"

namespace cairn::apply {

class MembershipApplier final : public CommandApplier {
 public:
  MembershipApplier(membership::Cluster& cluster, std::unique_ptr<CommandApplier> next)
      : cluster_(cluster), next_(std::move(next)) {}
  Result<std::string> Apply(ApplyContext& context, CommandKind kind,
                            std::string_view body) override;

 private:
  membership::Cluster& cluster_;
  std::unique_ptr<CommandApplier> next_;
};

}  // namespace cairn::apply
