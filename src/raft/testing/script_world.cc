#include "src/raft/testing/script_world.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include "src/base/check.h"
#include "src/raft/testing/describe.h"

namespace cairn::raft::testing {
namespace {

std::pair<std::string, std::string> SplitAt(const std::string& s, char c) {
  const size_t at = s.find(c);
  CHECK(at != std::string::npos, "script: '" + s + "' lacks a '" + std::string(1, c) + "'");
  return {s.substr(0, at), s.substr(at + 1)};
}

uint64_t Number(const std::string& s) { return std::stoull(s); }
NodeId Id(const std::string& s) { return NodeId(Number(s)); }

std::string KindOf(const Message& m) {
  std::istringstream words(Describe(m));  // "1>2 term 3 Kind .."
  std::string word;
  for (int i = 0; i < 4; ++i) words >> word;
  return word;
}

std::string Str(uint64_t v) { return std::to_string(v); }

}  // namespace

std::string ScriptWorld::Handle(const Command& c) {
  out_.clear();
  if (c.name == "cluster") {
    cluster_command_ = c;
    Start(c);
  } else if (c.name == "reset") {
    Start(cluster_command_);
  } else if (c.name == "trace") {
    const std::map<std::string, Trace> kinds = {{"all", Trace::kAll},
                                                {"messages", Trace::kMessages},
                                                {"roles", Trace::kRoles},
                                                {"none", Trace::kNone}};
    trace_ = kinds.at(c.args.at(0));
  } else {
    Do(c);
  }
  return std::exchange(out_, {});
}

void ScriptWorld::SetOption(Config& config, const std::string& option) {
  const auto [name, text] = SplitAt(option, '=');
  const uint64_t value = Number(text);
  if (name == "pre_vote") {
    config.pre_vote = value != 0;
  } else if (name == "check_quorum") {
    config.check_quorum = value != 0;
  } else if (name == "max_inflight_messages") {
    config.max_inflight_messages = static_cast<uint32_t>(value);
  } else {
    std::map<std::string, size_t*> sizes = {
        {"max_append_bytes", &config.max_append_bytes},
        {"max_inflight_bytes", &config.max_inflight_bytes},
        {"max_uncommitted_bytes", &config.max_uncommitted_bytes},
        {"max_committed_bytes", &config.max_committed_bytes},
        {"max_cache_bytes", &config.max_cache_bytes}};
    CHECK(sizes.contains(name), "script: no option " + name);
    *sizes[name] = value;
  }
}

void ScriptWorld::Start(const Command& c) {
  Config config;
  config.election_ticks = 10;
  config.election_spread_ticks = 10;
  config.heartbeat_ticks = 2;
  config.check_invariants = true;
  for (size_t i = 1; i < c.args.size(); ++i) SetOption(config, c.args[i]);
  const std::string& size = c.args.at(0);
  const uint64_t voters = Number(size);
  const uint64_t all =
      size.find('+') == std::string::npos ? voters : voters + Number(SplitAt(size, '+').second);
  ConfState conf;
  for (uint64_t i = 1; i <= all; ++i) (i <= voters ? conf.voters : conf.learners).emplace_back(i);

  cluster_ = std::make_unique<Cluster>(config, conf);
  oracle_ = std::make_unique<Oracle>(*cluster_);
  for (uint64_t i = 1; i <= all; ++i) {
    std::string line;
    for (const std::string& input : c.input) {
      const auto [id, rest] = SplitAt(input, ':');
      if (Number(id) == i) line = rest;
    }
    AddFromLine(NodeId(i), line);
  }
  cluster_->set_watcher(oracle_.get());
  cluster_->set_trace([this](const std::string& line) {
    const bool message = line.find('>') != std::string::npos;
    const bool applies = line.find(" applies ") != std::string::npos;
    if (trace_ == Trace::kNone || (applies && trace_ != Trace::kAll)) return;
    if (!message || trace_ != Trace::kRoles) Print(line);
  });
}

void ScriptWorld::AddFromLine(NodeId id, const std::string& line) {
  Disk disk;
  uint64_t applied = 0;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    const auto [key, value] = SplitAt(word, '=');
    if (key == "terms") {
      std::istringstream terms(value);
      for (std::string term; std::getline(terms, term, ',');) {
        const LogIndex index = disk.last_index().Next();
        disk.entries.push_back({Term(Number(term)), index, EntryType::kNormal,
                                SharedBytes::Copy("old " + term + "." + Str(index.value))});
      }
      disk.hard_state.term = std::max(disk.hard_state.term, disk.entries.back().term);
    } else if (key == "term") {
      disk.hard_state.term = Term(Number(value));
    } else if (key == "vote") {
      disk.hard_state.vote = Id(value);
    } else if (key == "commit") {
      disk.hard_state.commit = LogIndex(Number(value));
    } else {
      CHECK(key == "applied", "script: no key " + key);
      applied = Number(value);
    }
  }
  cluster_->Add(id, std::move(disk), LogIndex(applied));
}

