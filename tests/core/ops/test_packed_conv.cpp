#include "core/ops/packed/packed_conv.h"

#include <torch/torch.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <utility>
#include <vector>

#include "core/base/cpu_level.h"
#include "core/base/error.h"
#include "core/ops/packed/packed_linear.h"

using rtdetr::ConvAlgorithm;
using rtdetr::CpuLevel;
using rtdetr::FusedActivation;
using rtdetr::PackedConvOptions;
using rtdetr::ResidualPlace;
using torch::Tensor;

namespace {

/// Chooses a level and gives back the best one.
struct LevelGuard {
  explicit LevelGuard(CpuLevel level) { rtdetr::set_cpu_level(level); }
  ~LevelGuard() { rtdetr::set_cpu_level(rtdetr::best_cpu_level()); }
};

constexpr std::int64_t kGap = 5;  // floats between the pixels of a slice, which nobody may touch
constexpr float kUntouched = 77;

struct ConvCase {
  PackedConvOptions options;
  std::int64_t batch = 1, height = 9, width = 9;
};

struct ConvData {
  Tensor x, weight, bias, residual;  ///< x and residual: NHWC
};

ConvData make_conv_data(const ConvCase& p, std::int64_t out_height, std::int64_t out_width) {
  torch::manual_seed(3);
  const PackedConvOptions& o = p.options;
  const std::int64_t k = o.in / o.groups * o.kernel_h * o.kernel_w;
  return {torch::randn({p.batch, p.height, p.width, o.in}),
          torch::randn({o.out, o.in / o.groups, o.kernel_h, o.kernel_w}) / std::sqrt(static_cast<double>(k)),
          torch::randn({o.out}), torch::randn({p.batch, out_height, out_width, o.out})};
}

Tensor act_of(const Tensor& z, FusedActivation activation) {
  switch (activation) {
    case FusedActivation::kRelu:
      return z.relu();
    case FusedActivation::kSilu:
      return torch::silu(z);
    case FusedActivation::kGelu:
      return torch::gelu(z);
    case FusedActivation::kLeakyRelu:
      return torch::leaky_relu(z, 0.01);
    case FusedActivation::kHardswish:
      return torch::hardswish(z);
    case FusedActivation::kNone:
      break;
  }
  return z;
}

/// LibTorch's operators in float64, NHWC.
Tensor conv_reference(const ConvCase& p, const ConvData& d) {
  const PackedConvOptions& o = p.options;
  const auto wide = [](const Tensor& t) { return t.to(torch::kFloat64); };
  const std::int64_t before = o.padding, after = o.padding + o.extra_padding;
  const Tensor padded = torch::constant_pad_nd(wide(d.x).permute({0, 3, 1, 2}), {before, after, before, after});
  Tensor y = torch::conv2d(padded, wide(d.weight), wide(d.bias), o.stride, at::IntArrayRef{0, 0}, o.dilation, o.groups)
                 .permute({0, 2, 3, 1});
  if (o.residual == ResidualPlace::kBeforeActivation) y = y + d.residual;
  y = act_of(y, o.activation);
  return o.residual == ResidualPlace::kAfterActivation ? y + d.residual : y;
}

/// The middle of a map with `kGap` more channels on both sides.
Tensor slice_of_wider(const Tensor& nhwc) {
  const Tensor wide = torch::constant_pad_nd(nhwc, {kGap, kGap}, kUntouched);
  return wide.narrow(3, kGap, nhwc.size(3));
}

Tensor run_conv(const rtdetr::PackedConv& conv, const Tensor& x, const Tensor& residual, const Tensor& y, int threads) {
  Tensor workspace = torch::full({conv.workspace_floats(x.size(0), x.size(1), x.size(2), threads)}, std::nan(""));
  conv.run({x.const_data_ptr<float>(), x.size(0), x.size(1), x.size(2), x.stride(2)},
           {y.mutable_data_ptr<float>(), y.stride(2), residual.const_data_ptr<float>(), residual.stride(2)},
           {workspace.mutable_data_ptr<float>(), threads});
  return y;
}

double relative_error(const Tensor& y, const Tensor& want) {
  return ((y - want).abs().max() / want.abs().max()).item<double>();
}

/// Against float64: contiguous and as slices of wider maps, in one part and in two.
void check_problem(const ConvCase& p) {
  at::set_num_threads(1);
  const rtdetr::PackedConv probe(p.options, torch::zeros({p.options.out * p.options.in * 64}).const_data_ptr<float>(),
                                 nullptr);
  const std::int64_t height = probe.output_height(p.height), width = probe.output_width(p.width);
  const ConvData d = make_conv_data(p, height, width);
  const Tensor want = conv_reference(p, d);
  REQUIRE(want.sizes() == torch::IntArrayRef({p.batch, height, width, p.options.out}));
  const rtdetr::PackedConv conv(p.options, d.weight.const_data_ptr<float>(), d.bias.const_data_ptr<float>());
  if (p.options.algorithm != ConvAlgorithm::kAuto) REQUIRE(conv.algorithm() == p.options.algorithm);

  const Tensor plain = run_conv(conv, d.x, d.residual, torch::empty(want.sizes()), 1);
  CHECK(relative_error(plain, want) < 3e-6);
  CHECK(torch::equal(run_conv(conv, d.x, d.residual, torch::empty(want.sizes()), 2), plain));

  const Tensor y = slice_of_wider(torch::zeros(want.sizes()));
  run_conv(conv, slice_of_wider(d.x), slice_of_wider(d.residual), y, 2);
  CHECK(torch::equal(y, plain));
  for (const std::int64_t gap : {std::int64_t{0}, kGap + y.size(3)})  // before each pixel's channels, and behind
    CHECK((y.as_strided({y.numel() / y.size(3), kGap}, {y.stride(2), 1}, gap) == kUntouched).all().item<bool>());

  if (p.options.residual != ResidualPlace::kNone) {
    const Tensor in_place = d.residual.clone();
    CHECK(torch::equal(run_conv(conv, d.x, in_place, in_place, 1), plain));
  }
}

PackedConvOptions conv_options(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1) {
  PackedConvOptions o;
  o.in = in;
  o.out = out;
  o.kernel_h = o.kernel_w = kernel;
  o.stride = stride;
  o.padding = kernel / 2;
  return o;
}

const auto kConvLevels = {CpuLevel::kBaseline, CpuLevel::kAvx2, CpuLevel::kAvx512};

}  // namespace

