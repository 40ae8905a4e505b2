#include "core/ops/joined_batch_norm.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <utility>

#include "core/base/check.h"

namespace rtdetr {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// [C] → [1, C, 1, 1], as float64
Tensor over_pixels(const Tensor& channels) { return channels.to(torch::kFloat64).view({1, -1, 1, 1}); }

struct JoinedMeans {
  Tensor first, second;  ///< [C] float64
  Tensor rows;           ///< scalar: pixels of all processes
};

/// Means over the pixels of all processes of two maps [B, C, H, W] in float64.
JoinedMeans joined_means(const Tensor& first, const Tensor& second, const SumReducer& reduce) {
  const std::int64_t channels = first.size(1);
  const Tensor rows = torch::full({1}, static_cast<double>(first.numel() / channels), first.options());
  const Tensor sums = torch::cat({first.sum({0, 2, 3}), second.sum({0, 2, 3}), rows});
  reduce(sums);
  const auto parts = sums.split_with_sizes({channels, channels, 1});
  return {parts[0] / parts[2], parts[1] / parts[2], parts[2]};
}

struct JoinedReducer : torch::CustomClassHolder {
  explicit JoinedReducer(SumReducer reduce) : reduce(std::move(reduce)) {}
  SumReducer reduce;
};

class JoinedBatchNorm : public torch::autograd::Function<JoinedBatchNorm> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Tensor& running_mean, const Tensor& running_var, double momentum, double eps,
                        const SumReducer& reduce) {
    const Tensor wide = x.to(torch::kFloat64);
    const JoinedMeans means = joined_means(wide, wide.square(), reduce);
    const Tensor variance = (means.second - means.first.square()).clamp_min(0);
    const Tensor unbiased = variance * (means.rows / (means.rows - 1).clamp_min(1));
    running_mean.lerp_(means.first.to(running_mean.scalar_type()), momentum);
    running_var.lerp_(unbiased.to(running_var.scalar_type()), momentum);
    const Tensor inverse = (variance + eps).rsqrt();
    ctx->save_for_backward({x, weight, means.first, inverse});
    ctx->saved_data["reduce"] = torch::IValue::make_capsule(c10::make_intrusive<JoinedReducer>(reduce));
    const Tensor standard = (wide - over_pixels(means.first)) * over_pixels(inverse);
    return (standard * over_pixels(weight) + over_pixels(bias)).to(x.scalar_type());
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    RTDETR_CHECK(!torch::GradMode::is_enabled(), "BatchNorm's gradient is not differentiable (create_graph)");
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], mean = over_pixels(saved[2]), inverse = over_pixels(saved[3]);
    const auto kept = c10::static_intrusive_pointer_cast<JoinedReducer>(ctx->saved_data["reduce"].toCapsule());
    const Tensor dy = grads[0].to(torch::kFloat64), standard = (x.to(torch::kFloat64) - mean) * inverse;
    const Tensor product = dy * standard;
    const JoinedMeans means = joined_means(dy, product, kept->reduce);
    const Tensor dx =
        (dy - over_pixels(means.first) - standard * over_pixels(means.second)) * over_pixels(weight) * inverse;
    const auto own = [&](const Tensor& map) { return map.sum({0, 2, 3}).to(weight.scalar_type()); };
    return {dx.to(x.scalar_type()), own(product), own(dy), Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor joined_batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                         const Tensor& running_var, double momentum, double eps, const SumReducer& reduce) {
  return JoinedBatchNorm::apply(x, weight, bias, running_mean, running_var, momentum, eps, reduce);
}

}  // namespace rtdetr
