#include "src/server/data_dir.h"

#include <algorithm>
#include <array>
#include <utility>

#include "src/base/checksum.h"
#include "src/base/log.h"
#include "src/base/wire.h"
#include "src/server/text.h"

namespace cairn::server {
namespace {

constexpr std::string_view kMagic = "cairn-id";
constexpr uint32_t kVersion = 1;
constexpr uint8_t kComplete = 1;
constexpr size_t kChecksumBytes = 8;
// More than any real identity, so that a damaged file cannot make the process grow.
constexpr uint64_t kMostMembers = 1024;
constexpr uint64_t kMostUrls = 64;

Status Refused(std::string message) {
  return {StatusCode::kFailedPrecondition, std::move(message)};
}

Status Damaged(std::string_view why) {
  return {StatusCode::kDataLoss, "the identity file is damaged: " + std::string(why)};
}

bool ReadMember(WireReader& in, membership::Member* member) {
  member->id = NodeId(in.U64());
  member->name = in.String();
  const uint64_t urls = in.Varint();
  if (!in.ok() || urls == 0 || urls > kMostUrls) return false;
  for (uint64_t i = 0; i < urls; ++i) {
    member->peer_urls.emplace_back(in.String());
  }
  return in.ok();
}

}  // namespace

std::string EncodeIdentity(const Identity& identity) {
  std::string bytes(kMagic);
  WireWriter out(&bytes);
  out.U32(kVersion);
  out.U8(identity.complete ? kComplete : 0);
  out.U64(identity.cluster.value);
  out.U64(identity.self.value);
  out.String(identity.name);
  out.String(identity.token);
  out.Varint(identity.first_members.size());
  for (const membership::Member& member : identity.first_members) {
    out.U64(member.id.value);
    out.String(member.name);
    out.Varint(member.peer_urls.size());
    for (const std::string& url : member.peer_urls) out.String(url);
  }
  out.U64(Checksum(bytes));
  return bytes;
}

Result<Identity> DecodeIdentity(std::string_view bytes) {
  if (bytes.size() < kMagic.size() + kChecksumBytes || !bytes.starts_with(kMagic)) {
    return Damaged("it does not begin as one");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - kChecksumBytes);
  if (WireReader(bytes.substr(body.size())).U64() != Checksum(body)) {
    return Damaged("its checksum is wrong");
  }
  WireReader in(body.substr(kMagic.size()));
  if (const uint32_t version = in.U32(); version != kVersion) {
    return Damaged("its version is " + std::to_string(version) + ", this program reads version " +
                   std::to_string(kVersion));
  }
  Identity identity;
  identity.complete = (in.U8() & kComplete) != 0;
  identity.cluster = ClusterId(in.U64());
  identity.self = NodeId(in.U64());
  identity.name = in.String();
  identity.token = in.String();
  const uint64_t members = in.Varint();
  if (!in.ok() || members == 0 || members > kMostMembers) return Damaged("a list is too long");
  for (uint64_t i = 0; i < members; ++i) {
    if (!ReadMember(in, &identity.first_members.emplace_back()))
      return Damaged("a member is malformed");
  }
  if (!in.done()) return Damaged("bytes are left over");
  return identity;
}

DataDir::DataDir(env::FileSystem& files, const Config& config)
    : files_(files), member_dir_(config.data_dir + "/member"), wal_dir_(config.wal_dir) {}

Result<std::unique_ptr<DataDir>> DataDir::Open(env::FileSystem& files, const Config& config) {
  std::unique_ptr<DataDir> dir(new DataDir(files, config));
  if (Status s = dir->RefuseForeignFiles(config.data_dir); !s.ok()) return s;
  if (Status s = files.CreateDirectories(dir->member_dir_); !s.ok()) {
    return Status(s.code(), "cannot create the data directory " + Quoted(config.data_dir) + ": " +
                                s.message());
  }
  const bool own_wal_dir = dir->wal_dir_ != dir->member_dir_ + "/wal";
  if (Status s = dir->LockAll(config.data_dir, own_wal_dir); !s.ok()) return s;
  if (Status s = dir->Load(config); !s.ok()) return s;
  return dir;
}

Status DataDir::LockAll(const std::string& data_dir, bool own_wal_dir) {
  if (own_wal_dir) {
    if (Status s = files_.CreateDirectories(wal_dir_); !s.ok()) {
      return {s.code(),
              "cannot create the log's directory " + Quoted(wal_dir_) + ": " + s.message()};
    }
  }
  const std::array<std::pair<std::string, std::string>, 2> paths = {
      std::pair{member_dir_ + "/LOCK", data_dir}, std::pair{wal_dir_ + ".LOCK", wal_dir_}};
  for (const auto& [path, shown] : std::span(paths).first(own_wal_dir ? 2 : 1)) {
    auto lock = files_.Lock(path);
    if (!lock.ok() && lock.status().code() == StatusCode::kUnavailable) {
      return {StatusCode::kUnavailable, "the data directory " + Quoted(shown) +
                                            " is in use by another process; stop it, or give this "
                                            "member a directory of its own"};
    }
    if (!lock.ok()) {
      return {lock.status().code(),
              "cannot lock the data directory " + Quoted(shown) + ": " + lock.status().message()};
    }
    locks_.push_back(*std::move(lock));
  }
  return OkStatus();
}

Status DataDir::RefuseForeignFiles(const std::string& data_dir) {
  for (const std::string_view name : {"/member/snap/db", "/member/snap", "/proxy"}) {
    if (!files_.Exists(data_dir + std::string(name))) continue;
    return Refused("the data directory " + Quoted(data_dir) + " holds data of etcd (" +
                   Quoted(name.substr(1)) +
                   "), which is another format; give this member a directory of its own");
  }
  return OkStatus();
}

Status DataDir::Load(const Config& config) {
  const std::string path = member_dir_ + "/identity";
  if (files_.Exists(path)) {
    auto bytes = ReadWholeFile(files_, path);
    if (!bytes.ok()) return bytes.status();
    auto found = DecodeIdentity(*bytes);
    if (!found.ok()) {
      return {found.status().code(), Quoted(path) + ": " + found.status().message() +
                                         "; restore it from a copy, or start this member anew"};
    }
    return Adopt(*std::move(found), config);
  }
  if (HasLog()) {
    return Refused("there is a log in " + Quoted(wal_dir_) + " but " + Quoted(path) +
                   " is missing, so it is not known whose it is; restore the file, or give this "
                   "member an empty directory");
  }
  if (config.initial_cluster_state_existing) {
    return Refused("the data directory " + Quoted(config.data_dir) +
                   " is empty and joining an existing cluster is not possible yet; start the first "
                   "members with --initial-cluster-state=new");
  }
  identity_ = {.cluster = config.cluster,
               .self = config.self,
               .name = config.name,
               .token = config.initial_cluster_token,
               .first_members = config.initial_cluster};
  if (Status s = Save(); !s.ok()) return s;
  // The names on the way to the file are as durable as the file.
  return files_.SyncDirectory(config.data_dir);
}

Status DataDir::Adopt(Identity found, const Config& config) {
  const std::string whose =
      "the data directory " + Quoted(config.data_dir) + " belongs to member " + Quoted(found.name) +
      " (id " + log::Hex(found.self.value) + ") of cluster " + log::Hex(found.cluster.value);
  if (config.name_given && config.name != found.name) {
    return Refused(whose + ", not to member " + Quoted(config.name) +
                   "; correct --data-dir or --name");
  }
  // Members that joined later are started with "existing" and with whoever was there at the time.
  const bool names_first_members =
      config.initial_cluster_given && !config.initial_cluster_state_existing;
  if (names_first_members && (found.cluster != config.cluster || found.self != config.self)) {
    return Refused(whose + " (--initial-cluster=" + ToString(found.first_members) +
                   " --initial-cluster-token=" + found.token +
                   "), but the flags describe member id " + log::Hex(config.self.value) +
                   " of cluster " + log::Hex(config.cluster.value) +
                   "; correct them or --data-dir");
  }
  if (found.complete && !HasLog()) {
    return Refused(
        whose + " but its log in " + Quoted(wal_dir_) +
        " is missing; restore it (is --wal-dir right?), or remove the member and start it "
        "anew with an empty directory");
  }
  identity_ = std::move(found);
  return OkStatus();
}

bool DataDir::HasLog() {
  if (!files_.Exists(wal_dir_)) return false;
  auto names = files_.List(wal_dir_);
  return names.ok() && !names->empty();
}

Status DataDir::MarkComplete() {
  if (identity_.complete) return OkStatus();
  identity_.complete = true;
  return Save();
}

Status DataDir::Save() {
  return ReplaceFile(files_, member_dir_ + "/identity", EncodeIdentity(identity_));
}

}  // namespace cairn::server
