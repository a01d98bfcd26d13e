// Server: one member as a process runs it: data directory, member, front end. Wiring only.
#pragma once

#include <memory>
#include <vector>

#include "src/env/env.h"
#include "src/server/config.h"

namespace cairn::server {

class Server {
 public:
  // Opens the data directory, joins the cluster and listens for clients. On an error nothing
  // listens, and the message says what to do. Serving begins at once; the log says when there is a
  // leader.
  static Result<std::unique_ptr<Server>> Start(env::Env env, Config config);
  virtual ~Server() = default;

  // Ends in order: takes no new connections, lets calls finish for a moment, then runs `done`. The
  // owner destroys the server after that.
  virtual void Stop(env::Task done) = 0;
};

}  // namespace cairn::server
