#include "src/http/http1_session.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/status.hpp>
#include <ctime>
#include <optional>
#include <string>
#include <utility>

#include "src/base/check.h"
#include "src/http/connection.h"
#include "src/http/http2_stream.h"

namespace cairn::http {
namespace {

namespace beast = boost::beast;
using ErrorCode = boost::system::error_code;

// Pipelined bytes that wait while a request is served; beyond it the client is not read.
constexpr size_t kPipelineBytes = 64 << 10;

// How long a refused client has to read why, while what it still sends is dropped.
constexpr env::Duration kLinger = env::seconds(2);

std::string_view View(beast::string_view s) { return {s.data(), s.size()}; }

// Puts one request together. Errors of our own are given as an HTTP status beside Beast's error.
class RequestParser final : public beast::http::basic_parser<true> {
 public:
  // Read when the parser is done, or (all but the body) from the end of the header on.
  std::string verb, target, token, body;
  int version = 11;
  bool expects_continue = false;
  bool has_host = false;
  int refusal = 0;  // a status that ends the request, found while reading

 private:
  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view path,
                       int http_version, ErrorCode&) override {
    verb = View(method);
    target = View(path);
    version = http_version;
  }
  void on_response_impl(int, beast::string_view, int, ErrorCode&) override {}
  void on_field_impl(beast::http::field field, beast::string_view, beast::string_view value,
                     ErrorCode& error) override {
    switch (field) {
      case beast::http::field::host:
        if (std::exchange(has_host, true)) Refuse(400, error);
        break;
      case beast::http::field::authorization:
        token = View(value);
        break;
      case beast::http::field::expect:
        if (!absl::EqualsIgnoreCase(absl::string_view(value.data(), value.size()),
                                    "100-continue")) {
          Refuse(417, error);
        }
        expects_continue = true;
        break;
      case beast::http::field::transfer_encoding:
        // A body whose end we cannot find would be read as the next request.
        if (!absl::EqualsIgnoreCase(absl::string_view(value.data(), value.size()), "chunked")) {
          Refuse(501, error);
        }
        break;
      default:
        break;
    }
  }
  void on_header_impl(ErrorCode& error) override {
    if (version >= 11 && !has_host) Refuse(400, error);
  }
  void on_body_init_impl(const boost::optional<uint64_t>&, ErrorCode&) override {}
  size_t on_body_impl(beast::string_view piece, ErrorCode&) override {
    body.append(piece.data(), piece.size());
    return piece.size();
  }
  void on_chunk_header_impl(uint64_t, beast::string_view, ErrorCode&) override {}
  size_t on_chunk_body_impl(uint64_t, beast::string_view piece, ErrorCode&) override {
    body.append(piece.data(), piece.size());
    return piece.size();
  }
  void on_finish_impl(ErrorCode&) override {}

  void Refuse(int status, ErrorCode& error) {
    refusal = status;
    error = beast::http::error::bad_value;
  }
};

int StatusOfParseError(const RequestParser& parser, ErrorCode error) {
  if (parser.refusal != 0) return parser.refusal;
  if (error == beast::http::error::header_limit) return 431;
  if (error == beast::http::error::body_limit) return 413;
  return 400;
}

class Http1Session final : public Session {
 public:
  explicit Http1Session(Connection& connection)
      : connection_(connection),
        server_(connection.server()),
        last_progress_(server_.env.executor.Now()) {}

  bool OnData(std::string_view bytes) override;
  void Fill(std::string& out, size_t limit) override;
  bool finished() const override {
    return closing_ && !serving_ && out_.bytes() == 0 &&
           linger_until_ <= server_.env.executor.Now();
  }
  void OnConnectionClosed() override { serving_ = false; }
  env::Time NextTimer() const override;
  bool OnTimer() override { return NextTimer() > server_.env.executor.Now(); }
  void StartDrain() override;
  void WantFlush() override { connection_.MarkDirty(); }

  void Reply(CallRef, std::string) override {}
  size_t Send(CallRef, std::string) override { return 0; }
  void Finish(CallRef, const Status&) override {}
  size_t UnsentBytes(CallRef ref) const override { return Current(ref) ? out_.bytes() : 0; }
  bool Cancelled(CallRef ref) const override { return !Current(ref); }
  void HttpReply(CallRef ref, int status, std::string_view type, std::string body) override;
  void HttpBegin(CallRef ref, int status, std::string_view type) override;
  size_t HttpSend(CallRef ref, std::string piece) override;
  void HttpEnd(CallRef ref) override;

 private:
  bool Current(CallRef ref) const { return serving_ && ref.stream() == request_number_; }
  // Reads requests until one is being served or the bytes are used up; returns how many bytes were
  // used.
  size_t Parse(std::string_view bytes);
  void Dispatch();
  void Refuse(int status);
  bool Push(std::string bytes);
  std::string Head(int status, std::string_view type) const;
  std::string_view Date() const;
  void EndAnswer();
  void ChargeBody();