TEST_CASE("a packed convolution equals float64's, for any channels, kernel and stride") {
  const LevelGuard level(GENERATE(values(kConvLevels)));
  const auto channels = GENERATE(std::pair{3, 32}, std::pair{17, 80}, std::pair{100, 17}, std::pair{32, 100});
  const auto kernel = GENERATE(1, 2, 3, 5);
  const auto stride = GENERATE(1, 2);
  ConvCase p{conv_options(channels.first, channels.second, kernel, stride), 2, 11, 8};
  p.options.algorithm = ConvAlgorithm::kProduct;
  CAPTURE(channels, kernel, stride);
  check_problem(p);
}

TEST_CASE("a packed convolution by Winograd equals float64's, for any channels and size") {
  const LevelGuard level(GENERATE(values(kConvLevels)));
  const auto channels = GENERATE(std::pair{16, 32}, std::pair{17, 80}, std::pair{100, 17});
  const auto size = GENERATE(std::pair{8, 8}, std::pair{13, 10}, std::pair{1, 3}, std::pair{30, 19});
  const auto padding = GENERATE(1, 0);
  ConvCase p{conv_options(channels.first, channels.second, 3), 2, size.first, size.second};
  if (padding == 0 && size.first < 3) return;
  p.options.padding = padding;
  p.options.algorithm = GENERATE(ConvAlgorithm::kWinograd2, ConvAlgorithm::kWinograd4);
  CAPTURE(channels, size, padding, static_cast<int>(p.options.algorithm));
  check_problem(p);
}

TEST_CASE("a packed depthwise convolution equals float64's, for any channels, kernel and stride") {
  const LevelGuard level(GENERATE(values(kConvLevels)));
  const auto channels = GENERATE(3, 16, 100);
  const auto kernel = GENERATE(3, 5, 7);
  ConvCase p{conv_options(channels, channels, kernel, GENERATE(1, 2)), 2, 5, 23};
  p.options.groups = channels;
  p.options.algorithm = ConvAlgorithm::kDepthwise;
  CAPTURE(channels, kernel, p.options.stride);
  check_problem(p);
}

TEST_CASE("a packed convolution fuses each activation and residual") {
  const LevelGuard level(GENERATE(values(kConvLevels)));
  ConvCase p{conv_options(20, 36, 3), 1, 9, 7};
  p.options.algorithm = GENERATE(ConvAlgorithm::kProduct, ConvAlgorithm::kWinograd2, ConvAlgorithm::kWinograd4,
                                 ConvAlgorithm::kDepthwise);
  if (p.options.algorithm == ConvAlgorithm::kDepthwise) p.options.in = p.options.groups = 36;
  p.options.activation = GENERATE(FusedActivation::kNone, FusedActivation::kRelu, FusedActivation::kSilu,
                                  FusedActivation::kGelu, FusedActivation::kLeakyRelu, FusedActivation::kHardswish);
  p.options.residual =
      GENERATE(ResidualPlace::kNone, ResidualPlace::kBeforeActivation, ResidualPlace::kAfterActivation);
  CAPTURE(static_cast<int>(p.options.algorithm), static_cast<int>(p.options.activation));
  check_problem(p);
}

TEST_CASE("a packed convolution knows groups, dilation and padding on one side") {
  const LevelGuard level(GENERATE(values(kConvLevels)));
  ConvCase p{conv_options(24, 48, 3), 2, 10, 9};
  SECTION("groups") { p.options.groups = 4; }
  SECTION("dilation") { p.options.dilation = p.options.padding = 2; }
  SECTION("one side") {
    p.options.kernel_h = p.options.kernel_w = 2;
    p.options.padding = 0;
    p.options.extra_padding = 1;
  }
  SECTION("depthwise dilation") {
    p.options.out = p.options.groups = 24;
    p.options.dilation = p.options.padding = 3;
  }
  SECTION("depthwise, padded more than the kernel is wide") {
    p.options.out = p.options.groups = 24;
    p.options.padding = 4;
  }
  SECTION("a flat kernel") { p.options.kernel_h = 1; }
  check_problem(p);
}

