// Ring: a queue with random access in one power-of-two array. Grows when full, never shrinks;
// steady state allocates nothing.
#pragma once

#include <bit>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "src/base/check.h"

namespace cairn {

// T is default-constructible and movable; a popped place keeps a moved-from or reset T.
template <class T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return places_[(first_ + i) & (places_.size() - 1)]; }
  const T& operator[](size_t i) const { return places_[(first_ + i) & (places_.size() - 1)]; }
  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }

  T& push_back(T value) {
    if (size_ == places_.size()) Grow();
    T& place = (*this)[size_++];
    place = std::move(value);
    return place;
  }
  void pop_front() {
    CHECK_GT(size_, 0u);
    places_[first_] = T();
    first_ = (first_ + 1) & (places_.size() - 1);
    --size_;
  }
  void pop_back() {
    CHECK_GT(size_, 0u);
    back() = T();
    --size_;
  }
  void clear() {
    while (!empty()) pop_front();
  }

 private:
  void Grow() {
    std::vector<T> larger(places_.empty() ? 16 : places_.size() * 2);
    for (size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
    places_ = std::move(larger);
    first_ = 0;
  }

  std::vector<T> places_;  // its size is a power of two
  size_t first_ = 0;
  size_t size_ = 0;
};

}  // namespace cairn
