// Maps of bf16: what the packed kernels read and write of them is what they would of float32's, rounded.
#include <ATen/Parallel.h>
#include <torch/types.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/base/cpu_level.h"
#include "core/base/error.h"
#include "core/ops/packed/packed_conv.h"
#include "core/ops/packed/pooled_run.h"

using namespace rtdetr;

namespace {

constexpr std::int64_t kPixelGap = 5;  ///< numbers between the pixels of a slice, which nobody may touch

Tensor as_bfloat16(const Tensor& x) { return x.to(torch::kBFloat16); }

/// The middle of a map with more channels on both sides, which are no numbers.
Tensor wide_slice(const Tensor& nhwc) {
  return torch::constant_pad_nd(nhwc, {kPixelGap, kPixelGap}, std::nan("")).narrow(3, kPixelGap, nhwc.size(3));
}

NumberFormat map_format(const Tensor& x) {
  return x.scalar_type() == torch::kBFloat16 ? NumberFormat::kBFloat16 : NumberFormat::kFloat32;
}
ConstMapData in_data(const Tensor& x) { return {static_cast<const std::byte*>(x.const_data_ptr()), map_format(x)}; }
MapData out_data(const Tensor& x) { return {static_cast<std::byte*>(x.mutable_data_ptr()), map_format(x)}; }

/// @param y  of the output's sizes, type and strides
Tensor convolved(const PackedConv& conv, const Tensor& x, const Tensor& residual, const Tensor& y, int threads = 2) {
  const Tensor workspace = torch::full({conv.workspace_floats(x.size(0), x.size(1), x.size(2), threads)}, std::nan(""));
  conv.run({in_data(x), x.size(0), x.size(1), x.size(2), x.stride(2)},
           {out_data(y), y.stride(2), in_data(residual), residual.stride(2)},
           {workspace.mutable_data_ptr<float>(), threads});
  return y;
}

struct NarrowProblem {
  PackedConvOptions options;
  std::int64_t height = 11, width = 40;
};

void check_narrow(NarrowProblem p) {
  torch::manual_seed(5);
  at::set_num_threads(1);
  PackedConvOptions& o = p.options;
  const std::int64_t taps = o.kernel_h * o.kernel_w, each = o.in / o.groups * taps;
  const Tensor weight = torch::randn({o.out, each}) / std::sqrt(static_cast<double>(each)),
               bias = torch::randn({o.out});
  const PackedConv conv(o, weight.const_data_ptr<float>(), bias.const_data_ptr<float>());
  const std::vector<std::int64_t> sizes{2, conv.output_height(p.height), conv.output_width(p.width), o.out};
  const Tensor x = as_bfloat16(torch::randn({2, p.height, p.width, o.in})), residual = as_bfloat16(torch::randn(sizes));
  const Tensor want = convolved(conv, x.to(torch::kFloat), residual.to(torch::kFloat), torch::empty(sizes));
  const NarrowMaps narrow = PackedConv::narrow_maps(o);
  REQUIRE(narrow.output);
  const bool coarse = o.activation == FusedActivation::kSilu && conv.algorithm() != ConvAlgorithm::kDepthwise;
  for (const bool slices : {false, true}) {
    const auto placed = [&](const Tensor& map) { return slices ? wide_slice(map) : map; };
    for (const bool narrow_input : {false, true}) {
      if (narrow_input && !narrow.input) continue;
      CAPTURE(slices, narrow_input);
      const Tensor from = placed(narrow_input ? x : x.to(torch::kFloat)),
                   whole = slices ? torch::ones({sizes[0], sizes[1], sizes[2], o.out + 2 * kPixelGap}, torch::kBFloat16)
                                  : torch::empty(sizes, torch::kBFloat16),
                   y = slices ? whole.narrow(3, kPixelGap, o.out) : whole;
      convolved(conv, from, placed(residual), y);
      if (coarse)
        CHECK(torch::allclose(y.to(torch::kFloat), want, 1e-2, 1e-2));
      else
        CHECK(torch::equal(y, as_bfloat16(want)));
      if (slices) {
        CHECK((whole.narrow(3, 0, kPixelGap) == 1).all().item<bool>());
        CHECK((whole.narrow(3, kPixelGap + o.out, kPixelGap) == 1).all().item<bool>());
      }
      CHECK(torch::equal(convolved(conv, from, placed(residual), torch::empty(sizes, torch::kBFloat16), 1), y));
    }
  }
  if (narrow.input) CHECK(torch::equal(convolved(conv, x, residual.to(torch::kFloat), torch::empty(sizes)), want));
}

PackedConvOptions narrow_options(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride) {
  PackedConvOptions o{.in = in, .out = out, .kernel_h = kernel, .kernel_w = kernel, .stride = stride};
  o.padding = kernel / 2;
  return o;
}

}  // namespace

