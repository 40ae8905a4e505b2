#pragma once

#include <cstddef>
#include <memory>

#include "data/dataset/sample.h"

namespace rtdetr {

/// Hands out blocks of floats and takes them back when they die, from any thread and even after the pool's own end.
class FloatPool {
 public:
  explicit FloatPool(std::size_t most_kept);
  FloatBlock take(std::size_t size);

 private:
  struct Shelf;
  std::shared_ptr<Shelf> shelf_;
};

}  // namespace rtdetr
