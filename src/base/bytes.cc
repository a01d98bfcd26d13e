#include "src/base/bytes.h"

#include <new>

#include "src/base/check.h"

namespace cairn {

SharedBytes::Block* SharedBytes::Block::New(size_t capacity) {
  CHECK_LE(capacity, size_t{UINT32_MAX});
  void* memory = std::malloc(sizeof(Block) + capacity);
  CHECK(memory != nullptr, "out of memory");
  Block* block = new (memory) Block;
  block->refs.store(0, std::memory_order_relaxed);
  block->capacity = static_cast<uint32_t>(capacity);
  return block;
}

SharedBytes SharedBytes::Copy(std::string_view bytes) {
  if (bytes.empty()) return {};
  Block* block = Block::New(bytes.size());
  std::memcpy(block->bytes(), bytes.data(), bytes.size());
  return {block, block->bytes(), bytes.size()};
}

SharedBytes SharedBytes::Static(std::string_view bytes) {
  return {nullptr, bytes.data(), bytes.size()};
}

SharedBytes SharedBytes::Slice(size_t offset, size_t size) const {
  CHECK_LE(offset, size_);
  CHECK_LE(size, size_ - offset);
  return {block_, data_ + offset, size};
}

std::pair<char*, SharedBytes> BytesArena::Allocate(size_t size) {
  using Block = SharedBytes::Block;
  if (size > block_size_ / 4) {
    Block* own = Block::New(size);
    return {own->bytes(), SharedBytes(own, own->bytes(), size)};
  }
  if (block_.block_ == nullptr || block_.block_->capacity - used_ < size) {
    Block* fresh = Block::New(block_size_);
    block_ = SharedBytes(fresh, fresh->bytes(), block_size_);
    used_ = 0;
  }
  char* at = block_.block_->bytes() + used_;
  used_ += size;
  return {at, SharedBytes(block_.block_, at, size)};
}

SharedBytes BytesArena::Copy(std::string_view bytes) {
  auto [to, slice] = Allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return std::move(slice);
}

}  // namespace cairn
