#include "core/ops/conv.h"

#include <algorithm>

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/cpu_level.h"
#include "core/ops/packed/winograd.h"
#include "core/ops/packed/winograd_gradient.h"
#include "core/tensor/check.h"

namespace rtdetr {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr auto kChannelsLast = torch::MemoryFormat::ChannelsLast;

/// Of a float32 map.
PackedInput map_of(const Tensor& x) { return {x.const_data_ptr<float>(), x.size(0), x.size(2), x.size(3), x.size(1)}; }

/// Filters whose taps lie at one distance.
Tensor regular(const Tensor& weight) { return weight.stride(2) == 3 * weight.stride(3) ? weight : weight.contiguous(); }

FilterView filters_of(const Tensor& weight) {
  return {weight.const_data_ptr<float>(), weight.stride(0), weight.stride(1), weight.stride(3)};
}

Tensor workspace_of(std::int64_t floats, const Tensor& x) {
  return torch::empty({floats}, x.options().dtype(torch::kFloat));
}

/// Pictures of a batch that are worked on together: all of a float32 map; of a bfloat16 one so many that their float32
/// copies stay in the second-level cache.
struct Pictures {
  std::int64_t batch, together;

  explicit Pictures(const Tensor& x, std::int64_t channels) : batch(x.size(0)), together(batch) {
    constexpr std::int64_t kFloats = 256 << 10;
    if (x.scalar_type() != torch::kFloat)
      together = std::clamp<std::int64_t>(kFloats / (channels * x.size(2) * x.size(3)), 1, batch);
  }
  Tensor at(const Tensor& map, std::int64_t first) const {
    return map.narrow(0, first, std::min(together, batch - first)).to(torch::kFloat);
  }
};

Tensor convolved(const Tensor& x, const FilterView& filters, std::int64_t out, std::int64_t padding, int outputs) {
  const WinogradConv conv(packed_kernels(), x.size(1), out, padding, filters, outputs);
  const Tensor y = torch::empty({x.size(0), out, x.size(2) + 2 * padding - 2, x.size(3) + 2 * padding - 2},
                                x.options().memory_format(kChannelsLast));
  const int threads = at::get_num_threads();
  const Tensor workspace = workspace_of(conv.workspace_floats(threads), x);
  const AlignedFloats no_bias = padded_bias(nullptr, out);
  const Pictures pictures(x, std::max(x.size(1), out));
  for (std::int64_t i = 0; i < pictures.batch; i += pictures.together) {
    const Tensor some = pictures.at(x, i), to = y.narrow(0, i, some.size(0));
    const Tensor result = x.scalar_type() == torch::kFloat ? to : torch::empty_like(to, torch::kFloat);
    conv.run(map_of(some), {no_bias.data()}, {result.data_ptr<float>(), out}, {workspace.data_ptr<float>(), threads});
    if (!result.is_same(to)) to.copy_(result);
  }
  return y;
}

Tensor filter_gradient(const Tensor& x, const Tensor& dy, const Tensor& weight, std::int64_t padding, int outputs) {
  const WinogradFilterGradient gradient(weight.size(1), weight.size(0), padding, outputs);
  const Pictures pictures(x, std::max(x.size(1), dy.size(1)));
  const Tensor buffer = workspace_of(gradient.workspace_floats(pictures.together, dy.size(2), dy.size(3)), x);
  const PackedWorkspace workspace{buffer.data_ptr<float>(), at::get_num_threads()};
  for (std::int64_t i = 0; i < pictures.batch; i += pictures.together)
    gradient.add(map_of(pictures.at(x, i)), map_of(pictures.at(dy, i)), /*first=*/i == 0, workspace);
  const Tensor dw = torch::empty_like(weight);
  gradient.finish(filters_of(dw), dw.data_ptr<float>(), workspace);
  return dw;
}

class WinogradFunction : public torch::autograd::Function<WinogradFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, std::int64_t padding,
                        const WinogradTiles& tiles) {
    const Tensor filters = regular(weight);
    ctx->save_for_backward({x, filters});
    ctx->saved_data["padding"] = padding;
    ctx->saved_data["outputs"] = std::int64_t{tiles.backward};
    if (tiles.forward == 0) return torch::conv2d(x, weight, {}, 1, padding);
    return convolved(x, filters_of(filters), weight.size(0), padding, tiles.forward);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    RTDETR_CHECK(!torch::GradMode::is_enabled(), "a convolution's gradient is not differentiable (create_graph)");
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], dy = grads[0].contiguous(kChannelsLast);
    const std::int64_t padding = ctx->saved_data["padding"].toInt();
    const int outputs = static_cast<int>(ctx->saved_data["outputs"].toInt());
    Tensor dx, dw;
    if (ctx->needs_input_grad(0))
      dx = convolved(dy, filters_of(weight).backward(), weight.size(1), 2 - padding, outputs);
    if (ctx->needs_input_grad(1)) dw = filter_gradient(x, dy, weight, padding, outputs);
    return {dx, dw, Tensor(), Tensor()};
  }
};

