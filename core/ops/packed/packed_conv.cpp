#include "core/ops/packed/packed_conv.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "core/base/check.h"
#include "core/ops/packed/depthwise.h"
#include "core/ops/packed/packed_linear.h"
#include "core/ops/packed/packed_product.h"
#include "core/ops/packed/tile_conv.h"
#include "core/ops/packed/winograd.h"

namespace rtdetr {

struct PackedConv::State {
  PackedConvOptions options;
  const PackedKernels* kernels = nullptr;
  ConvAlgorithm algorithm = ConvAlgorithm::kProduct;
  AlignedFloats bias;
  AlignedFloats scale;                 ///< of int8, by output
  std::vector<PackedMatrix> products;  ///< one per group
  std::optional<TileConv> tiles;
  std::optional<WinogradConv> winograd;
  std::optional<DepthwiseConv> depthwise;
};

namespace {

std::int64_t output_size(const PackedConvOptions& o, std::int64_t size, std::int64_t kernel) {
  return (size + 2 * o.padding + o.extra_padding - o.dilation * (kernel - 1) - 1) / o.stride + 1;
}

/// Rows are in the order of PixelRows: taps, then channels.
/// @param each  rows of a tap, of which those behind its channels are zero
PackedMatrix packed_group(const PackedKernels& kernels, const PackedConvOptions& o, std::int64_t each,
                          const float* weight) {
  const std::int64_t in = o.in / o.groups, out = o.out / o.groups, taps = o.kernel_h * o.kernel_w;
  PackedMatrix matrix(kernels, taps * each, out);
  at::parallel_for(0, matrix.panels(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel) {
      const float* first = weight + panel * matrix.width() * in * taps;
      for (std::int64_t c = 0; c < in; ++c)
        for (std::int64_t t = 0; t < taps; ++t) matrix.set(panel, t * each + c, first + c * taps + t, in * taps);
    }
  });
  return matrix;
}

/// Int8: weights become whole numbers by a scale of each output. What the byte of zero adds to a sum is taken off the
/// bias.
struct ByteWeights {
  std::vector<float> weight, bias, scale;

  ByteWeights(const PackedConvOptions& o, const float* from, const float* from_bias) {
    constexpr float kLargest = 127;
    const std::int64_t each = o.in / o.groups * o.kernel_h * o.kernel_w;
    for (std::int64_t n = 0; n < o.out; ++n, from += each) {
      float largest = 0;
      for (std::int64_t i = 0; i < each; ++i) largest = std::max(largest, std::abs(from[i]));
      const float unit = largest > 0 ? largest / kLargest : 1;
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < each; ++i) {
        weight.push_back(std::clamp(std::nearbyint(from[i] / unit), -kLargest, kLargest));
        sum += static_cast<std::int64_t>(weight.back());
      }
      scale.push_back(o.bytes.step * unit);
      bias.push_back((from_bias ? from_bias[n] : 0) - scale.back() * static_cast<float>(o.bytes.zero * sum));
    }
  }
};

bool is_winograd(ConvAlgorithm algorithm) {
  return algorithm == ConvAlgorithm::kWinograd2 || algorithm == ConvAlgorithm::kWinograd4;
}

bool can_be(ConvAlgorithm algorithm, const PackedConvOptions& o) {
  if (is_winograd(algorithm))
    return o.kernel_h == 3 && o.kernel_w == 3 && o.stride == 1 && o.groups == 1 && o.dilation == 1 &&
           o.extra_padding == 0;
  if (algorithm == ConvAlgorithm::kDepthwise) return o.in == o.groups && o.out == o.groups;
  if (algorithm == ConvAlgorithm::kTiles)
    return o.groups == 1 && o.format != NumberFormat::kFloat32 && has_tile_products();
  return algorithm == ConvAlgorithm::kProduct;
}

/// Bytes would be too coarse for transformed numbers.
NumberFormat winograd_format(const PackedConvOptions& o) {
  if (o.format != NumberFormat::kInt8) return o.format;
  return can_multiply(NumberFormat::kBFloat16) ? NumberFormat::kBFloat16 : NumberFormat::kFloat32;
}

NumberFormat format_of(ConvAlgorithm algorithm, const PackedConvOptions& o) {
  if (algorithm == ConvAlgorithm::kDepthwise) return NumberFormat::kFloat32;
  return is_winograd(algorithm) ? winograd_format(o) : o.format;
}

