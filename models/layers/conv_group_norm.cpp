#include "models/layers/conv_group_norm.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/base/error.h"
#include "core/ops/conv.h"
#include "models/layers/module_tree.h"
#include "models/onnx/onnx_map_size.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kGroups = 32;
constexpr double kGroupNormEps = 1e-5;

/// Two parameters under one name.
struct Pair : torch::nn::Module {
  Pair(Tensor weight_of, Tensor bias_of) {
    weight = register_parameter("weight", std::move(weight_of));
    bias = register_parameter("bias", std::move(bias_of));
  }
  Tensor weight, bias;
};

}  // namespace

ConvGroupNormImpl::ConvGroupNormImpl(const ConvolutionOptions& o) : options_(o) {
  if (o.out % kGroups != 0)
    throw ModelError("input_norm: group has " + std::to_string(kGroups) + " groups, which do not divide " +
                     std::to_string(o.out) + " channels");
  const auto conv =
      std::make_shared<Pair>(new_weight({o.out, o.in / o.groups, o.kernel, o.kernel}), new_weight({o.out}));
  const auto norm = std::make_shared<Pair>(new_weight({o.out}), new_weight({o.out}));
  register_at(*this, "0", conv);
  register_at(*this, "1", norm);
  kernel_ = conv->weight, bias_ = conv->bias;
  scale_ = norm->weight, shift_ = norm->bias;
}

Tensor ConvGroupNormImpl::forward(const Tensor& x) {
  const ConvolutionOptions& o = options_;
  const Tensor y = conv2d(x, kernel_, bias_, ConvWindow{o.stride, o.padding, o.dilation, o.groups});
  return torch::group_norm(y, kGroups, scale_, shift_, kGroupNormEps);
}

OnnxValue ConvGroupNormImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  if (onnx::is_free(x)) throw ModelError("input_norm: group has no ONNX form of free height and width");
  const OnnxValue y = emit_conv(graph, x, {kernel_, bias_}, options_, Activation::kNone);
  return onnx::group_norm(graph, y, kGroups, scale_, shift_, kGroupNormEps);
}

void ConvGroupNormImpl::init_weights(const WeightDraws& draws) {
  draws.xavier_uniform(kernel_, "0.weight");
  WeightDraws::constant(bias_, 0);
  WeightDraws::constant(scale_, 1);
  WeightDraws::constant(shift_, 0);
}

}  // namespace rtdetr