  Connection& connection_;
  ServerContext& server_;
  std::optional<RequestParser> parser_;  // of the request that is read or served
  bool parser_spent_ = true;             // its request is answered, or there was none
  std::string input_;                    // not parsed yet; charged
  SendQueue out_;                        // charged
  size_t charged_body_ = 0;
  int32_t request_number_ = 0;
  bool serving_ = false;
  bool begun_ = false;    // a streamed answer
  bool chunked_ = false;  // and its pieces are chunks
  bool keep_alive_ = false;
  bool closing_ = false;    // after what is queued
  bool continued_ = false;  // 100 Continue was sent
  env::Time last_progress_;
  env::Time request_since_;
  env::Time linger_until_;  // after a refusal: closing with unread bytes would reset the connection
};

bool Http1Session::OnData(std::string_view bytes) {
  if (closing_) return true;  // dropped
  last_progress_ = server_.env.executor.Now();
  if (input_.empty() && !serving_) bytes.remove_prefix(Parse(bytes));
  if (!closing_ && !bytes.empty()) {
    if (!connection_.TryCharge(bytes.size())) {
      Refuse(503);
      return true;
    }
    input_.append(bytes);
    if (serving_) {
      if (input_.size() > kPipelineBytes) connection_.SetReading(false);
    } else {
      connection_.MarkDirty();  // Fill parses it
      const size_t used = Parse(input_);
      input_.erase(0, used);
      connection_.Release(used);
    }
  }
  return true;
}

size_t Http1Session::Parse(std::string_view bytes) {
  const size_t all = bytes.size();
  while (!bytes.empty() && !serving_ && !closing_) {
    if (std::exchange(parser_spent_, false)) {
      parser_.emplace();
      request_since_ = last_progress_;
      parser_->eager(true);
      parser_->header_limit(static_cast<uint32_t>(server_.options.max_header_bytes));
      parser_->body_limit(server_.options.max_request_bytes);
      continued_ = false;
    }
    ErrorCode error;
    const size_t used = parser_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
    bytes.remove_prefix(used);
    ChargeBody();
    if (closing_) break;
    if (error && error != beast::http::error::need_more) {
      Refuse(StatusOfParseError(*parser_, error));
      break;
    }
    if (parser_->is_done()) {
      Dispatch();
      continue;
    }
    if (parser_->is_header_done() && parser_->expects_continue && !continued_) {
      continued_ = true;
      if (bytes.empty()) Push("HTTP/1.1 100 Continue\r\n\r\n");
    }
    if (error == beast::http::error::need_more || used == 0) break;
  }
  return all - bytes.size();
}

void Http1Session::ChargeBody() {
  const size_t grown = parser_->body.size() - charged_body_;
  if (grown == 0) return;
  if (!connection_.TryCharge(grown)) {
    Refuse(503);
    return;
  }
  charged_body_ += grown;
}

void Http1Session::Dispatch() {
  serving_ = true;
  begun_ = false;
  ++request_number_;
  keep_alive_ = parser_->keep_alive() && !server_.draining;
  const std::string& verb = parser_->verb;
  if (verb != "GET" && verb != "HEAD" && verb != "POST" && verb != "PUT" && verb != "DELETE" &&
      verb != "OPTIONS" && verb != "PATCH") {
    HttpReply(slot_.Ref(0, request_number_), 405, "text/plain; charset=utf-8",
              "method not allowed\n");
    return;
  }
  std::string_view target = parser_->target;
  if (const size_t scheme = target.find("://"); !target.starts_with('/') && scheme != target.npos) {
    const size_t slash = target.find('/', scheme + 3);
    target = slash == target.npos ? std::string_view("/") : target.substr(slash);
  }
  HttpRequest request;
  const size_t question = target.find('?');
  request.method = verb;
  request.path = target.substr(0, question);
  if (question != target.npos) request.query = target.substr(question + 1);
  request.body = parser_->body;
  request.token = parser_->token;
  request.peer = connection_.peer();
  const HttpCall call(slot_.Ref(0, request_number_));
  HttpHandler* handler = server_.router.FindHttp(request.path);
  if (handler == nullptr) {
    HttpReply(slot_.Ref(0, request_number_), 404, "text/plain; charset=utf-8", "not found\n");
    return;
  }
  (*handler)(request, call);
}

// The request cannot be served, and where the next one begins is not known.
void Http1Session::Refuse(int status) {
  serving_ = true;
  begun_ = false;
  keep_alive_ = false;
  ++request_number_;
  linger_until_ = server_.env.executor.Now() + kLinger;
  std::string text =
      std::to_string(status) + " " +
      std::string(beast::http::obsolete_reason(static_cast<beast::http::status>(status))) + "\n";
  HttpReply(slot_.Ref(0, request_number_), status, "text/plain; charset=utf-8", std::move(text));
}

std::string_view Http1Session::Date() const {
  // The text is made once a second, not once an answer.
  static thread_local time_t made_for = 0;
  static thread_local char text[64] = {};
  const time_t now = static_cast<time_t>(server_.env.executor.UnixNanos() / 1'000'000'000);
  if (now != made_for) {
    made_for = now;
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  }
  return text;
}

std::string Http1Session::Head(int status, std::string_view type) const {
  std::string head = "HTTP/1.1 " + std::to_string(status) + " ";
  head += std::string(beast::http::obsolete_reason(static_cast<beast::http::status>(status)));
  head += "\r\nDate: ";
  head += Date();
  if (!type.empty()) {
    head += "\r\nContent-Type: ";
    head += type;
  }
  if (status == 405) head += "\r\nAllow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";
  if (!keep_alive_) {
    head += "\r\nConnection: close";
  } else if (parser_.has_value() && parser_->version < 11) {
    head += "\r\nConnection: keep-alive";
  }
  return head;
}

bool Http1Session::Push(std::string bytes) {
  if (bytes.empty()) return true;
  if (!connection_.TryCharge(bytes.size())) {
    const bool alone = out_.bytes() == 0 && server_.stats.budget_used + bytes.size() <=
                                                server_.options.server_budget_bytes;
    if (!alone) return false;
    connection_.Charge(bytes.size());
  }
  out_.Push(std::move(bytes), /*raw=*/true);
  connection_.MarkDirty();
  return true;
}

void Http1Session::HttpReply(CallRef ref, int status, std::string_view type, std::string body) {
  if (!Current(ref) || begun_) return;
  std::string head = Head(status, type);
  head += "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  const bool head_only = parser_.has_value() && parser_->verb == "HEAD";
  if (!Push(std::move(head)) || (!head_only && !Push(std::move(body)))) keep_alive_ = false;
  EndAnswer();
}

void Http1Session::HttpBegin(CallRef ref, int status, std::string_view type) {
  if (!Current(ref) || begun_) return;
  begun_ = true;
  chunked_ = parser_->version >= 11;
  if (!chunked_) keep_alive_ = false;  // the end of the connection is the end of the answer
  std::string head = Head(status, type);
  head += chunked_ ? "\r\nTransfer-Encoding: chunked\r\n\r\n" : "\r\n\r\n";
  if (!Push(std::move(head)) || parser_->verb == "HEAD") EndAnswer();
}

size_t Http1Session::HttpSend(CallRef ref, std::string piece) {
  if (!Current(ref) || !begun_ || piece.empty()) return UnsentBytes(ref);
  if (chunked_) {
    char size[32];
    const int n = std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
    piece.insert(0, size, static_cast<size_t>(n));
    piece += "\r\n";
  }
  if (!Push(std::move(piece))) {
    keep_alive_ = false;  // broken off: without its last chunk the client knows it is not whole
    EndAnswer();
    return 0;
  }
  return out_.bytes();
}

void Http1Session::HttpEnd(CallRef ref) {
  if (!Current(ref) || !begun_) return;
  if (chunked_ && !Push("0\r\n\r\n")) keep_alive_ = false;
  EndAnswer();
}

void Http1Session::EndAnswer() {
  serving_ = false;
  begun_ = false;
  last_progress_ = server_.env.executor.Now();
  connection_.Release(std::exchange(charged_body_, 0));
  if (!keep_alive_) closing_ = true;
  parser_spent_ = true;  // its strings may still be in the handler's hands
  connection_.MarkDirty();
}

void Http1Session::Fill(std::string& out, size_t limit) {
  // The next pipelined request, now that the answer to the last one is complete.
  while (!serving_ && !closing_ && !input_.empty()) {
    const size_t used = Parse(input_);
    input_.erase(0, used);
    connection_.Release(used);
    if (used == 0) break;
  }
  if (!serving_ && !closing_) connection_.SetReading(true);
  const size_t size = std::min(out_.bytes(), limit);
  if (size == 0) return;
  out_.Take(size, out);
  connection_.Release(size);
}

env::Time Http1Session::NextTimer() const {
  if (serving_) return env::Time::Never();
  if (closing_) return out_.bytes() == 0 ? linger_until_ : env::Time::Never();
  if (parser_spent_) return last_progress_ + server_.options.idle_http1_timeout;
  // A header has one timeout for all of it, a body one for each pause.
  const env::Time since = parser_->is_header_done() ? last_progress_ : request_since_;
  return since + server_.options.idle_request_timeout;
}

void Http1Session::StartDrain() {
  keep_alive_ = false;
  if (!serving_ && parser_spent_) closing_ = true;
}

}  // namespace

std::unique_ptr<Session> NewHttp1Session(Connection& connection) {
  return std::make_unique<Http1Session>(connection);
}

}  // namespace cairn::http
