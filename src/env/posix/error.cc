#include "src/env/posix/error.h"

#include <cerrno>
#include <system_error>

namespace cairn::env::posix {
namespace {

std::string Message(std::string_view operation, std::string_view object, int error) {
  std::string text(operation);
  text += ' ';
  text += object;
  text += ": ";
  text += ErrnoText(error);
  return text;
}

StatusCode FileCode(int error) {
  switch (error) {
    case ENOENT:
      return StatusCode::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
      return StatusCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return StatusCode::kResourceExhausted;
    case EACCES:
    case EPERM:
    case EROFS:
      return StatusCode::kPermissionDenied;
    default:
      return StatusCode::kInternal;
  }
}

StatusCode NetworkCode(int error) {
  switch (error) {
    case EADDRINUSE:
      return StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
      return StatusCode::kPermissionDenied;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return StatusCode::kResourceExhausted;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return StatusCode::kInvalidArgument;
    default:
      return StatusCode::kUnavailable;
  }
}

}  // namespace

std::string ErrnoText(int error) { return std::generic_category().message(error); }

Status FileError(std::string_view operation, std::string_view path, int error) {
  return Status(FileCode(error), Message(operation, path, error));
}

Status NetworkError(std::string_view operation, std::string_view address, int error) {
  return Status(NetworkCode(error), Message(operation, address, error));
}

}  // namespace cairn::env::posix
