// Http1Session: HTTP/1.1, one request at a time on a connection; pipelined requests wait and are
// answered in their order. Parsed by Boost.Beast, which stays inside the .cc.
#pragma once

#include <memory>

#include "src/http/session.h"

namespace cairn::http {

class Connection;

std::unique_ptr<Session> NewHttp1Session(Connection& connection);

}  // namespace cairn::http
