// SendQueue: what one connection has still to send, written from where it is.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "src/env/network.h"
#include "src/transport/wire.h"

namespace cairn::transport {

class SendQueue {
 public:
  // Raw bytes without a frame around them (the handshake).
  void PushRaw(std::string bytes);
  void PushFrame(const FrameHeader& header, Frame frame, size_t payload_bytes);
  // Writes as much as the stream takes. True: nothing is left. False: the rest waits for
  // OnWritable.
  bool WriteTo(env::Stream& stream);

  size_t bytes() const { return bytes_; }
  size_t frames() const { return items_.size(); }
  void Clear();

 private:
  // Its pieces in order: the header (empty for raw bytes), the frame's head, the slices of its
  // body.
  struct Item {
    FrameHeader header;
    size_t header_bytes;
    Frame frame;

    size_t piece_count() const { return 2 + frame.body.size(); }
    std::string_view piece(size_t i) const {
      if (i == 0) return {header.data(), header_bytes};
      return i == 1 ? std::string_view(frame.head) : frame.body[i - 2].view();
    }
  };

  // The next pieces into pieces_; how many bytes they are.
  size_t Gather();
  void Consume(size_t taken);

  std::deque<Item> items_;
  // How far the first item is written: its first unfinished piece, and the bytes of it that are
  // gone. Kept so that a large frame that goes out in many writes is not walked from its start each
  // time.
  size_t front_piece_ = 0;
  size_t front_offset_ = 0;
  size_t bytes_ = 0;
  std::vector<std::string_view> pieces_;
};

}  // namespace cairn::transport