ConvAlgorithm choose(const PackedConvOptions& o, const PackedKernels& kernels) {
  if (o.algorithm != ConvAlgorithm::kAuto) return o.algorithm;
  const std::int64_t columns = (o.out + kernels.lanes - 1) / kernels.lanes * kernels.lanes;  // whole vectors
  const std::int64_t number_bytes = 4 / numbers_in_word(winograd_format(o));
  const auto bytes = [&](std::int64_t numbers) { return numbers * o.in * columns * number_bytes; };
  // Tiles multiply narrow numbers faster than Winograd's transforms save products. They take 64 bytes of a pixel, which
  // few channels do not fill.
  if (can_be(ConvAlgorithm::kTiles, o) && o.kernel_h * o.kernel_w > 1 && o.in >= 16) return ConvAlgorithm::kTiles;
  if (can_be(ConvAlgorithm::kWinograd4, o) && o.in >= 16) {
    if (bytes(36) <= o.winograd_bytes) return ConvAlgorithm::kWinograd4;
    if (bytes(16) <= o.winograd_bytes) return ConvAlgorithm::kWinograd2;
  }
  return can_be(ConvAlgorithm::kDepthwise, o) ? ConvAlgorithm::kDepthwise : ConvAlgorithm::kProduct;
}

NarrowMaps narrow_maps_of(ConvAlgorithm algorithm, NumberFormat format) {
  if (!has_tile_products() || is_winograd(algorithm)) return {};
  return {.input = algorithm == ConvAlgorithm::kDepthwise || format != NumberFormat::kFloat32, .output = true};
}

bool is_pointwise(const PackedConvOptions& o) {
  return o.kernel_h == 1 && o.kernel_w == 1 && o.stride == 1 && o.padding == 0 && o.extra_padding == 0;
}

/// All but the map. @param channels  of a group
PixelRows pixel_rows(const PackedConvOptions& o, std::int64_t channels) {
  return {{}, channels, o.kernel_h, o.kernel_w, o.stride, o.padding, o.dilation, 1, 1, o.bytes};
}

}  // namespace

PackedConv::PackedConv(const PackedConvOptions& o, const float* weight, const float* bias)
    : state_(std::make_unique<State>()) {
  RTDETR_CHECK(o.in > 0 && o.out > 0 && o.groups > 0 && o.in % o.groups == 0 && o.out % o.groups == 0,
               "channels do not fit the groups of a packed convolution");
  RTDETR_CHECK(
      o.kernel_h > 0 && o.kernel_w > 0 && o.stride > 0 && o.dilation > 0 && o.padding >= 0 && o.extra_padding >= 0,
      "a packed convolution has an impossible window");
  State& s = *state_;
  s.options = o;
  s.algorithm = choose(o, packed_kernels());
  RTDETR_CHECK(can_be(s.algorithm, o), "a packed convolution is asked for an algorithm that cannot compute it");
  const NumberFormat format = format_of(s.algorithm, o);
  s.kernels = is_winograd(s.algorithm) ? &packed_kernels(format) : &product_kernels(format);
  const std::int64_t out = o.out / o.groups, group_weights = out * (o.in / o.groups) * o.kernel_h * o.kernel_w;
  s.bias = padded_bias(bias, o.out);
  if (is_winograd(s.algorithm)) {
    s.winograd.emplace(*s.kernels, o.in, o.out, o.padding, FilterView::dense(weight, o.in),
                       s.algorithm == ConvAlgorithm::kWinograd2 ? 2 : 4);
    return;
  }
  if (s.algorithm == ConvAlgorithm::kDepthwise) {
    s.depthwise.emplace(pixel_rows(o, o.in), weight);
    return;
  }
  std::optional<ByteWeights> bytes;
  if (format == NumberFormat::kInt8) {
    bytes.emplace(o, weight, bias);
    weight = bytes->weight.data();
    s.bias = padded_bias(bytes->bias.data(), o.out);
    s.scale = padded_bias(bytes->scale.data(), o.out);
  }
  if (s.algorithm == ConvAlgorithm::kTiles) {
    s.tiles.emplace(*s.kernels, packed_group(*s.kernels, o, s.kernels->row_numbers(o.in), weight), o.in);
    return;
  }
  for (std::int64_t g = 0; g < o.groups; ++g)
    s.products.push_back(packed_group(*s.kernels, o, o.in / o.groups, weight + g * group_weights));
}
PackedConv::PackedConv(PackedConv&&) noexcept = default;
PackedConv& PackedConv::operator=(PackedConv&&) noexcept = default;
PackedConv::~PackedConv() = default;

