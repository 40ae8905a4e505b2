#include "data/loader/float_pool.h"

#include <mutex>
#include <utility>
#include <vector>

namespace rtdetr {

struct FloatPool::Shelf {
  struct Piece {
    std::shared_ptr<float> memory;
    std::size_t size = 0;
  };
  FloatSource source;
  std::mutex mutex;
  std::vector<Piece> pieces;
  std::size_t most = 0;

  void put_back(Piece piece) {
    const std::lock_guard lock(mutex);
    if (pieces.size() < most) pieces.push_back(std::move(piece));
  }
  /// A piece at least as large; pieces that are too small make room for it.
  Piece take(std::size_t size) {
    const std::lock_guard lock(mutex);
    while (!pieces.empty()) {
      Piece piece = std::move(pieces.back());
      pieces.pop_back();
      if (piece.size >= size) return piece;
    }
    return {};
  }
};

FloatPool::FloatPool(std::size_t most_kept, FloatSource source) : shelf_(std::make_shared<Shelf>()) {
  shelf_->most = most_kept;
  shelf_->source = source ? std::move(source) : [](std::size_t size) {
    return std::shared_ptr<float>(new float[size], std::default_delete<float[]>());
  };
}

FloatBlock FloatPool::take(std::size_t size) {
  Shelf::Piece piece = shelf_->take(size);
  if (!piece.memory) piece = {shelf_->source(size), size};
  float* const floats = piece.memory.get();
  std::shared_ptr<float> memory(
      floats, [shelf = shelf_, piece = std::move(piece)](float*) mutable { shelf->put_back(std::move(piece)); });
  return {std::move(memory), size};
}

}  // namespace rtdetr