TEST_CASE("a packed convolution of many channels is exact, by sums and by Winograd") {
  ConvCase p{conv_options(256, 32, 3), 1, 12, 12};
  p.options.algorithm = GENERATE(ConvAlgorithm::kProduct, ConvAlgorithm::kWinograd2, ConvAlgorithm::kWinograd4);
  check_problem(p);
}

TEST_CASE("a packed convolution gives several threads the numbers of one") {
  ConvCase p{conv_options(40, 96, 3), 2, 21, 17};
  p.options.algorithm = GENERATE(ConvAlgorithm::kProduct, ConvAlgorithm::kWinograd2, ConvAlgorithm::kWinograd4,
                                 ConvAlgorithm::kDepthwise);
  if (p.options.algorithm == ConvAlgorithm::kDepthwise) p.options.in = p.options.groups = 96;
  p.options.residual = ResidualPlace::kAfterActivation;
  const int threads = GENERATE(2, 3, 64);  // and more than there are tiles
  const ConvData d = make_conv_data(p, p.height, p.width);
  const rtdetr::PackedConv conv(p.options, d.weight.const_data_ptr<float>(), d.bias.const_data_ptr<float>());
  at::set_num_threads(std::min(threads, 3));
  const Tensor several = run_conv(conv, d.x, d.residual, torch::empty({2, 21, 17, 96}), threads);
  at::set_num_threads(1);
  CHECK(torch::equal(run_conv(conv, d.x, d.residual, torch::empty({2, 21, 17, 96}), 1), several));
}

TEST_CASE("a packed convolution keeps plain weights; what transforming them takes at a call is bounded by the caller") {
  PackedConvOptions o = conv_options(64, 64, 3);
  o.out = GENERATE(64, 49);  // whole vectors, and the last of one number
  const std::vector<float> weight(64 * 64 * 9);
  const auto algorithm = [&](std::int64_t bytes) {
    o.winograd_bytes = bytes;
    const rtdetr::PackedConv conv(o, weight.data(), nullptr);
    const std::int64_t one = conv.workspace_floats(1, 8, 8, 1), two = conv.workspace_floats(1, 8, 8, 2);
    CHECK(4 * (2 * one - two) <= bytes);  // what the threads share
    CHECK(conv.packed_bytes() <= sizeof(float) * 64 * 64 * 9);
    return conv.algorithm();
  };
  CHECK(algorithm(1 << 20) == ConvAlgorithm::kWinograd4);
  CHECK(algorithm(400 << 10) == ConvAlgorithm::kWinograd2);
  CHECK(algorithm(0) == ConvAlgorithm::kProduct);
}

TEST_CASE("a packed linear layer equals float64's, for any rows") {
  const LevelGuard level(GENERATE(values(kConvLevels)));
  torch::manual_seed(4);
  const auto rows = GENERATE(1, 13, 100);
  const Tensor x = torch::randn({rows, 50}), weight = torch::randn({29, 50}) / 7, bias = torch::randn({29});
  rtdetr::PackedLinearOptions o;
  o.in = 50;
  o.out = 29;
  o.activation = FusedActivation::kGelu;
  const rtdetr::PackedLinear linear(o, weight.const_data_ptr<float>(), bias.const_data_ptr<float>());
  const Tensor y = torch::empty({rows, 29}), workspace = torch::empty({linear.workspace_floats(rows, 2)});
  linear.run(x.const_data_ptr<float>(), rows, 50, {y.mutable_data_ptr<float>(), 29},
             {workspace.mutable_data_ptr<float>(), 2});
  const auto wide = [](const Tensor& t) { return t.to(torch::kFloat64); };
  CHECK(relative_error(y, torch::gelu(torch::linear(wide(x), wide(weight), wide(bias)))) < 1e-6);
}

TEST_CASE("a packed convolution refuses what it cannot compute") {
  const std::vector<float> weight(48 * 48 * 9);
  PackedConvOptions o = conv_options(48, 48, 3, 2);
  o.algorithm = ConvAlgorithm::kWinograd4;
  CHECK_THROWS_AS(rtdetr::PackedConv(o, weight.data(), nullptr), rtdetr::InternalError);
  o.algorithm = ConvAlgorithm::kAuto;
  o.groups = 5;
  CHECK_THROWS_AS(rtdetr::PackedConv(o, weight.data(), nullptr), rtdetr::InternalError);
  o.groups = 1;
  o.padding = 0;
  const rtdetr::PackedConv conv(o, weight.data(), nullptr);
  CHECK_THROWS_AS(
      run_conv(conv, torch::zeros({1, 2, 9, 48}), torch::zeros({1, 1, 4, 48}), torch::zeros({1, 1, 4, 48}), 1),
      rtdetr::InternalError);  // a map of two rows under a window of three
}
