#include "src/raft/testing/describe.h"

#include <sstream>
#include <variant>

namespace cairn::raft::testing {
namespace {

struct BodyDescriber {
  std::ostream& os;

  void operator()(const RequestPreVote& r) { os << "RequestPreVote last " << Describe(r.last); }
  void operator()(const RequestPreVoteReply& r) {
    os << "RequestPreVoteReply " << Granted(r.granted);
  }
  void operator()(const RequestVote& r) { os << "RequestVote last " << Describe(r.last); }
  void operator()(const RequestVoteReply& r) { os << "RequestVoteReply " << Granted(r.granted); }
  void operator()(const AppendEntries& a) {
    os << "AppendEntries prev " << Describe(a.prev) << " [";
    // Long batches are cut in the middle.
    const size_t n = a.entries.size();
    for (size_t i = 0; i < n; ++i) {
      if (n > 6 && i == 2) {
        os << ", ..";
        i = n - 2;
      }
      os << (i > 0 ? ", " : "") << Describe(a.entries[i]);
    }
    os << "] commit " << a.commit;
    if (a.round > 1) os << " round " << a.round;
  }
  void operator()(const AppendEntriesReply& r) {
    os << "AppendEntriesReply ";
    if (r.accepted) {
      os << "match " << r.match;
    } else {
      os << "refused " << r.rejected << " hint " << Describe(r.hint);
    }
    if (r.round > 1) os << " round " << r.round;
  }
  void operator()(const Heartbeat& h) {
    os << "Heartbeat commit " << h.commit << " everywhere " << h.everywhere << " round " << h.round;
  }
  void operator()(const HeartbeatReply& r) { os << "HeartbeatReply round " << r.round; }
  void operator()(const ReadIndex& r) { os << "ReadIndex id " << r.id; }
  void operator()(const ReadIndexReply& r) {
    os << "ReadIndexReply id " << r.id << " index " << r.index;
  }

  static const char* Granted(bool granted) { return granted ? "granted" : "refused"; }
};

}  // namespace

std::string Describe(EntryId id) {
  std::ostringstream os;
  os << id.term << "/" << id.index;
  return os.str();
}

std::string Describe(const Entry& entry) {
  const std::string id = Describe(entry.id());
  if (entry.type == EntryType::kNoOp) return id + " no-op";
  if (entry.data.size() > 24) return id + " (" + std::to_string(entry.data.size()) + " bytes)";
  return id + " \"" + std::string(entry.data.view()) + "\"";
}

std::string Describe(const Message& m) {
  std::ostringstream os;
  os << m.from << ">" << m.to << " term " << m.term << " ";
  std::visit(BodyDescriber{os}, m.body);
  return os.str();
}

std::string Describe(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  return "?";
}

std::string Describe(ProgressState state) {
  switch (state) {
    case ProgressState::kProbe:
      return "probe";
    case ProgressState::kReplicate:
      return "replicate";
    case ProgressState::kSnapshot:
      return "snapshot";
  }
  return "?";
}

}  // namespace cairn::raft::testing