void ScriptWorld::Do(const Command& c) {
  if (c.name == "run") {
    cluster_->Run();
  } else if (c.name == "elapse") {
    Elapse(std::stoi(c.args.at(0)));
  } else if (c.name == "cut") {
    for (const std::string& way : c.args) {
      const auto [from, to] = SplitAt(way, '>');
      cluster_->Cut(Id(from), Id(to));
    }
  } else if (c.name == "partition") {
    Partition(c.args);
  } else if (c.name == "heal") {
    cluster_->Heal();
  } else if (c.name == "status") {
    PrintStatus();
  } else if (c.name == "logs") {
    PrintLogs();
  } else if (c.name == "network") {
    for (const Message& m : cluster_->network()) Print(Describe(m));
  } else if (c.name == "deliver" || c.name == "drop" || c.name == "double") {
    DoOnNetwork(c);
  } else {
    CHECK(DoOnNode(c), "script: no command " + c.name);
  }
}

bool ScriptWorld::DoOnNode(const Command& c) {
  const NodeId id = Id(c.args.at(0));
  const uint64_t n = c.args.size() > 1 && c.name != "propose" ? Number(c.args[1]) : 0;
  if (c.name == "campaign") {
    cluster_->Step(id, Campaign{});
  } else if (c.name == "propose") {
    DoPropose(id, c);
  } else if (c.name == "read") {
    cluster_->Read(id, ReadId(n));
  } else if (c.name == "tick") {
    for (uint64_t i = 0; i < std::max<uint64_t>(n, 1); ++i) cluster_->Step(id, Tick{});
  } else if (c.name == "ready") {
    while (cluster_->TakeReady(id)) {
    }
  } else if (c.name == "write") {
    for (uint64_t i = 0; (n == 0 || i < n) && cluster_->CompleteWrite(id); ++i) {
    }
  } else if (c.name == "fetch") {
    while (cluster_->AnswerLogRead(id)) {
    }
  } else if (c.name == "hold-disk") {
    cluster_->held_disks().insert(id);
  } else if (c.name == "release-disk") {
    cluster_->held_disks().erase(id);
  } else if (c.name == "crash") {
    cluster_->Crash(id, n);
  } else if (c.name == "restart") {
    cluster_->Restart(id);
  } else if (c.name == "flush") {
    cluster_->Flush(id);
  } else if (c.name == "compact") {
    cluster_->Compact(id, LogIndex(n));
  } else if (c.name == "peers") {
    PrintPeers(id);
  } else {
    return false;
  }
  return true;
}

void ScriptWorld::DoPropose(NodeId id, const Command& c) {
  std::vector<std::string> values;
  if (c.args.at(1).starts_with("count=")) {
    const uint64_t count = Number(SplitAt(c.args[1], '=').second);
    const uint64_t size = Number(SplitAt(c.args.at(2), '=').second);
    values.assign(count, std::string(size, 'x'));
  } else {
    values.assign(c.args.begin() + 1, c.args.end());
  }
  for (const std::string& value : values) {
    const Result<EntryId> r = cluster_->Propose(id, SharedBytes::Copy(value));
    Print(r.ok() ? "at " + Describe(*r) : r.status().ToString());
  }
}

