// Transactions: decide, check, do. All conditions, those of nested transactions on the branches
// taken too, are decided before anything is changed; then everything that the taken branches ask
// for is checked, so that a transaction that cannot be done whole is refused while nothing has
// happened yet; then it is done.
#pragma once

#include <string>
#include <vector>

#include "src/apply/answer.h"
#include "src/apply/requests.h"
#include "src/apply/view.h"
#include "src/base/status.h"
#include "src/mvcc/store.h"

namespace cairn::apply {

// Whether each transaction reached holds: the outer one first, nested ones in the order in which
// the branches taken name them.
using TxnPath = std::vector<bool>;

// An error means that the store could not be read.
Result<TxnPath> DecideTxn(ReadView& view, const TxnRequest& txn);

// Refuses a transaction whose taken branches cannot be done: a range at a revision that is not
// there, a put that keeps the value or lease of a missing key, a put under a lease that is not
// there.
Status CheckTxn(ReadView& view, const TxnRequest& txn, const TxnPath& path);

// True when no branch, however nested, changes anything.
bool IsReadOnly(const TxnRequest& txn);

// A read-only transaction, whole: appends the TxnResponse to *to, or nothing on an error.
Status AppendReadOnlyTxn(ReadView& view, const TxnRequest& txn, const HeaderBase& base,
                         std::string* to);

// What came of doing a command or a part of it.
struct Done {
  Status store;   // not Ok: the store failed, nothing can be said about the entry's effects
  Status answer;  // not Ok: done, but there is no answer that could be sent
};

// The single operations, as parts of an entry. Each appends its response to *to unless `to` is
// null; then nothing is read that only the answer needs. They do not check: see CheckPut and
// CheckTxn.
Done DoPut(mvcc::WriteTxn& txn, const PutRequest& put, const HeaderBase& base, std::string* to);
Done DoDeleteRange(mvcc::WriteTxn& txn, const DeleteRangeRequest& request, const HeaderBase& base,
                   std::string* to);
// `path` comes from DecideTxn in the same entry, and CheckTxn has passed.
Done DoTxn(mvcc::WriteTxn& txn, const TxnRequest& request, const TxnPath& path,
           const HeaderBase& base, std::string* to);

// The refusals of a put that stand outside the request itself.
Status CheckLease(int64_t lease);
Status CheckKept(ReadView& view, const PutRequest& put);

}  // namespace cairn::apply
