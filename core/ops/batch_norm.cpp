#include "core/ops/batch_norm.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "core/ops/batch_norm_passes.h"
#include "core/ops/cuda_plugin.h"
#include "core/tensor/check.h"

namespace rtdetr {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool has_cuda_passes(const Tensor& x) { return x.is_cuda() && cuda_plugin() != nullptr; }

BatchNormPasses passes_for(const Tensor& x) {
  return has_cuda_passes(x) ? cuda_plugin()->batch_norm : batch_norm_cpu_passes();
}

/// Carries the reducer from the forward to the backward pass.
struct KeptReducer : torch::CustomClassHolder {
  explicit KeptReducer(SumReducer reduce) : reduce(std::move(reduce)) {}
  SumReducer reduce;
};

/// A gradient in the type and layout of its map.
Tensor like_map(const Tensor& grad, const Tensor& x) {
  return grad.to(x.scalar_type()).contiguous(torch::MemoryFormat::ChannelsLast);
}

/// Weight and bias stand beside `parts`, which has them, too, because autograd looks for tensors among the arguments.
class BatchNormFunction : public torch::autograd::Function<BatchNormFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& /*weight*/, const Tensor& /*bias*/,
                        const BatchNormParts& parts, const SumReducer& reduce) {
    Tensor norm;
    const Tensor y = passes_for(x).forward(x, parts, reduce, norm);
    ctx->save_for_backward({x, norm});
    ctx->saved_data["activation"] = static_cast<std::int64_t>(parts.activation);
    if (reduce) ctx->saved_data["reduce"] = c10::IValue::make_capsule(c10::make_intrusive<KeptReducer>(reduce));
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    RTDETR_CHECK(!torch::GradMode::is_enabled(), "BatchNorm's gradient is not differentiable (create_graph)");
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &norm = saved[1];
    const auto activation = static_cast<NormActivation>(ctx->saved_data["activation"].toInt());
    const BatchNormGradients out =
        passes_for(x).backward(like_map(grads[0], x), x, norm, activation, kept_reducer(*ctx));
    return {out.x, out.weight, out.bias, Tensor(), Tensor()};
  }

 private:
  static SumReducer kept_reducer(const AutogradContext& ctx) {
    const auto kept = ctx.saved_data.find("reduce");
    if (kept == ctx.saved_data.end()) return {};
    return c10::static_intrusive_pointer_cast<KeptReducer>(kept->second.toCapsule())->reduce;
  }
};

class FixedBatchNormFunction : public torch::autograd::Function<FixedBatchNormFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const BatchNormParts& parts) {
    Tensor norm;
    const Tensor y = passes_for(x).fixed_forward(x, parts, norm);
    ctx->save_for_backward({x, norm});
    ctx->saved_data["activation"] = static_cast<std::int64_t>(parts.activation);
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    RTDETR_CHECK(!torch::GradMode::is_enabled(), "BatchNorm's gradient is not differentiable (create_graph)");
    const auto saved = ctx->get_saved_variables();
    const Tensor& x = saved[0];
    const auto activation = static_cast<NormActivation>(ctx->saved_data["activation"].toInt());
    return {passes_for(x).fixed_backward(like_map(grads[0], x), x, saved[1], activation), Tensor()};
  }
};

void check_parts(const Tensor& x, const BatchNormParts& parts) {
  for (const Tensor* of_channels : {&parts.weight, &parts.bias, &parts.running_mean, &parts.running_var})
    check_shape(*of_channels, {x.size(1)}, "BatchNorm's parts");
}

}  // namespace

bool suits_batch_norm_act(const Tensor& x) {
  const bool cuda = has_cuda_passes(x);
  const auto type = x.scalar_type();
  const bool has_type = type == torch::kFloat32 || type == torch::kBFloat16 || (type == torch::kFloat16 && cuda);
  return (x.is_cpu() || cuda) && has_type && x.dim() == 4 && x.numel() > 0 &&
         x.is_contiguous(torch::MemoryFormat::ChannelsLast);
}

Tensor batch_norm_act(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                      const Tensor& running_var, double momentum, double eps, NormActivation activation,
                      const SumReducer& reduce) {
  const BatchNormParts parts{weight, bias, running_mean, running_var, momentum, eps, activation};
  check_parts(x, parts);
  return BatchNormFunction::apply(x, weight, bias, parts, reduce);
}

bool suits_fixed_batch_norm_act(const Tensor& x) {
  return suits_batch_norm_act(x) && passes_for(x).fixed_forward != nullptr;
}

Tensor fixed_batch_norm_act(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                            const Tensor& variance, double eps, NormActivation activation) {
  const BatchNormParts parts{weight, bias, mean, variance, /*momentum=*/0, eps, activation};
  check_parts(x, parts);
  return FixedBatchNormFunction::apply(x, parts);
}

}  // namespace rtdetr
