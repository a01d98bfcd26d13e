// Header compression of the gRPC client: RFC 7541, cut to what a client sends. Requests repeat the
// same few fields, so the encoder puts each into the peer's dynamic table once and then names it by
// one byte; and it keeps the finished block of each method. Answers repeat too: blocks of indexed
// fields alone, which leave the table as it is, are decoded once and then recognised by their
// bytes.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/status.h"

namespace cairn::http {

class RequestHeaderEncoder {
 public:
  // The fields of every request, in order after the pseudo-headers.
  RequestHeaderEncoder(std::string authority,
                       std::vector<std::pair<std::string, std::string>> fields);

  // The method's number for Append.
  uint32_t AddPath(std::string path);
  // Appends the header block of a request; `timeout` is grpc-timeout's value, if not empty.
  void Append(uint32_t path, std::string_view timeout, std::string& out);
  // The peer's SETTINGS_HEADER_TABLE_SIZE.
  void SetTableLimit(uint32_t bytes);

 private:
  struct Field {
    std::string name, value;
    int64_t position = -1;  // in the order of insertion into the table; -1: not there
  };
  struct Path {
    Field field;
    std::string block;
    uint64_t block_version = 0;  // 0: none yet
  };
  void AppendField(Field& field, std::string& out);

  std::vector<Field> before_path_, after_path_;
  std::vector<Path> paths_;
  uint64_t version_ = 1;  // of the table
  int64_t inserted_ = 0;
  size_t table_bytes_ = 0;
  size_t table_limit_ = 4096;
  bool shrink_ = false;  // the next block begins with a table size update to 0
};

// What matters of an answer's headers or trailers.
struct ResponseHeaders {
  int http_status = 0;  // 0: none, as in trailers
  bool grpc = false;    // content-type is gRPC's
  bool compressed = false;
  bool has_status = false;
  StatusCode status = StatusCode::kUnknown;
  std::string message;  // decoded
};

class ResponseHeaderDecoder {
 public:
  ResponseHeaderDecoder();
  ResponseHeaderDecoder(const ResponseHeaderDecoder&) = delete;
  ResponseHeaderDecoder& operator=(const ResponseHeaderDecoder&) = delete;
  ~ResponseHeaderDecoder();

  // Null when the block is malformed: the connection cannot go on. Valid until the next call.
  const ResponseHeaders* Decode(std::string_view block);

 private:
  bool Inflate(std::string_view block);

  struct Known {
    uint64_t bytes = 0;
    uint32_t size = 0;  // 0: none
    ResponseHeaders headers;
  };
  nghttp2_hd_inflater* inflater_ = nullptr;
  ResponseHeaders headers_;
  std::array<Known, 4> known_;
  uint32_t next_known_ = 0;
};

}  // namespace cairn::http
