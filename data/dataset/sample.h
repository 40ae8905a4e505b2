#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/image/picture.h"
#include "core/image/placement.h"

namespace rtdetr {

/// One labelled box of a picture.
struct LabelledBox {
  std::array<float, 4> xyxy{};  ///< pixels
  std::int32_t label = 0;       ///< contiguous class index
};

/// A picture on its way through the transforms.
struct Sample {
  Picture picture;
  std::vector<LabelledBox> boxes;
  std::int64_t picture_index = 0;  ///< in the dataset
  int original_width = 0, original_height = 0;
};

/// The floats of a batch. Moves only; a FloatPool (data/loader/float_pool.h) may take the memory back when the block
/// dies, so that 80 MB need not be mapped and cleared anew for every batch. New floats are not set to anything.
class FloatBlock {
 public:
  FloatBlock() = default;
  explicit FloatBlock(std::size_t size) : memory_(new float[size], std::default_delete<float[]>()), size_(size) {}
  /// @param memory  at least `size` floats; its deleter is run when the block dies
  FloatBlock(std::shared_ptr<float> memory, std::size_t size) : memory_(std::move(memory)), size_(size) {}
  FloatBlock(FloatBlock&& other) noexcept = default;
  FloatBlock& operator=(FloatBlock&& other) noexcept = default;

  float* data() { return memory_.get(); }
  const float* data() const { return memory_.get(); }
  /// Keeps the memory from going back for as long as it is held, e.g. while a device copies from it.
  std::shared_ptr<const float> hold() const { return memory_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  float& operator[](std::size_t i) { return memory_.get()[i]; }
  float operator[](std::size_t i) const { return memory_.get()[i]; }
  const float* begin() const { return data(); }
  const float* end() const { return data() + size_; }

 private:
  std::shared_ptr<float> memory_;
  std::size_t size_ = 0;
};

/// What the trainer receives: plain memory, one contiguous block of pictures.
struct Batch {
  std::int64_t size = 0;  ///< B
  /// So many of the last pictures belong to another rank or batch and are here to make all ranks' batches equal
  /// (LoaderOptions): a score leaves them out.
  std::int64_t repeated = 0;
  std::int64_t height = 0, width = 0;
  bool is_padded = false;  ///< Fit::kKeepRatio: a picture is Image::placement's part, the rest padding
  FloatBlock images;       ///< [B, 3, H, W] in [0, 1]
  struct Image {
    std::vector<std::int64_t> labels;  ///< [N]
    std::vector<float> boxes_cxcywh;   ///< [N, 4] fraction of the image; of a padded one, of the picture in it
    std::int64_t picture_index = 0;
    int original_width = 0, original_height = 0;
    Placement placement;  ///< of what was seen of the picture; of a mosaic, which fills the image, nothing
  };
  std::vector<Image> targets;  ///< B entries
};

}  // namespace rtdetr
