#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "data/dataset/sample.h"

namespace rtdetr {

/// Where floats come from: memory for `size` of them, not set to anything. Called from any thread.
using FloatSource = std::function<std::shared_ptr<float>(std::size_t size)>;

/// Hands out blocks of floats and takes them back when they die, from any thread and even after the pool's own end.
class FloatPool {
 public:
  /// @param source  of the memory; empty = the heap
  explicit FloatPool(std::size_t most_kept, FloatSource source = {});
  FloatBlock take(std::size_t size);

 private:
  struct Shelf;
  std::shared_ptr<Shelf> shelf_;
};

}  // namespace rtdetr
