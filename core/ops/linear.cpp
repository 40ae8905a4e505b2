#include "core/ops/linear.h"

#include <ATen/autocast_mode.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "core/ops/autocast.h"
#include "core/ops/onednn_product.h"

namespace rtdetr {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Where suits_onednn has said that there is one.
const OnednnProduct& product() { return *OnednnProduct::of_libtorch(); }

/// oneDNN's own ReLU makes 0 of not-a-number, which would hide a fault from the loss.
Tensor multiplied(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, bool relu) {
  Tensor y = product()(x, weight, bias);
  return relu ? y.relu_() : y;
}

/// On [M, K] matrices.
class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
                        bool relu) {
    const Tensor y = multiplied(x, weight, bias, relu);
    ctx->save_for_backward({x, weight, relu ? y : Tensor()});
    ctx->saved_data["has_bias"] = bias.has_value();
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grad_outputs) {
    RTDETR_CHECK(!torch::GradMode::is_enabled(), "a linear layer's gradient is not differentiable (create_graph)");
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &y = saved[2];
    Tensor grad = grad_outputs[0].contiguous();
    if (y.defined()) grad = torch::threshold_backward(grad, y, 0);
    Tensor grad_x, grad_weight, grad_bias;
    if (ctx->needs_input_grad(0)) grad_x = product()(grad, weight.t());
    if (ctx->needs_input_grad(1)) grad_weight = product()(grad.t(), x.t());
    if (ctx->saved_data["has_bias"].toBool() && ctx->needs_input_grad(2)) grad_bias = grad.sum(0);
    return {grad_x, grad_weight, grad_bias, Tensor()};
  }
};

bool suits_onednn(const Tensor& x, const Tensor& weight) {
  return x.is_cpu() && weight.is_cpu() && x.scalar_type() == torch::kFloat && weight.scalar_type() == torch::kFloat &&
         x.dim() >= 2 && x.numel() > 0 && at::hasMKLDNN() && at::globalContext().userEnabledMkldnn() &&
         !at::autocast::is_autocast_enabled(at::kCPU) && OnednnProduct::of_libtorch() != nullptr;
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, bool relu) {
  if (!suits_onednn(x, weight)) {
    Tensor y = torch::linear(x, weight, bias);
    if (!relu) return y;
    return y.scalar_type() == torch::kHalf ? torch::hardtanh_(y, 0, kFloat16Max) : y.relu_();
  }
  const bool record = torch::GradMode::is_enabled() &&
                      (x.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
  const Tensor rows = x.reshape({-1, x.size(-1)});
  const std::optional<Tensor> shift = bias.defined() ? std::optional(bias) : std::nullopt;
  const Tensor y = record ? LinearFunction::apply(rows, weight, shift, relu) : multiplied(rows, weight, shift, relu);
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  return y.view(shape);
}

}  // namespace rtdetr
