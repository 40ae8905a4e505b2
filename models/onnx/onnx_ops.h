#pragma once

#include "core/base/cpp20.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <torch/types.h>

#include "models/onnx/onnx_builder.h"

/// Operators of opset 17 as functions: each adds a node (or a few) and knows the result's shape. Written for what
/// engines do with them (docs/decisions/0008-onnx-by-hand.md): one Reshape knows the batch as 0 or -1 only, no operator
/// computes a shape where it is known.
namespace rtdetr::onnx {

OnnxValue add(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b);
OnnxValue sub(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b);
OnnxValue mul(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b);
OnnxValue div(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b);
OnnxValue max(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b);
OnnxValue min(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b);
/// Booleans.
OnnxValue equal(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b);
OnnxValue greater(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b);
OnnxValue less(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b);

/// An operator of one input whose result looks like it: Relu, Sigmoid, Floor, Log, Erf, HardSwish, …
OnnxValue unary(OnnxBuilder& graph, const std::string& op, const OnnxValue& x, OnnxAttributes attributes = {});
OnnxValue softmax(OnnxBuilder& graph, const OnnxValue& x);  ///< over the last axis
OnnxValue clip(OnnxBuilder& graph, const OnnxValue& x, double low, double high);
OnnxValue cast(OnnxBuilder& graph, const OnnxValue& x, OnnxType type);  ///< nothing, if it has the type

struct OnnxWindow {
  std::int64_t kernel = 1, stride = 1, dilation = 1;
  std::array<std::int64_t, 4> padding = {0, 0, 0, 0};  ///< top, left, bottom, right
};
/// @param weight  [out, in / groups, k, k]
/// @param bias    [out]
OnnxValue conv(OnnxBuilder& graph, const OnnxValue& x, const torch::Tensor& weight, const torch::Tensor& bias,
               const OnnxWindow& window, std::int64_t groups);
/// Padding never wins.
OnnxValue max_pool(OnnxBuilder& graph, const OnnxValue& x, const OnnxWindow& window);
/// Padding is zeros, and counts.
OnnxValue average_pool(OnnxBuilder& graph, const OnnxValue& x, const OnnxWindow& window);
/// Of each channel of a map: [B, C, 1, 1].
OnnxValue global_mean(OnnxBuilder& graph, const OnnxValue& x);
/// Of 2x2 cells, what is left over at an odd edge averaged alone.
OnnxValue halve(OnnxBuilder& graph, const OnnxValue& x);
/// Repeats each cell `factor` times in both directions.
OnnxValue upsample(OnnxBuilder& graph, const OnnxValue& x, std::int64_t factor);
/// Zeros to the right of and below a map.
OnnxValue pad_right_bottom(OnnxBuilder& graph, const OnnxValue& x);

/// Batched over the leading axes, as torch::matmul.
OnnxValue matmul(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b);
/// x Wᵀ + b, one Linear of the native dialect. @param weight  [out, in]
OnnxValue linear(OnnxBuilder& graph, const OnnxValue& x, const torch::Tensor& weight, const torch::Tensor& bias);
/// Over the last axis.
OnnxValue layer_norm(OnnxBuilder& graph, const OnnxValue& x, const torch::Tensor& weight, const torch::Tensor& bias,
                     double eps);
/// Of `groups` groups of a map's channels, the moments in float32 in a graph of half types. The map's size is known.
/// @param scale  [C], as `shift`
OnnxValue group_norm(OnnxBuilder& graph, const OnnxValue& x, std::int64_t groups, const torch::Tensor& scale,
                     const torch::Tensor& shift, double eps);
/// Over the last axis: x · scale / √(mean(x²) + eps), the mean in float32 in a graph of half types; one
/// RmsNormalization of the native dialect.
OnnxValue rms_norm(OnnxBuilder& graph, const OnnxValue& x, const torch::Tensor& scale, double eps);
OnnxValue gelu(OnnxBuilder& graph, const OnnxValue& x);  ///< the exact one; one Gelu of the native dialect

/// @param target  sizes; 0 = as in `x`, -1 = what is left. A batch axis may only be one of those two.
OnnxValue reshape(OnnxBuilder& graph, const OnnxValue& x, const std::vector<std::int64_t>& target);
OnnxValue transpose(OnnxBuilder& graph, const OnnxValue& x, const std::vector<std::int64_t>& order);
OnnxValue concat(OnnxBuilder& graph, const std::vector<OnnxValue>& parts, std::int64_t axis);
std::vector<OnnxValue> split(OnnxBuilder& graph, const OnnxValue& x, const std::vector<std::int64_t>& sizes,
                             std::int64_t axis);
/// One more axis of size 1.
OnnxValue unsqueeze(OnnxBuilder& graph, const OnnxValue& x, std::int64_t axis);

/// Rows of `data` along `axis`: the axis gives way to those of `indices`.
OnnxValue gather(OnnxBuilder& graph, const OnnxValue& data, const OnnxValue& indices, std::int64_t axis = 0);
/// Of each picture its own rows. @param data [B, S, …]  @param indices [B, Q] int64  @return [B, Q, …]
OnnxValue gather_rows(OnnxBuilder& graph, const OnnxValue& data, const OnnxValue& indices);
OnnxValue reduce_max(OnnxBuilder& graph, const OnnxValue& x);  ///< over the last axis, which goes

struct OnnxTopK {
  OnnxValue values, indices;  ///< indices int64
};
/// The k largest along the last axis, sorted.
OnnxTopK top_k(OnnxBuilder& graph, const OnnxValue& x, std::int64_t k);
/// 0, 1, … up to the batch size of `x`, int64 [B].
OnnxValue batch_numbers(OnnxBuilder& graph, const OnnxValue& x);

}  // namespace rtdetr::onnx
