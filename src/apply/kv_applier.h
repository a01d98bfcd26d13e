// KvApplier: Put, DeleteRange and Txn.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "src/apply/applier.h"

namespace cairn::apply {

class KvApplier final : public CommandApplier {
 public:
  explicit KvApplier(std::unique_ptr<CommandApplier> next) : next_(std::move(next)) {}
  Result<std::string> Apply(ApplyContext& context, CommandKind kind,
                            std::string_view body) override;

 private:
  std::unique_ptr<CommandApplier> next_;
};

}  // namespace cairn::apply
