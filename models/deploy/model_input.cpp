#include "models/deploy/model_input.h"

#include "core/image/chw.h"

namespace rtdetr {

torch::Tensor model_input(std::span<const Picture> pictures, const ImageSize& size) {
  const auto count = static_cast<std::int64_t>(pictures.size());
  torch::Tensor input = torch::empty({count, 3, size.height, size.width});
  float* out = input.data_ptr<float>();
  for (const Picture& picture : pictures) {
    resize_to_chw_float(picture, PictureWindow::whole(picture), static_cast<int>(size.width),
                        static_cast<int>(size.height), Resampling::kPillowBilinear, out);
    out += 3 * size.height * size.width;
  }
  return input.contiguous(torch::MemoryFormat::ChannelsLast);
}

}  // namespace rtdetr
