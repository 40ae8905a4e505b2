#include "core/ops/packed/packed_conv.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/error.h"
#include "core/ops/packed/packed_linear.h"

namespace rtdetr {

struct PackedConv::State {
  PackedConvOptions options;
  std::vector<float> weight, bias;
};

namespace {

float activated(float v, FusedActivation activation) {
  switch (activation) {
    case FusedActivation::kRelu:
      return v < 0 ? 0 : v;
    case FusedActivation::kSilu:
      return v / (1 + std::exp(-v));
    case FusedActivation::kGelu:
      return v * 0.5F * (1 + std::erf(v * 0.70710678F));
    case FusedActivation::kLeakyRelu:
      return v < 0 ? 0.01F * v : v;
    case FusedActivation::kHardswish:
      return v * std::min(std::max(v + 3, 0.0F), 6.0F) / 6;
    case FusedActivation::kNone:
      break;
  }
  return v;
}

}  // namespace

PackedConv::PackedConv(const PackedConvOptions& o, const float* weight, const float* bias)
    : state_(std::make_unique<State>()) {
  RTDETR_CHECK(o.in > 0 && o.out > 0 && o.groups > 0 && o.in % o.groups == 0 && o.out % o.groups == 0,
               "channels do not fit the groups of a packed convolution");
  state_->options = o;
  state_->weight.assign(weight, weight + o.out * (o.in / o.groups) * o.kernel_h * o.kernel_w);
  state_->bias.assign(static_cast<std::size_t>(o.out), 0);
  if (bias) state_->bias.assign(bias, bias + o.out);
}
PackedConv::PackedConv(PackedConv&&) noexcept = default;
PackedConv& PackedConv::operator=(PackedConv&&) noexcept = default;
PackedConv::~PackedConv() = default;

std::int64_t PackedConv::output_height(std::int64_t height) const {
  const auto& o = state_->options;
  return (height + 2 * o.padding + o.extra_padding - o.dilation * (o.kernel_h - 1) - 1) / o.stride + 1;
}
std::int64_t PackedConv::output_width(std::int64_t width) const {
  const auto& o = state_->options;
  return (width + 2 * o.padding + o.extra_padding - o.dilation * (o.kernel_w - 1) - 1) / o.stride + 1;
}

std::int64_t PackedConv::workspace_floats(std::int64_t, std::int64_t, std::int64_t, int) const { return 16; }
ConvAlgorithm PackedConv::algorithm() const { return ConvAlgorithm::kProduct; }
std::size_t PackedConv::packed_bytes() const { return state_->weight.size() * sizeof(float); }
const PackedConvOptions& PackedConv::options() const { return state_->options; }

void PackedConv::run(const PackedInput& x, const PackedOutput& y, const PackedWorkspace&) const {
  const auto& o = state_->options;
  const std::int64_t oh = output_height(x.height), ow = output_width(x.width), in = o.in / o.groups;
  for (std::int64_t p = 0; p < x.batch * oh * ow; ++p) {
    const std::int64_t b = p / (oh * ow), i = p / ow % oh, j = p % ow;
    for (std::int64_t n = 0; n < o.out; ++n) {
      const float* w = state_->weight.data() + n * in * o.kernel_h * o.kernel_w;
      const std::int64_t first = n / (o.out / o.groups) * in;
      double sum = state_->bias[static_cast<std::size_t>(n)];
      for (std::int64_t r = 0; r < o.kernel_h; ++r) {
        for (std::int64_t s = 0; s < o.kernel_w; ++s) {
          const std::int64_t row = i * o.stride - o.padding + r * o.dilation,
                             column = j * o.stride - o.padding + s * o.dilation;
          if (row < 0 || column < 0 || row >= x.height || column >= x.width) continue;
          const float* pixel = x.data + ((b * x.height + row) * x.width + column) * x.pixel_stride + first;
          for (std::int64_t c = 0; c < in; ++c) sum += double(pixel[c]) * w[(c * o.kernel_h + r) * o.kernel_w + s];
        }
      }
      float v = static_cast<float>(sum);
      const float added = o.residual == ResidualPlace::kNone ? 0 : y.residual[p * y.residual_stride + n];
      if (o.residual == ResidualPlace::kBeforeActivation) v += added;
      v = activated(v, o.activation);
      if (o.residual == ResidualPlace::kAfterActivation) v += added;
      y.data[p * y.pixel_stride + n] = v;
    }
  }
}

PackedLinear::PackedLinear(const PackedLinearOptions& o, const float* weight, const float* bias)
    : conv_({.in = o.in, .out = o.out, .activation = o.activation, .residual = o.residual}, weight, bias) {}

}  // namespace rtdetr
