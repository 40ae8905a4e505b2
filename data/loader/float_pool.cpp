#include "data/loader/float_pool.h"

#include <mutex>
#include <utility>
#include <vector>

namespace rtdetr {

struct FloatPool::Shelf {
  struct Piece {
    std::unique_ptr<float[]> memory;
    std::size_t size = 0;
  };
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

FloatPool::FloatPool(std::size_t most_kept) : shelf_(std::make_shared<Shelf>()) { shelf_->most = most_kept; }

FloatBlock FloatPool::take(std::size_t size) {
  Shelf::Piece piece = shelf_->take(size);
  if (!piece.memory) piece = {std::unique_ptr<float[]>(new float[size]), size};
  const std::size_t room = piece.size;
  std::shared_ptr<float> memory(piece.memory.release(), [shelf = shelf_, room](float* floats) {
    shelf->put_back({std::unique_ptr<float[]>(floats), room});
  });
  return {std::move(memory), size};
}

}  // namespace rtdetr
