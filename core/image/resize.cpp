#include "core/image/resize.h"

#include <cstring>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "core/base/check.h"
#include "core/image/resize_axis.h"
#include "core/image/resize_passes.h"

// Pillow's bilinear resize: a triangle filter as wide as the shrink factor, in fixed point, along one side of the
// picture and then along the other of the 8-bit result. Bit-exact with Pillow
// (docs/reference/official_behaviour.md#resize), hence the order of the passes, the rounding of the weights and the
// 8-bit step in between.

namespace rtdetr {
namespace {

Picture resize_width(const Picture& in, int width) {
  const ResizeAxis axis = make_resize_axis(0, in.width, in.width, width, false);
  const ColumnPass pass(axis);
  const std::size_t row_bytes = static_cast<std::size_t>(in.width) * 3;
  std::vector<std::uint8_t> row(row_bytes + ColumnPass::kReadAhead);
  std::vector<std::uint8_t> rgbx(static_cast<std::size_t>(width) * 4);
  Picture out(width, in.height);
  for (int y = 0; y < in.height; ++y) {
    std::memcpy(row.data(), in.row(y), row_bytes);
    pass.run(row.data(), rgbx.data());
    std::uint8_t* target = out.row(y);
    for (int x = 0; x < width; ++x) std::memcpy(target + 3 * x, rgbx.data() + 4 * x, 3);
  }
  return out;
}

Picture resize_height(const Picture& in, int height) {
  const ResizeAxis axis = make_resize_axis(0, in.height, in.height, height, false);
  std::vector<const std::uint8_t*> taps(static_cast<std::size_t>(axis.stride));
  Picture out(in.width, height);
  for (int y = 0; y < height; ++y) {
    for (int j = 0; j < axis.count[y]; ++j) taps[j] = in.row(axis.first[y] + j);
    resize_rows(taps.data(), axis.weights_of(y), axis.count[y], 0, 3 * in.width, out.row(y));
  }
  return out;
}

Picture resize_like_pillow(const Picture& picture, int width, int height) {
  if (picture.height == height) return picture.width == width ? picture : resize_width(picture, width);
  if (picture.width == width) return resize_height(picture, height);
  if (pillow_resizes_height_first(picture.width, picture.height, width, height)) {
    return resize_width(resize_height(picture, height), width);
  }
  return resize_height(resize_width(picture, width), height);
}

Picture resize_like_opencv(const Picture& picture, int width, int height) {
  Picture out(width, height);
  const cv::Mat from(picture.height, picture.width, CV_8UC3, const_cast<std::uint8_t*>(picture.rgb.data()));
  cv::Mat to(height, width, CV_8UC3, out.rgb.data());
  cv::resize(from, to, to.size(), 0, 0, cv::INTER_LINEAR);
  return out;
}

}  // namespace

Picture resize(const Picture& picture, int width, int height, Resampling method) {
  RTDETR_CHECK(picture.width > 0 && picture.height > 0 && width > 0 && height > 0,
               "a picture cannot be resized from " + std::to_string(picture.width) + "x" +
                   std::to_string(picture.height) + " to " + std::to_string(width) + "x" + std::to_string(height));
  return method == Resampling::kPillowBilinear ? resize_like_pillow(picture, width, height)
                                               : resize_like_opencv(picture, width, height);
}

}  // namespace rtdetr