/// How many times float32's rate this processor's direct convolutions of bfloat16 reach.
double bfloat16_gain() {
  static const double gain = best_cpu_level() >= CpuLevel::kAmx ? 16 : has_bfloat16_products() ? 2 : 1;
  return gain;
}

bool autocasts() { return at::autocast::is_autocast_enabled(at::kCPU); }

/// The type in which a convolution of `x` is computed.
torch::ScalarType computed_type(const Tensor& x) {
  return autocasts() ? at::autocast::get_autocast_dtype(at::kCPU) : x.scalar_type();
}

/// Whether a gradient is recorded for a map in channels-last memory on the CPU.
bool learns(const Tensor& x, const Tensor& weight) {
  return torch::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad()) && x.is_cpu() &&
         weight.is_cpu() && weight.scalar_type() == torch::kFloat && weight.dim() == 4 && x.dim() == 4 &&
         x.numel() > 0 && x.is_contiguous(kChannelsLast);
}

bool has_kernel(const Tensor& weight, std::int64_t side) { return weight.size(2) == side && weight.size(3) == side; }

bool suits_winograd(const Tensor& x, const Tensor& weight, const ConvWindow& window) {
  const auto type = computed_type(x), given = x.scalar_type();
  const bool is_cast = given != type && given != torch::kDouble;  // by autocast; torch refuses other mixtures
  return (type == torch::kFloat || (type == torch::kBFloat16 && autocasts())) && (given == type || is_cast) &&
         has_kernel(weight, 3) && weight.size(1) == x.size(1) && window.stride == 1 && window.dilation == 1 &&
         window.groups == 1 && window.padding <= 2 && x.size(2) + 2 * window.padding >= 3 &&
         x.size(3) + 2 * window.padding >= 3;
}

}  // namespace

int winograd_outputs(const WinogradSize& s) {
  if (s.in < 16 || s.out < 16) return 0;
  const auto cost = [&](std::int64_t side) {
    // Multiply-adds for each pair of channels. Transforms cost as much as ten more channels; filters, as some tiles.
    constexpr double kTransforms = 10, kFilters = 24;
    const auto tiles = static_cast<double>(s.batch * ((s.height + side - 1) / side) * ((s.width + side - 1) / side)),
               numbers = static_cast<double>((side + 2) * (side + 2)),
               channels = 1 / static_cast<double>(s.in) + 1 / static_cast<double>(s.out);
    return numbers * (tiles * (1 + kTransforms * channels) + kFilters);
  };
  const double gain = s.bfloat16 ? bfloat16_gain() : 1;
  constexpr double kWorthwhile = 0.8;
  const double direct = kWorthwhile * 9 * static_cast<double>(s.batch * s.height * s.width) / gain;
  const double by_two = cost(2), by_four = cost(4);
  if (std::min(by_two, by_four) > direct) return 0;
  return by_four < by_two ? 4 : 2;
}

Tensor winograd_conv2d(const Tensor& x, const Tensor& weight, std::int64_t padding, const WinogradTiles& tiles) {
  check_shape(x, {-1, -1, -1, -1}, "x");
  check_shape(weight, {-1, x.size(1), 3, 3}, "weight");
  RTDETR_CHECK(x.numel() > 0 && x.is_contiguous(kChannelsLast) && weight.scalar_type() == torch::kFloat &&
                   (x.scalar_type() == torch::kFloat || x.scalar_type() == torch::kBFloat16) && padding >= 0 &&
                   padding <= 2 && std::min(x.size(2), x.size(3)) + 2 * padding >= 3,
               "a convolution by Winograd's algorithm is given a map or a padding that it does not take");
  return WinogradFunction::apply(x, weight, padding, tiles);
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvWindow& window) {
  if (!bias.defined() && learns(x, weight) && suits_winograd(x, weight, window)) {
    const auto type = computed_type(x);
    const int outputs = winograd_outputs({.in = x.size(1),
                                          .out = weight.size(0),
                                          .batch = x.size(0),
                                          .height = x.size(2) + 2 * window.padding - 2,
                                          .width = x.size(3) + 2 * window.padding - 2,
                                          .bfloat16 = type == torch::kBFloat16});
    const int forward = type == torch::kFloat ? 0 : outputs;
    if (outputs > 0) return winograd_conv2d(x.to(type), weight, window.padding, {forward, outputs});
  }
  return torch::conv2d(x, weight, bias, window.stride, window.padding, window.dilation, window.groups);
}

}  // namespace rtdetr