std::int64_t PackedConv::output_height(std::int64_t height) const {
  return output_size(state_->options, height, state_->options.kernel_h);
}
std::int64_t PackedConv::output_width(std::int64_t width) const {
  return output_size(state_->options, width, state_->options.kernel_w);
}

std::int64_t PackedConv::workspace_floats(std::int64_t batch, std::int64_t height, std::int64_t width,
                                          int threads) const {
  if (state_->winograd) return state_->winograd->workspace_floats(threads);
  if (state_->tiles) return state_->tiles->workspace_floats(rows_of({{}, batch, height, width, 0}), threads);
  if (state_->depthwise) return state_->depthwise->workspace_floats(rows_of({{}, batch, height, width, 0}), threads);
  return product_workspace_floats(*state_->kernels, state_->products[0].k(), threads);
}
NarrowMaps PackedConv::narrow_maps(const PackedConvOptions& o) {
  const ConvAlgorithm algorithm = choose(o, packed_kernels());
  return narrow_maps_of(algorithm, format_of(algorithm, o));
}
ConvAlgorithm PackedConv::algorithm() const { return state_->algorithm; }
NumberFormat PackedConv::format() const { return state_->kernels->format; }
std::size_t PackedConv::packed_bytes() const {
  if (state_->winograd) return state_->winograd->bytes();
  if (state_->depthwise) return state_->depthwise->bytes();
  if (state_->tiles) return state_->tiles->bytes();
  std::size_t bytes = 0;
  for (const PackedMatrix& group : state_->products) bytes += group.bytes();
  return bytes;
}
const PackedConvOptions& PackedConv::options() const { return state_->options; }

/// The map's windows, of a depthwise convolution those of all groups together.
PixelRows PackedConv::rows_of(const PackedInput& x) const {
  const PackedConvOptions& o = state_->options;
  PixelRows rows = pixel_rows(o, state_->depthwise ? o.in : o.in / o.groups);
  rows.map = x;
  rows.out_height = output_height(x.height);
  rows.out_width = output_width(x.width);
  return rows;
}

void PackedConv::run(const PackedInput& x, const PackedOutput& y, const PackedWorkspace& workspace) const {
  const State& s = *state_;
  const PackedConvOptions& o = s.options;
  RTDETR_CHECK(x.height + 2 * o.padding + o.extra_padding > o.dilation * (o.kernel_h - 1) &&
                   x.width + 2 * o.padding + o.extra_padding > o.dilation * (o.kernel_w - 1),
               "a packed convolution is given a map that is smaller than its window");
  RTDETR_CHECK(x.pixel_stride >= o.in && y.pixel_stride >= o.out && workspace.threads > 0 &&
                   (o.residual == ResidualPlace::kNone || y.residual),
               "a packed convolution lacks its residual or has pixels that overlap");
  const NarrowMaps narrow = narrow_maps_of(s.algorithm, s.kernels->format);
  RTDETR_CHECK((narrow.input || !x.data.is_narrow()) && (narrow.output || !y.data.is_narrow()) &&
                   (!y.residual || y.residual.format == y.data.format),
               "a packed convolution is given a map of numbers that it does not take");
  const Epilogue epilogue{s.bias.data(), o.activation, o.residual};
  if (s.winograd) return s.winograd->run(x, epilogue, y, workspace);
  PixelRows rows = rows_of(x);
  if (s.depthwise) return s.depthwise->run(rows, epilogue, y, workspace);
  if (s.tiles) return s.tiles->run(rows, {s.bias.data(), o.activation, o.residual, s.scale.data()}, y, workspace);
  if (is_pointwise(o)) rows.join_pixels();
  const std::int64_t in = rows.channels, out = o.out / o.groups;
  PackedOutput to = y;
  for (std::int64_t g = 0; g < o.groups; ++g) {
    const float* scale = s.scale.size() > 0 ? s.scale.data() + g * out : nullptr;
    run_product(*s.kernels, rows, s.products[static_cast<std::size_t>(g)],
                {s.bias.data() + g * out, o.activation, o.residual, scale}, to, workspace);
    rows.map.data = rows.map.data + in;
    to.data = to.data + out;
    if (to.residual) to.residual = to.residual + out;
  }
}

PackedLinear::PackedLinear(const PackedLinearOptions& o, const float* weight, const float* bias)
    : conv_({.in = o.in,
             .out = o.out,
             .activation = o.activation,
             .residual = o.residual,
             .format = o.format,
             .bytes = o.bytes},
            weight, bias) {}

}  // namespace rtdetr
