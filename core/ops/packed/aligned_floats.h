#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace rtdetr {

/// Floats that begin at a cache line, zero at first. What nobody writes to may take no memory.
class AlignedFloats {
 public:
  static constexpr std::size_t kAlignment = 64;

  AlignedFloats() = default;
  explicit AlignedFloats(std::int64_t size)
      : size_(size), memory_(std::calloc(static_cast<std::size_t>(size) * sizeof(float) + kAlignment, 1)) {
    if (!memory_) throw std::bad_alloc();
    const std::size_t past = reinterpret_cast<std::uintptr_t>(memory_.get()) % kAlignment;
    data_ = reinterpret_cast<float*>(static_cast<std::byte*>(memory_.get()) + (kAlignment - past));
  }
  float* data() { return data_; }
  const float* data() const { return data_; }
  std::int64_t size() const { return size_; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::int64_t size_ = 0;
  std::unique_ptr<void, Free> memory_;
  float* data_ = nullptr;
};

/// Rounded up to whole cache lines.
inline std::int64_t line_floats(std::int64_t floats) { return (floats + 15) / 16 * 16; }

}  // namespace rtdetr
