// ReadView: what a request may read, whether it stands alone (the store) or in an entry that is
// being applied (its transaction, with the changes made so far).
#pragma once

#include <cstdint>

#include "src/base/status.h"
#include "src/mvcc/store.h"

namespace cairn::apply {

class ReadView {
 public:
  // As mvcc::Store::Range. OutOfRange is an answer for the client; every other error means that the
  // files could not be read.
  virtual Result<mvcc::RangeSummary> Range(const mvcc::RangeQuery& query, mvcc::Visitor visit) = 0;
  // The revision that an answer given now carries.
  virtual int64_t revision() const = 0;

 protected:
  ~ReadView() = default;
};

class StoreView final : public ReadView {
 public:
  explicit StoreView(mvcc::Store& store) : store_(store) {}
  Result<mvcc::RangeSummary> Range(const mvcc::RangeQuery& query, mvcc::Visitor visit) override {
    return store_.Range(query, visit);
  }
  int64_t revision() const override { return store_.revision(); }

 private:
  mvcc::Store& store_;
};

class TxnView final : public ReadView {
 public:
  explicit TxnView(mvcc::WriteTxn& txn) : txn_(txn) {}
  Result<mvcc::RangeSummary> Range(const mvcc::RangeQuery& query, mvcc::Visitor visit) override {
    return txn_.Range(query, visit);
  }
  int64_t revision() const override { return txn_.revision(); }

 private:
  mvcc::WriteTxn& txn_;
};

}  // namespace cairn::apply
