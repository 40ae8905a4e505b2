#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace rtdetr {

/// Floats that begin at a cache line, zero at first.
class AlignedFloats {
 public:
  static constexpr std::size_t kAlignment = 64;

  AlignedFloats() = default;
  explicit AlignedFloats(std::int64_t size)
      : size_(size), data_(new (std::align_val_t(kAlignment)) float[static_cast<std::size_t>(size)]) {
    std::fill_n(data_.get(), size, 0.0F);
  }
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  std::int64_t size() const { return size_; }

 private:
  struct Free {
    void operator()(float* p) const { ::operator delete[](p, std::align_val_t(kAlignment)); }
  };
  std::int64_t size_ = 0;
  std::unique_ptr<float[], Free> data_;
};

/// Rounded up to whole cache lines.
inline std::int64_t line_floats(std::int64_t floats) { return (floats + 15) / 16 * 16; }

}  // namespace rtdetr
