#include "sim/client.h"

#include <algorithm>

#include "proto/etcd/rpc.pb.h"
#include "src/apply/command.h"

namespace cairn::sim {

using env::Duration;
using env::milliseconds;
using env::sim::Process;

namespace {

Found FromKeyValue(const mvccpb::KeyValue& kv) {
  return {ParseValue(kv.value()), kv.mod_revision(), kv.version()};
}

}  // namespace

Clients::Clients(env::sim::World& world, Cluster& cluster, const RunOptions& options)
    : world_(world), cluster_(cluster), options_(options), random_(world.random().Fork()) {
  for (size_t i = 0; i < options.clients; ++i) {
    clients_.push_back(
        std::make_unique<Client>(Client{.number = i, .member = i % options.members}));
  }
}

std::vector<std::string> Clients::keys() const {
  std::vector<std::string> keys;
  for (size_t i = 0; i < options_.keys; ++i) keys.push_back("k" + std::to_string(i));
  return keys;
}

void Clients::Start() {
  stopped_ = false;
  for (const auto& client : clients_) Think(*client);
}

bool Clients::AllMadeProgress(size_t least) const {
  return std::all_of(clients_.begin(), clients_.end(),
                     [&](const auto& c) { return c->progress >= least; });
}

void Clients::ResetProgress() {
  for (const auto& client : clients_) client->progress = 0;
}

void Clients::Think(Client& client) {
  const auto time = random_.Below(static_cast<uint64_t>(options_.think_time_max.count()) + 1);
  world_.After(Duration(time), [this, &client] { Next(client); });
}

void Clients::Next(Client& client) {
  if (stopped_) return;
  if (random_.Chance(0.1)) client.member = random_.Below(cluster_.size());
  const size_t number = history_.Invoke(Draw(client));
  Ask(client, number, [this, &client] { Think(client); });
}

Operation Clients::Draw(Client& client) {
  Operation op;
  op.client = client.number;
  op.member = client.member;
  op.key = "k" + std::to_string(random_.Below(options_.keys));
  const uint64_t dice = random_.Below(100);
  if (dice < 35) {
    op.kind = OpKind::kPut;
  } else if (dice < 60) {
    op.kind = OpKind::kGet;
  } else if (dice < 67) {
    op.kind = OpKind::kDelete;
  } else if (dice < 90) {
    op.kind = OpKind::kSwap;
    op.expected = client.known[op.key];
  } else {
    op.kind = OpKind::kRange;
    op.key = "k" + std::to_string(random_.Below(options_.keys));
    op.range_end = "l";
  }
  if (op.kind == OpKind::kPut || op.kind == OpKind::kSwap) op.argument = ++last_value_;
  return op;
}

// Sends operation `number`; `then` runs when the client has heard, or has waited long enough.
void Clients::Ask(Client& client, size_t number, absl::AnyInvocable<void()> then) {
  ++busy_;
  const uint64_t request = ++last_request_;
  client.request = request;
  auto next = std::make_shared<absl::AnyInvocable<void()>>(std::move(then));
  const auto settle = [this, &client, number, request, next](Answer answer) {
    if (client.request != request) return;
    client.request = 0;
    --busy_;
    Record(client, number, std::move(answer));
    (*next)();
  };
  const Operation& op = history_.at(number);
  Process* process = cluster_.host(op.member).process();
  if (process == nullptr) {
    client.member = random_.Below(cluster_.size());
    world_.After(milliseconds(1), [settle] { settle({Outcome::kFailed, "connection refused"}); });
    return;
  }
  const uint64_t serial = process->serial();
  process->Post([this, number, process, serial, settle] {
    const Operation& asked = history_.at(number);
    const auto answer = [this, process, serial, settle, member = asked.member](Answer a) {
      if (!process->alive()) return;
      // It has left once the turn has come this far, if the process still lives then.
      world_.At(process->Moment(), [this, serial, settle, member, a = std::move(a)]() mutable {
        const Process* now = cluster_.host(member).process();
        if (now != nullptr && now->serial() == serial) settle(std::move(a));
      });
    };
    server::Member* member = cluster_.member(asked.member);
    if (member == nullptr) {
      answer({Outcome::kFailed, "not open yet"});
    } else {
      AskMember(*process, *member, asked, answer);
    }
  });
  world_.After(options_.request_timeout + milliseconds(200), [settle] {
    settle({Outcome::kUnknown, "the client waits no longer"});
  });
}

void Clients::AskMember(Process& process, server::Member& member, const Operation& op,
                        absl::AnyInvocable<void(Answer)> answer) {
  if (op.kind == OpKind::kGet || op.kind == OpKind::kRange) {
    Read(process, member, op, std::move(answer));
  } else {
    Propose(process, member, op, std::move(answer));
  }
}

std::string Clients::FreshValueText(Value value) {
  std::string text = ValueText(value);
  text.resize(text.size() + random_.Below(options_.value_bytes_max + 1), '.');
  return text;
}

void Clients::Propose(Process& process, server::Member& member, const Operation& op,
                      absl::AnyInvocable<void(Answer)> answer) {
  std::string message, command;
  apply::CommandKind kind = apply::CommandKind::kPut;
  if (op.kind == OpKind::kPut) {
    etcdserverpb::PutRequest put;
    put.set_key(op.key);
    put.set_value(FreshValueText(op.argument));
    message = put.SerializeAsString();
  } else if (op.kind == OpKind::kDelete) {
    kind = apply::CommandKind::kDeleteRange;
    etcdserverpb::DeleteRangeRequest erase;
    erase.set_key(op.key);
    message = erase.SerializeAsString();
  } else {
    kind = apply::CommandKind::kTxn;
    etcdserverpb::TxnRequest txn;
    auto* compare = txn.add_compare();
    compare->set_key(op.key);
    compare->set_result(etcdserverpb::Compare::EQUAL);
    if (op.expected == 0) {
      compare->set_target(etcdserverpb::Compare::CREATE);
      compare->set_create_revision(0);
    } else {
      // Values are padded, so the one that is expected is named by the revision that wrote it.
      compare->set_target(etcdserverpb::Compare::MOD);
      compare->set_mod_revision(revision_of_.at(op.expected));
    }
    auto* put = txn.add_success()->mutable_request_put();
    put->set_key(op.key);
    put->set_value(FreshValueText(op.argument));
    txn.add_failure()->mutable_request_range()->set_key(op.key);
    message = txn.SerializeAsString();
  }
  apply::EncodeCommand(kind, message, &command);
  auto shared = std::make_shared<absl::AnyInvocable<void(Answer)>>(std::move(answer));
  member.replica().Propose(command, process.Now() + options_.request_timeout,
                           [shared, op](Result<std::string> reply) {
                             (*shared)(reply.ok() ? Decode(op, *reply) : FromError(reply.status()));
                           });
}

void Clients::Read(Process& process, server::Member& member, const Operation& op,
                   absl::AnyInvocable<void(Answer)> answer) {
  auto shared = std::make_shared<absl::AnyInvocable<void(Answer)>>(std::move(answer));
  member.replica().ReadIndex(
      process.Now() + options_.request_timeout, [shared, op, &member](const Status& status) {
        if (!status.ok()) {
          (*shared)({Outcome::kFailed, status.ToString()});  // a read changes nothing
          return;
        }
        Answer read{Outcome::kOk, ""};
        mvcc::RangeQuery query;
        query.keys = {op.key, op.range_end};
        const auto summary = member.store().Range(query, [&](const mvcc::KeyValue& kv) {
          read.found[std::string(kv.key)] = {ParseValue(kv.value), kv.mod_revision, kv.version};
        });
        read.revision = member.store().revision();
        if (!summary.ok()) read = {Outcome::kFailed, summary.status().ToString()};
        (*shared)(std::move(read));
      });
}

Clients::Answer Clients::FromError(const Status& status) {
  return {status.outcome_unknown() ? Outcome::kUnknown : Outcome::kFailed, status.ToString()};
}

Clients::Answer Clients::Decode(const Operation& op, const std::string& bytes) {
  Answer answer{Outcome::kOk, ""};
  if (op.kind == OpKind::kPut) {
    etcdserverpb::PutResponse put;
    CHECK(put.ParseFromString(bytes));
    answer.revision = put.header().revision();
    answer.succeeded = true;
  } else if (op.kind == OpKind::kDelete) {
    etcdserverpb::DeleteRangeResponse erased;
    CHECK(erased.ParseFromString(bytes));
    answer.revision = erased.header().revision();
    answer.succeeded = erased.deleted() > 0;
  } else {
    etcdserverpb::TxnResponse txn;
    CHECK(txn.ParseFromString(bytes));
    CHECK_EQ(txn.responses_size(), 1);
    answer.revision = txn.header().revision();
    answer.succeeded = txn.succeeded();
    for (const auto& kv : txn.responses(0).response_range().kvs())
      answer.found[kv.key()] = FromKeyValue(kv);
  }
  return answer;
}

void Clients::Record(Client& client, size_t number, Answer answer) {
  Operation& op = history_.at(number);
  op.error = std::move(answer.error);
  op.revision = answer.revision;
  op.succeeded = answer.succeeded;
  op.found = std::move(answer.found);
  history_.Return(number, answer.outcome);
  if (answer.outcome != Outcome::kOk) {
    // Elsewhere it may go better.
    if (random_.Chance(0.5)) client.member = random_.Below(cluster_.size());
    return;
  }
  ++client.progress;
  for (const auto& [key, found] : op.found) {
    client.known[key] = found.value;
    revision_of_[found.value] = found.mod_revision;
  }
  const bool wrote = op.kind == OpKind::kPut || (op.kind == OpKind::kSwap && op.succeeded);
  if (wrote) {
    client.known[op.key] = op.argument;
    revision_of_[op.argument] = op.revision;
  } else if (op.kind == OpKind::kDelete || (op.kind != OpKind::kRange && op.found.empty())) {
    client.known[op.key] = 0;
  }
}

bool Clients::ReadEverything(env::Time deadline) {
  size_t left = 0;
  for (size_t m = 0; m < cluster_.size(); ++m) {
    auto reader = std::make_shared<absl::AnyInvocable<void()>>();
    clients_.push_back(std::make_unique<Client>(Client{.number = clients_.size(), .member = m}));
    Client& client = *clients_.back();
    ++left;
    *reader = [this, &client, &left, m, again = std::weak_ptr(reader)] {
      if (client.progress == 1) {
        --left;
        return;
      }
      Operation op;
      op.client = client.number;
      op.member = m;
      op.kind = OpKind::kRange;
      op.key = "k";
      op.range_end = "l";
      const size_t number = history_.Invoke(op);
      Ask(client, number, [this, again] {
        world_.After(milliseconds(50), [again] {
          if (auto once_more = again.lock(); once_more != nullptr) (*once_more)();
        });
      });
    };
    readers_.push_back(reader);
    (*reader)();
  }
  const bool all = world_.RunUntil(deadline, [&] { return left == 0; });
  readers_.clear();
  return all;
}

}  // namespace cairn::sim
