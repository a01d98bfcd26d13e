// The system's error numbers as Status.
#pragma once

#include <string>
#include <string_view>

#include "src/base/status.h"

namespace cairn::env::posix {

// The system's words for an error number ("No such file or directory").
std::string ErrnoText(int error);
// "rename data/a to data/b: Permission denied", with the code that file.h names for the number.
Status FileError(std::string_view operation, std::string_view path, int error);
// Likewise for sockets: all that a peer or the network can cause is Unavailable.
Status NetworkError(std::string_view operation, std::string_view address, int error);

}  // namespace cairn::env::posix
