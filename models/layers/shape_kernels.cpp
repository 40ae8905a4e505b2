#include "models/layers/shape_kernels.h"

#include <tuple>

#include <torch/library.h>
#include <torch/types.h>

namespace rtdetr {
namespace {

using at::Tensor;

Tensor convolution_shape(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& /*bias*/,
                         at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                         at::IntArrayRef /*output_padding*/, std::int64_t /*groups*/) {
  TORCH_CHECK(!transposed, "the shape of a transposed convolution is not known here");
  std::vector<std::int64_t> shape = {input.size(0), weight.size(0)};
  const auto along = [](at::IntArrayRef values, std::size_t axis) { return values[values.size() == 1 ? 0 : axis]; };
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const auto dimension = static_cast<std::int64_t>(axis) + 2;
    const std::int64_t extent = along(dilation, axis) * (weight.size(dimension) - 1) + 1;
    shape.push_back((input.size(dimension) + 2 * along(padding, axis) - extent) / along(stride, axis) + 1);
  }
  return at::empty(shape, input.options());
}

std::tuple<Tensor, Tensor, Tensor> layer_norm_shape(const Tensor& input, at::IntArrayRef /*normalized_shape*/,
                                                    const std::optional<Tensor>& /*weight*/,
                                                    const std::optional<Tensor>& /*bias*/, double /*eps*/) {
  const Tensor statistics = at::empty({0}, input.options());
  return {at::empty_like(input), statistics, statistics};
}

std::tuple<Tensor, Tensor, Tensor> batch_norm_shape(const Tensor& input, const std::optional<Tensor>& weight,
                                                    const std::optional<Tensor>& bias,
                                                    const std::optional<Tensor>& /*running_mean*/,
                                                    const std::optional<Tensor>& /*running_var*/, bool /*training*/,
                                                    double /*momentum*/, double eps) {
  return layer_norm_shape(input, {}, weight, bias, eps);
}

std::tuple<Tensor, Tensor, Tensor> group_norm_shape(const Tensor& input, const std::optional<Tensor>& weight,
                                                    const std::optional<Tensor>& bias, std::int64_t /*batch*/,
                                                    std::int64_t /*channels*/, std::int64_t /*pixels*/,
                                                    std::int64_t /*groups*/, double eps) {
  return layer_norm_shape(input, {}, weight, bias, eps);
}

Tensor attention_shape(const Tensor& query, const Tensor& /*key*/, const Tensor& value,
                       const std::optional<Tensor>& /*mask*/, double /*dropout*/, bool /*is_causal*/,
                       std::optional<double> /*scale*/, bool /*enable_gqa*/) {
  std::vector<std::int64_t> shape = query.sizes().vec();
  shape.back() = value.size(-1);
  return at::empty(shape, query.options());
}

}  // namespace

void register_shape_kernels() {
  static const torch::Library library = [] {
    torch::Library made(torch::Library::IMPL, "aten", c10::DispatchKey::Meta, __FILE__, __LINE__);
    made.impl("convolution_overrideable", TORCH_FN(convolution_shape));
    made.impl("native_layer_norm", TORCH_FN(layer_norm_shape));
    made.impl("native_batch_norm", TORCH_FN(batch_norm_shape));
    made.impl("native_group_norm", TORCH_FN(group_norm_shape));
    made.impl("scaled_dot_product_attention", TORCH_FN(attention_shape));
    return made;
  }();
}

}  // namespace rtdetr
