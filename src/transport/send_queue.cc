#include "src/transport/send_queue.h"

#include <utility>

#include "src/base/check.h"

namespace cairn::transport {
namespace {
// Enough to fill a socket buffer; the rest would only be gathered again after a short write.
constexpr size_t kMaxGatherBytes = 4 << 20;
constexpr size_t kMaxGatherPieces = 1024;
}  // namespace

void SendQueue::PushRaw(std::string bytes) {
  bytes_ += bytes.size();
  Frame frame;
  frame.head = std::move(bytes);
  items_.push_back({FrameHeader{}, 0, std::move(frame)});
}

void SendQueue::PushFrame(const FrameHeader& header, Frame frame, size_t payload_bytes) {
  bytes_ += header.size() + payload_bytes;
  items_.push_back({header, header.size(), std::move(frame)});
}

bool SendQueue::WriteTo(env::Stream& stream) {
  while (!items_.empty()) {
    const size_t gathered = Gather();
    const size_t taken = stream.Write(pieces_);
    CHECK_LE(taken, gathered);
    Consume(taken);
    if (taken < gathered) return false;
  }
  return true;
}

size_t SendQueue::Gather() {
  pieces_.clear();
  size_t gathered = 0;
  size_t first = front_piece_;
  size_t offset = front_offset_;
  for (const Item& item : items_) {
    for (size_t i = first; i < item.piece_count(); ++i) {
      const std::string_view piece = item.piece(i).substr(offset);
      offset = 0;
      if (piece.empty()) continue;
      pieces_.push_back(piece);
      gathered += piece.size();
      if (gathered >= kMaxGatherBytes || pieces_.size() == kMaxGatherPieces) return gathered;
    }
    first = 0;
  }
  return gathered;
}

void SendQueue::Consume(size_t taken) {
  bytes_ -= taken;
  while (!items_.empty()) {
    const Item& item = items_.front();
    for (; front_piece_ < item.piece_count(); ++front_piece_) {
      const size_t left = item.piece(front_piece_).size() - front_offset_;
      if (taken < left) {
        front_offset_ += taken;
        return;
      }
      taken -= left;
      front_offset_ = 0;
    }
    front_piece_ = 0;
    items_.pop_front();
  }
  CHECK_EQ(taken, 0u);
}

void SendQueue::Clear() {
  items_.clear();
  front_piece_ = front_offset_ = bytes_ = 0;
}

}  // namespace cairn::transport
