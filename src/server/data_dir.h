// DataDir: the folder of one member, and whose it is.
//
//   <data-dir>/member/LOCK      held while a process uses the folder
//   <data-dir>/member/identity  cluster id, member id, name, first members
//   (docs/formats/identity.md) <data-dir>/member/wal/      the log, unless --wal-dir puts it
//   elsewhere <data-dir>/member/store/    the state machine's files
//
// The identity is written before anything else is, and marked complete once the log was created. A
// complete folder without a log is refused: the member has voted and acknowledged, and would not
// know of it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/status.h"
#include "src/base/types.h"
#include "src/env/file.h"
#include "src/server/config.h"

namespace cairn::server {

struct Identity {
  ClusterId cluster;
  NodeId self;
  std::string name;
  std::string token;
  std::vector<membership::Member> first_members;  // in order of id; ids, names and peer URLs
  bool complete = false;

  friend bool operator==(const Identity&, const Identity&) = default;
};

std::string EncodeIdentity(const Identity& identity);
// DataLoss when the bytes are damaged or of a version that this program does not know.
Result<Identity> DecodeIdentity(std::string_view bytes);

class DataDir {
 public:
  // Locks the folder, creating it for a new member; `wanted` is who the configuration says this
  // member is. What the folder already knows wins over what the configuration leaves out (name,
  // first members).
  //
  // Every error's message says what to do:
  //   Unavailable         another process uses the folder
  //   FailedPrecondition  it belongs to another member, cluster or program, or its log is missing
  //   DataLoss            the identity is damaged
  //   others              as the file system gave them
  static Result<std::unique_ptr<DataDir>> Open(env::FileSystem& files, const Config& config);

  // Who this member is: from the folder, else from the configuration.
  const Identity& identity() const { return identity_; }
  const std::string& wal_dir() const { return wal_dir_; }
  std::string store_dir() const { return member_dir_ + "/store"; }

  // To be called once the log exists, before this member sends anything.
  Status MarkComplete();

 private:
  DataDir(env::FileSystem& files, const Config& config);

  Status LockAll(const std::string& data_dir, bool own_wal_dir);
  Status RefuseForeignFiles(const std::string& data_dir);
  Status Load(const Config& config);
  Status Adopt(Identity found, const Config& config);
  bool HasLog();
  Status Save();

  env::FileSystem& files_;
  std::string member_dir_;
  std::string wal_dir_;
  Identity identity_;
  std::vector<std::unique_ptr<env::FileLock>> locks_;
};

}  // namespace cairn::server
