#include "core/io/resize.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "core/io/error.h"
#include "core/io/simd.h"

// Pillow's bilinear resize: a triangle filter as wide as the shrink factor, in fixed point, mostly first along the rows,
// then along the columns of the 8-bit result. Bit-exact with Pillow (spec/official §6.3), hence the order of the passes, the
// rounding of the weights and the 8-bit step in between.

namespace rtdetr {
namespace {

constexpr int kBits = 22;  // of a weight's fraction
constexpr std::int32_t kHalf = 1 << (kBits - 1);

std::uint8_t clip8(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kBits, 0, 255)); }

/// For every output position, the input positions it is mixed from and their weights.
struct Filter {
  int taps = 0;  // room per output position; unused weights are 0
  std::vector<int> first;
  std::vector<int> count;
  std::vector<std::int32_t> weights;  // [outputs][taps]
};

Filter make_filter(int inputs, int outputs) {
  const double scale = static_cast<double>(inputs) / outputs;
  const double width = std::max(scale, 1.0);
  Filter filter;
  filter.taps = static_cast<int>(std::ceil(width)) * 2 + 1;
  filter.first.resize(outputs);
  filter.count.resize(outputs);
  filter.weights.assign(static_cast<std::size_t>(outputs) * filter.taps, 0);
  std::vector<double> exact(filter.taps);
  for (int i = 0; i < outputs; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(centre - width + 0.5), 0);
    const int count = std::min(static_cast<int>(centre + width + 0.5), inputs) - first;
    double sum = 0;
    for (int j = 0; j < count; ++j) {
      exact[j] = std::max(0.0, 1.0 - std::fabs((j + first - centre + 0.5) * (1.0 / width)));
      sum += exact[j];
    }
    std::int32_t* weights = &filter.weights[static_cast<std::size_t>(i) * filter.taps];
    for (int j = 0; j < count; ++j) {
      const double share = sum != 0 ? exact[j] / sum : exact[j];
      weights[j] = static_cast<std::int32_t>(0.5 + share * (1 << kBits));
    }
    filter.first[i] = first;
    filter.count[i] = count;
  }
  return filter;
}

RTDETR_SIMD void shrink_row(const std::uint8_t* in, std::uint8_t* out, const Filter& filter, int outputs) {
  for (int x = 0; x < outputs; ++x) {
    const std::int32_t* weights = &filter.weights[static_cast<std::size_t>(x) * filter.taps];
    const std::uint8_t* pixel = in + static_cast<std::size_t>(filter.first[x]) * 3;
    std::int32_t red = kHalf, green = kHalf, blue = kHalf;
    for (int j = 0; j < filter.count[x]; ++j, pixel += 3) {
      red += weights[j] * pixel[0];
      green += weights[j] * pixel[1];
      blue += weights[j] * pixel[2];
    }
    out[x * 3 + 0] = clip8(red);
    out[x * 3 + 1] = clip8(green);
    out[x * 3 + 2] = clip8(blue);
  }
}

RTDETR_SIMD void add_weighted(const std::uint8_t* in, std::int32_t weight, std::int32_t* sums, int count) {
  for (int i = 0; i < count; ++i) sums[i] += weight * in[i];
}

RTDETR_SIMD void store(const std::int32_t* sums, std::uint8_t* out, int count) {
  for (int i = 0; i < count; ++i) out[i] = clip8(sums[i]);
}

Picture resize_rows(const Picture& in, int width) {
  const Filter filter = make_filter(in.width, width);
  Picture out(width, in.height);
  for (int y = 0; y < in.height; ++y) shrink_row(in.row(y), out.row(y), filter, width);
  return out;
}

Picture resize_columns(const Picture& in, int height) {
  const Filter filter = make_filter(in.height, height);
  const int values = in.width * 3;
  Picture out(in.width, height);
  std::vector<std::int32_t> sums(values);
  for (int y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int j = 0; j < filter.count[y]; ++j) {
      const std::int32_t weight = filter.weights[static_cast<std::size_t>(y) * filter.taps + j];
      add_weighted(in.row(filter.first[y] + j), weight, sums.data(), values);
    }
    store(sums.data(), out.row(y), values);
  }
  return out;
}

Picture resize_like_pillow(const Picture& picture, int width, int height) {
  if (picture.height == height) return picture.width == width ? picture : resize_rows(picture, width);
  if (picture.width == width) return resize_columns(picture, height);
  if (pillow_resizes_height_first(picture.width, picture.height, width, height)) {
    return resize_rows(resize_columns(picture, height), width);
  }
  return resize_columns(resize_rows(picture, width), height);
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
