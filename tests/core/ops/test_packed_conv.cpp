#include "core/ops/packed/packed_conv.h"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "core/base/cpu_level.h"
#include "core/base/error.h"
#include "core/ops/packed/packed_linear.h"

using rtdetr::ConvAlgorithm;
using rtdetr::CpuLevel;
using rtdetr::FusedActivation;
using rtdetr::NumberFormat;
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

/// Rounded as the format has it: what remains is the rounding of sums.
ConvData as_multiplied(const PackedConvOptions& o, ConvData d) {
  if (o.format == NumberFormat::kBFloat16) {
    d.x = d.x.to(torch::kBFloat16).to(torch::kFloat);
    d.weight = d.weight.to(torch::kBFloat16).to(torch::kFloat);
  }
  if (o.format == NumberFormat::kInt8) {
    const Tensor unit = d.weight.abs().amax({1, 2, 3}, true) / 127;
    d.weight = (d.weight / unit).round() * unit;
    const float zero = static_cast<float>(o.bytes.zero);
    d.x = ((d.x / o.bytes.step + zero).round().clamp(0, 255) - zero) * o.bytes.step;
  }
  return d;
}

/// Inputs that are near whole bytes, so that nobody rounds them otherwise; some are outside of the range.
void set_bytes(PackedConvOptions& o, ConvData& d) {
  if (o.format != NumberFormat::kInt8) return;
  o.bytes = rtdetr::byte_scale(-1.5, 2.25);
  d.x = ((d.x / o.bytes.step).round() + 0.2 * torch::rand_like(d.x)) * o.bytes.step;
}

double relative_error(const Tensor& y, const Tensor& want) {
  return ((y - want).abs().max() / want.abs().max()).item<double>();
}

