#include "models/deploy/preprocess.h"

#include <vector>

#include "core/image/chw.h"

namespace rtdetr {

torch::Tensor preprocess(std::span<const ImageView> pictures, const ImageSize& size, Resampling resampling) {
  torch::Tensor input = torch::empty({static_cast<std::int64_t>(pictures.size()), 3, size.height, size.width});
  float* out = input.mutable_data_ptr<float>();
  for (const ImageView& picture : pictures) {
    resize_to_chw_float(picture, static_cast<int>(size.width), static_cast<int>(size.height), resampling, out);
    out += 3 * size.height * size.width;
  }
  return input.contiguous(torch::MemoryFormat::ChannelsLast);
}

torch::Tensor preprocess(std::span<const Picture> pictures, const ImageSize& size, Resampling resampling) {
  std::vector<ImageView> views;
  for (const Picture& picture : pictures) views.push_back(ImageView::of(picture));
  return preprocess(views, size, resampling);
}

}  // namespace rtdetr