void ScriptWorld::DoOnNetwork(const Command& c) {
  const auto [from, to] = SplitAt(c.args.at(0), '>');
  const bool all = c.args.back() == "all";
  const std::string kind = c.args.size() > 1 && c.args[1] != "all" ? c.args[1] : "";
  std::deque<Message>& network = cluster_->network();
  size_t found = 0;
  for (size_t i = 0; i < network.size() && (all || found == 0);) {
    const Message& m = network[i];
    if (m.from != Id(from) || m.to != Id(to) || (!kind.empty() && KindOf(m) != kind)) {
      ++i;
      continue;
    }
    ++found;
    if (c.name == "deliver") {
      cluster_->Deliver(i);
    } else if (c.name == "drop") {
      network.erase(network.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      network.push_back(Message(m));
      return;
    }
  }
  if (found == 0) Print("no such message");
}

// "1 2 / 3": no link between the sides.
void ScriptWorld::Partition(const std::vector<std::string>& args) {
  std::vector<std::vector<NodeId>> sides(1);
  for (const std::string& arg : args) {
    if (arg == "/") {
      sides.emplace_back();
    } else {
      sides.back().push_back(Id(arg));
    }
  }
  for (const auto& a : sides) {
    for (const auto& b : sides) {
      if (&a == &b) continue;
      for (const NodeId from : a) {
        for (const NodeId to : b) cluster_->Cut(from, to);
      }
    }
  }
}

void ScriptWorld::Elapse(int ticks) {
  for (; ticks > 0; --ticks) {
    for (Node& n : cluster_->nodes()) cluster_->Step(n.id, Tick{});
    cluster_->Run();
  }
}

void ScriptWorld::PrintStatus() {
  for (const Node& n : cluster_->nodes()) {
    if (n.raw == nullptr) {
      Print(Str(n.id.value) + " down");
      continue;
    }
    const NodeStatus s = n.raw->status();
    std::ostringstream os;
    os << s.id << " " << Describe(s.role) << " term " << s.term << " vote " << s.vote << " leader "
       << s.leader << " last " << Describe(EntryId{*n.raw->TermAt(s.last_index), s.last_index})
       << " stable " << s.stable_index << " commit " << s.commit_index << " applied "
       << s.applied_index << " everywhere " << s.everywhere;
    if (s.uncommitted_bytes > 0) os << " uncommitted " << s.uncommitted_bytes;
    if (s.ignored_messages > 0) os << " ignored " << s.ignored_messages;
    Print(os.str());
  }
}

void ScriptWorld::PrintPeers(NodeId id) {
  for (const PeerStatus& p : cluster_->node(id).raw->status().peers) {
    Print(Str(p.id.value) + " " + Describe(p.state) + " match " + Str(p.match.value) + " next " +
          Str(p.next.value) + (p.recent_active ? "" : " silent") +
          (p.needs_snapshot ? " needs a snapshot" : ""));
  }
}

// The terms of each node's entries; those not durable in brackets.
void ScriptWorld::PrintLogs() {
  for (const Node& n : cluster_->nodes()) {
    std::string line = Str(n.id.value) + ":";
    if (n.raw == nullptr) {
      for (const Entry& e : n.disk.entries) line += " " + Str(e.term.value);
      Print(line + " (down)");
      continue;
    }
    const NodeStatus s = n.raw->status();
    if (s.first_index > LogIndex(1)) line += " (cut to " + Str(s.first_index.value - 1) + ")";
    for (LogIndex i = s.first_index; i <= s.last_index; i = i.Next()) {
      const std::string term = Str(n.raw->TermAt(i)->value);
      line += i <= s.stable_index ? " " + term : " [" + term + "]";
    }
    Print(line + ", commit " + Str(s.commit_index.value));
  }
}

}  // namespace cairn::raft::testing