/// Against float64: contiguous and as slices of wider maps, in one part and in two.
void check_problem(ConvCase p) {
  at::set_num_threads(1);
  const rtdetr::PackedConv probe(p.options, torch::zeros({p.options.out * p.options.in * 64}).const_data_ptr<float>(),
                                 nullptr);
  const std::int64_t height = probe.output_height(p.height), width = probe.output_width(p.width);
  ConvData d = make_conv_data(p, height, width);
  set_bytes(p.options, d);
  const Tensor want = conv_reference(p, as_multiplied(p.options, d));
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

TEST_CASE("a packed convolution of narrow numbers equals float64's of the same, for any channels, kernel and stride") {
  const LevelGuard level(GENERATE(CpuLevel::kAvx512, CpuLevel::kAmx));
  const auto format = GENERATE(NumberFormat::kBFloat16, NumberFormat::kInt8);
  if (!rtdetr::can_multiply(format)) {
    WARN("this processor does not multiply such numbers: nothing was tried");
    return;
  }
  const auto channels =
      GENERATE(std::pair{3, 32}, std::pair{17, 80}, std::pair{100, 17}, std::pair{31, 100}, std::pair{64, 64});
  ConvCase p{conv_options(channels.first, channels.second, GENERATE(1, 2, 3), GENERATE(1, 2)), 2, 11, 8};
  p.options.algorithm = ConvAlgorithm::kProduct;
  p.options.format = format;
  CAPTURE(channels, p.options.kernel_h, p.options.stride, static_cast<int>(format));
  check_problem(p);
}

TEST_CASE("a packed convolution of narrow numbers fuses activations and residuals, and knows groups and dilation") {
  const LevelGuard level(GENERATE(CpuLevel::kAvx512, CpuLevel::kAmx));
  ConvCase p{conv_options(36, 40, 3), 1, 9, 7};
  p.options.format = GENERATE(NumberFormat::kBFloat16, NumberFormat::kInt8);
  if (!rtdetr::can_multiply(p.options.format)) {
    WARN("this processor does not multiply such numbers: nothing was tried");
    return;
  }
  p.options.algorithm = ConvAlgorithm::kProduct;
  p.options.activation = GENERATE(FusedActivation::kNone, FusedActivation::kRelu, FusedActivation::kSilu);
  p.options.residual =
      GENERATE(ResidualPlace::kNone, ResidualPlace::kBeforeActivation, ResidualPlace::kAfterActivation);
  SECTION("plain") {}
  SECTION("groups") { p.options.groups = 4; }
  SECTION("dilation") { p.options.dilation = p.options.padding = 2; }
  check_problem(p);
}

TEST_CASE("a packed convolution by tiles equals float64's of the same numbers, for any window and map") {
  if (!rtdetr::has_tile_products()) {
    WARN("this processor has no AMX, so its tiles are not tried");
    return;
  }
  const auto channels =
      GENERATE(std::pair{16, 32}, std::pair{17, 80}, std::pair{100, 17}, std::pair{64, 64}, std::pair{32, 100});
  const auto size = GENERATE(std::pair{11, 8}, std::pair{4, 70}, std::pair{90, 33});
  ConvCase p{conv_options(channels.first, channels.second, GENERATE(1, 2, 3), GENERATE(1, 2)), 2, size.first,
             size.second};
  p.options.algorithm = ConvAlgorithm::kTiles;
  p.options.format = GENERATE(NumberFormat::kBFloat16, NumberFormat::kInt8);
  SECTION("plain") {}
  SECTION("without padding") { p.options.padding = 0; }
  SECTION("padded behind") { p.options.extra_padding = 1; }
  SECTION("dilation, with an activation and a residual") {
    p.options.dilation = 2;
    p.options.padding = p.options.kernel_h - 1;
    p.options.activation = FusedActivation::kSilu;
    p.options.residual = ResidualPlace::kBeforeActivation;
  }
  SECTION("ReLU before a residual") {
    p.options.activation = FusedActivation::kRelu;
    p.options.residual = ResidualPlace::kAfterActivation;
  }
  CAPTURE(channels, size, p.options.kernel_h, p.options.stride, static_cast<int>(p.options.format));
  check_problem(p);
}

TEST_CASE("tiles give the same numbers for any number of threads, whether they share lines or weights") {
  if (!rtdetr::has_tile_products()) {
    WARN("this processor has no AMX, so its tiles are not tried");
    return;
  }
  ConvCase p{conv_options(64, 96, 3), 2, 21, 17};
  SECTION("more map than weights") { p.height = 90; }
  SECTION("more weights than map") { p.options.in = p.options.out = 256; }
  p.options.format = GENERATE(NumberFormat::kBFloat16, NumberFormat::kInt8);
  const ConvData d = make_conv_data(p, p.height, p.width);
  const rtdetr::PackedConv conv(p.options, d.weight.const_data_ptr<float>(), d.bias.const_data_ptr<float>());
  REQUIRE(conv.algorithm() == ConvAlgorithm::kTiles);
  const auto by = [&](int threads) {
    at::set_num_threads(std::min(threads, 3));
    const Tensor y = run_conv(conv, d.x, d.residual, torch::empty({2, p.height, p.width, p.options.out}), threads);
    at::set_num_threads(1);
    return y;
  };
  const Tensor one = by(1);
  CHECK(torch::equal(by(2), one));
  CHECK(torch::equal(by(7), one));
}

TEST_CASE("Winograd's products in bf16 are as exact as its transforms let them be") {
  if (!rtdetr::can_multiply(NumberFormat::kBFloat16)) {
    WARN("this processor does not multiply such numbers: nothing was tried");
    return;
  }
  const auto [algorithm, bound] =
      GENERATE(table<ConvAlgorithm, double>({{ConvAlgorithm::kWinograd2, 0.01}, {ConvAlgorithm::kWinograd4, 0.03}}));
  ConvCase p{conv_options(GENERATE(16, 17, 64), 80, 3), 2, 13, 10};
  p.options.algorithm = algorithm;
  p.options.format = NumberFormat::kBFloat16;
  at::set_num_threads(1);
  const ConvData d = make_conv_data(p, p.height, p.width);
  const rtdetr::PackedConv conv(p.options, d.weight.const_data_ptr<float>(), d.bias.const_data_ptr<float>());
  CHECK(conv.format() == NumberFormat::kBFloat16);
  const Tensor want = conv_reference(p, d), plain = run_conv(conv, d.x, d.residual, torch::empty(want.sizes()), 1);
  CHECK(relative_error(plain, want) < bound);
  CHECK(torch::equal(run_conv(conv, d.x, d.residual, torch::empty(want.sizes()), 2), plain));
}

TEST_CASE("bytes hold the ends of their range, and zero exactly") {
  const auto [low, high] = GENERATE(table<float, float>({{-1.5F, 2.5F}, {0.5F, 3.0F}, {-4.0F, -1.0F}, {0.0F, 0.0F}}));
  const rtdetr::ByteScale bytes = rtdetr::byte_scale(low, high);
  CHECK(bytes.step > 0);
  CHECK((bytes.zero >= 0 && bytes.zero <= 255));
  CHECK(static_cast<float>(255 - bytes.zero) * bytes.step >= high - bytes.step);
  CHECK(static_cast<float>(-bytes.zero) * bytes.step <= low + bytes.step);
}

TEST_CASE("infinite and missing numbers become the nearest byte") {
  if (!rtdetr::can_multiply(NumberFormat::kInt8)) {
    WARN("this processor does not multiply such numbers: nothing was tried");
    return;
  }
  PackedConvOptions o = conv_options(16, 1, 1);
  o.format = NumberFormat::kInt8;
  o.bytes = rtdetr::byte_scale(-1, 1);
  std::vector<float> weight(16, 0);
  weight[0] = 1;
  const rtdetr::PackedConv conv(o, weight.data(), nullptr);
  const Tensor x = torch::zeros({1, 1, 4, 16});
  const float infinite = std::numeric_limits<float>::infinity();
  const std::vector<float> odd = {infinite, -infinite, 3e30F, std::nanf("")};
  for (std::int64_t i = 0; i < 4; ++i) x[0][0][i][0] = odd[static_cast<std::size_t>(i)];
  const Tensor y = run_conv(conv, x, torch::zeros({1, 1, 4, 1}), torch::empty({1, 1, 4, 1}), 1).flatten();
  CHECK(y.allclose(torch::tensor({1.0F, -1.0F, 1.0F, -1.0F}), 0, 0.01));
}

TEST_CASE("a number becomes bf16 as LibTorch rounds it") {
  torch::manual_seed(5);
  const Tensor x = torch::randn({10000}) * torch::randn({10000}).mul(20).exp();
  const Tensor want = x.to(torch::kBFloat16);
  const auto* bits = reinterpret_cast<const std::uint16_t*>(want.const_data_ptr());
  bool same = true;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const float value = x.const_data_ptr<float>()[i];
    if (std::abs(value) > 1.2e-38F) same = same && rtdetr::bfloat16_of(value) == bits[i];
  }
  CHECK(same);
  CHECK(rtdetr::bfloat16_of(1e-40F) == 0);
  CHECK(rtdetr::bfloat16_of(-1e-40F) == 0x8000);
  CHECK((rtdetr::bfloat16_of(std::nanf("")) & 0x7fc0) == 0x7fc0);
}

TEST_CASE("narrow numbers are refused below the level that has their instructions") {
  const LevelGuard level(CpuLevel::kAvx2);
  PackedConvOptions o = conv_options(16, 16, 1);
  const std::vector<float> weight(256);
  o.format = GENERATE(NumberFormat::kBFloat16, NumberFormat::kInt8);
  CHECK_FALSE(rtdetr::can_multiply(o.format));
  CHECK_THROWS_AS(rtdetr::PackedConv(o, weight.data(), nullptr), rtdetr::InternalError);
}
