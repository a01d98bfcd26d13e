// Worker as a thread with a queue.
#pragma once

#include <memory>
#include <string_view>

#include "src/env/executor.h"

namespace cairn::env::posix {

// `executor` outlives the worker; its Post takes the `done`s back to the loop. The thread takes no
// signals. `name` is shown by ps and top (15 characters of it).
std::unique_ptr<Worker> MakeThreadWorker(Executor* executor, std::string_view name);

}  // namespace cairn::env::posix
