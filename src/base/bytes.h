// SharedBytes: an immutable slice of a reference-counted block. An entry's data is cut once out of
// the buffer that it arrived in and then shared by the log, the disk and every peer without a copy.
//
// A slice keeps its whole block alive. Blocks are filled in arrival order (BytesArena), so what is
// freed in arrival order, as a log is, frees its blocks too.
//
// Thread rules: slices may be copied and dropped on any thread (the count is atomic); a BytesArena
// belongs to one thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

namespace cairn {

class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(const SharedBytes& o) : block_(o.block_), data_(o.data_), size_(o.size_) { Ref(); }
  SharedBytes(SharedBytes&& o) noexcept
      : block_(std::exchange(o.block_, nullptr)),
        data_(std::exchange(o.data_, nullptr)),
        size_(std::exchange(o.size_, 0)) {}
  SharedBytes& operator=(SharedBytes o) noexcept {
    std::swap(block_, o.block_);
    std::swap(data_, o.data_);
    std::swap(size_, o.size_);
    return *this;
  }
  ~SharedBytes() { Unref(); }

  // A slice of a block of its own, holding a copy of `bytes`.
  static SharedBytes Copy(std::string_view bytes);
  // Bytes that live as long as the program (literals).
  static SharedBytes Static(std::string_view bytes);

  const char* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {data_, size_}; }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(data_, size_)); }
  // The part [offset, offset + size) of this slice, sharing its block.
  SharedBytes Slice(size_t offset, size_t size) const;
  // Grows this slice by `next` if that stands right behind it in the same block; false, and nothing
  // happens, if it does not.
  bool TryExtend(const SharedBytes& next) {
    if (block_ == nullptr || next.block_ != block_ || next.data_ != data_ + size_) return false;
    size_ += next.size_;
    return true;
  }

  friend bool operator==(const SharedBytes& a, const SharedBytes& b) {
    return a.view() == b.view();
  }

 private:
  friend class BytesArena;
  struct Block {
    std::atomic<uint32_t> refs;
    uint32_t capacity;
    char* bytes() { return reinterpret_cast<char*>(this + 1); }
    static Block* New(size_t capacity);
  };
  SharedBytes(Block* block, const char* data, size_t size)
      : block_(block), data_(data), size_(size) {
    Ref();
  }
  void Ref() {
    if (block_ != nullptr) block_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  void Unref() {
    if (block_ != nullptr && block_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      std::free(block_);
    }
  }

  Block* block_ = nullptr;
  const char* data_ = nullptr;
  size_t size_ = 0;
};

// Cuts slices out of blocks of `block_size` bytes, in order; a larger request gets a block of its
// own.
class BytesArena {
 public:
  explicit BytesArena(size_t block_size = 64 * 1024) : block_size_(block_size) {}
  BytesArena(const BytesArena&) = delete;
  BytesArena& operator=(const BytesArena&) = delete;
  ~BytesArena() = default;

  // A writable piece of `size` bytes and the slice that will own it. Write it before sharing it.
  std::pair<char*, SharedBytes> Allocate(size_t size);
  SharedBytes Copy(std::string_view bytes);

 private:
  size_t block_size_;
  SharedBytes block_;  // holds the current block; used_ bytes of it are given out
  size_t used_ = 0;
};

}  // namespace cairn
