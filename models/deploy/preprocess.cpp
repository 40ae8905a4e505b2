#include "models/deploy/preprocess.h"

#include <algorithm>

#include "core/image/chw.h"

namespace rtdetr {
namespace {

const Picture& as_picture(const Picture& picture) { return picture; }

Picture as_picture(const RgbView& view) {
  Picture picture(view.width, view.height);
  const std::ptrdiff_t row_bytes = std::ptrdiff_t{3} * view.width, stride = view.stride ? view.stride : row_bytes;
  for (int y = 0; y < view.height; ++y) std::copy_n(view.data + y * stride, row_bytes, picture.row(y));
  return picture;
}

template <typename Source>
torch::Tensor to_input(std::span<const Source> sources, const ImageSize& size, Resampling resampling) {
  torch::Tensor input = torch::empty({static_cast<std::int64_t>(sources.size()), 3, size.height, size.width});
  float* out = input.mutable_data_ptr<float>();
  for (const Source& source : sources) {
    const Picture& picture = as_picture(source);
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