TEST_CASE("a convolution of AMX reads and writes maps of bf16 as those of float32, rounded") {
  if (!has_tile_products()) {
    WARN("this processor has no AMX, so maps of bf16 are not tried");
    return;
  }
  const auto channels = GENERATE(std::pair{16, 32}, std::pair{17, 80}, std::pair{64, 64}, std::pair{96, 17});
  NarrowProblem p{narrow_options(channels.first, channels.second, GENERATE(1, 3), GENERATE(1, 2))};
  p.options.format = GENERATE(NumberFormat::kBFloat16, NumberFormat::kInt8);
  p.options.bytes = byte_scale(-3, 3);
  SECTION("plain") {}
  SECTION("ReLU before a residual") {
    p.options.activation = FusedActivation::kRelu;
    p.options.residual = ResidualPlace::kAfterActivation;
  }
  SECTION("SiLU behind a residual") {
    p.options.activation = FusedActivation::kSilu;
    p.options.residual = ResidualPlace::kBeforeActivation;
  }
  CAPTURE(channels, p.options.kernel_h, p.options.stride, static_cast<int>(p.options.format));
  check_narrow(p);
}

TEST_CASE("depthwise convolutions, and those of few channels in float32, write maps of bf16") {
  if (!has_tile_products()) {
    WARN("this processor has no AMX, so maps of bf16 are not tried");
    return;
  }
  NarrowProblem p{narrow_options(3, 40, 3, GENERATE(1, 2))};
  p.options.activation = GENERATE(FusedActivation::kNone, FusedActivation::kRelu);
  SECTION("few channels") { CHECK_FALSE(PackedConv::narrow_maps(p.options).input); }
  SECTION("depthwise") {
    const std::int64_t channels = GENERATE(16, 37, 64);
    const std::int64_t kernel = GENERATE(3, 5);
    const std::int64_t stride = p.options.stride;
    p.options = narrow_options(channels, channels, kernel, stride);
    p.options.groups = channels;
    p.height = GENERATE(1, 11, 90);  // less than what is made floats together, and more
    p.width = 90;
    CHECK(PackedConv::narrow_maps(p.options).input);
  }
  check_narrow(p);
}

TEST_CASE("maps of bf16 are refused where a convolution has none") {
  std::vector<float> numbers(4096);
  const PackedConvOptions o = narrow_options(32, 32, 3, 1);  // Winograd's
  const PackedConv conv(o, std::vector<float>(32 * 32 * 9).data(), nullptr);
  CHECK_FALSE(PackedConv::narrow_maps(o).input);
  CHECK_FALSE(PackedConv::narrow_maps(o).output);
  const Tensor workspace = torch::empty({conv.workspace_floats(1, 4, 4, 1)});
  const PackedWorkspace memory{workspace.mutable_data_ptr<float>(), 1};
  const MapData narrow{reinterpret_cast<std::byte*>(numbers.data()), NumberFormat::kBFloat16};
  CHECK_THROWS_AS(conv.run({numbers.data(), 1, 4, 4, 32}, {narrow, 32}, memory), InternalError);
  CHECK_THROWS_AS(conv.run({{narrow.data, narrow.format}, 1, 4, 4, 32}, {numbers.data() + 512, 32}, memory),
                  InternalError);
}

TEST_CASE("a pool's run has the largest numbers of its cells, or their scaled sums, on each level and of bf16") {
  const CpuLevel level = GENERATE(CpuLevel::kBaseline, CpuLevel::kAvx2, CpuLevel::kAvx512, CpuLevel::kAmx);
  set_cpu_level(level);
  const std::int64_t channels = GENERATE(3, 16, 37);
  torch::manual_seed(6);
  const Tensor map = as_bfloat16(torch::randn({12, channels + 2}));  // a line of pixels
  const bool largest = GENERATE(true, false);
  const float number = largest ? -0.25F : 0.5F;
  Tensor want = torch::empty({5, channels});
  for (std::int64_t p = 0; p < 5; ++p) {
    const Tensor cells = map.to(torch::kFloat).narrow(0, 2 * p, 3).narrow(1, 0, channels);
    want[p] = largest ? cells.amax(0).clamp_min(number) : (cells[0] + cells[1] + cells[2]) * number;
  }
  for (const torch::ScalarType type : {torch::kFloat, torch::kBFloat16}) {
    if (type == torch::kBFloat16 && !has_tile_products()) continue;
    const Tensor from = map.to(type), to = torch::full({5, channels + 1}, 9, type);
    std::vector<ConstMapData> cells;
    for (std::int64_t i = 0; i < 3; ++i) cells.push_back(in_data(from) + i * from.stride(0));
    pool({cells.data(), 3, largest, number, out_data(to), 5, channels, 2 * from.stride(0), to.stride(0)});
    CHECK(torch::equal(to.narrow(1, 0, channels), want.to(type)));
    CHECK((to.narrow(1, channels, 1) == 9).all().item<bool>());
  }
  set_cpu_level(best_cpu_level());
}

TEST_CASE("bf16 becomes the float it stands for") {
  const Tensor narrow = as_bfloat16(torch::randn({37}));
  std::vector<float> wide(37);
  bfloat16_to_floats(static_cast<const std::uint16_t*>(narrow.const_data_ptr()), 37, wide.data());
  CHECK(torch::equal(torch::tensor(wide), narrow.to(torch::kFloat)));
}
