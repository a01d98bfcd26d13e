// Clients: each sends one request at a time to some member, writes down what it asked and what it
// heard, and never asks for the same thing twice: a request whose outcome is unknown stays open in
// the history.
//
// They stand where the front end stands: requests are posted to the member's loop and answered
// there. An answer counts once it has left the member, so one that dies first has said nothing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/checkers/history.h"
#include "sim/cluster.h"

namespace cairn::sim {

class Clients {
 public:
  Clients(env::sim::World& world, Cluster& cluster, const RunOptions& options);

  // Every client begins; they go on until Stop.
  void Start();
  // No new requests.
  void Stop() { stopped_ = true; }
  bool Idle() const { return busy_ == 0; }
  // One read of every key at every member, each waited for. False when one did not succeed by
  // `deadline`.
  bool ReadEverything(env::Time deadline);

  const History& history() const { return history_; }
  std::vector<std::string> keys() const;
  // Requests that each client saw succeed since the last ResetProgress.
  bool AllMadeProgress(size_t least) const;
  void ResetProgress();

 private:
  struct Client {
    size_t number = 0;
    size_t member = 0;
    size_t progress = 0;
    uint64_t request = 0;  // the one it waits for; answers to others come too late
    std::map<std::string, Value> known = {};  // what it read or wrote last: swaps expect that
  };
  struct Answer {
    Outcome outcome = Outcome::kUnknown;
    std::string error;
    int64_t revision = 0;
    bool succeeded = false;
    std::map<std::string, Found> found = {};
  };

  void Next(Client& client);
  void Think(Client& client);
  Operation Draw(Client& client);
  std::string FreshValueText(Value value);
  void Ask(Client& client, size_t number, absl::AnyInvocable<void()> then);
  void AskMember(env::sim::Process& process, server::Member& member, const Operation& op,
                 absl::AnyInvocable<void(Answer)> answer);
  void Propose(env::sim::Process& process, server::Member& member, const Operation& op,
               absl::AnyInvocable<void(Answer)> answer);
  void Read(env::sim::Process& process, server::Member& member, const Operation& op,
            absl::AnyInvocable<void(Answer)> answer);
  static Answer FromError(const Status& status);
  static Answer Decode(const Operation& op, const std::string& bytes);
  void Record(Client& client, size_t number, Answer answer);

  env::sim::World& world_;
  Cluster& cluster_;
  const RunOptions& options_;
  Random random_;
  History history_;
  std::vector<std::unique_ptr<Client>> clients_;
  Value last_value_ = 0;
  std::map<Value, int64_t> revision_of_;  // that wrote the value, as some client heard
  std::vector<std::shared_ptr<absl::AnyInvocable<void()>>> readers_;
  size_t busy_ = 0;  // clients that wait for an answer
  uint64_t last_request_ = 0;
  bool stopped_ = false;
};

}  // namespace cairn::sim
