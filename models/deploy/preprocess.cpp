#include "models/deploy/preprocess.h"

#include "core/image/chw.h"

namespace rtdetr {
namespace {

template <typename Source>
torch::Tensor to_input(std::span<const Source> sources, const ImageSize& size, Resampling resampling) {
  torch::Tensor input = torch::empty({static_cast<std::int64_t>(sources.size()), 3, size.height, size.width});
  float* out = input.mutable_data_ptr<float>();
  for (const RgbView picture : sources) {
    resize_to_chw_float(picture, PictureWindow::whole(picture), static_cast<int>(size.width),
                        static_cast<int>(size.height), resampling, out);
    out += 3 * size.height * size.width;
  }
  return input.contiguous(torch::MemoryFormat::ChannelsLast);
}

}  // namespace

torch::Tensor preprocess(std::span<const Picture> pictures, const ImageSize& size, Resampling resampling) {
  return to_input(pictures, size, resampling);
}

torch::Tensor preprocess(std::span<const RgbView> pictures, const ImageSize& size, Resampling resampling) {
  return to_input(pictures, size, resampling);
}

}  // namespace rtdetr
