#include "models/weights/number_type.h"

#include <torch/types.h>

#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

torch::ScalarType scalar_type_of(Precision type) {
  if (type == Precision::kBFloat16) return torch::kBFloat16;
  return type == Precision::kFloat16 ? torch::kFloat16 : torch::kFloat32;
}

void refuse_overflow(const std::string& name, const torch::Tensor& before, const torch::Tensor& after) {
  const torch::Tensor lost = before.isfinite().logical_and(after.isfinite().logical_not());
  if (!lost.any().item<bool>()) return;
  throw ConfigError("dtype=fp16: '" + name + "' has the number " +
                    format_short(before.masked_select(lost)[0].item<double>()) +
                    ", and fp16 ends at 65504; dtype=bf16 holds it");
}

}  // namespace

TensorMap in_number_type(const TensorMap& tensors, Precision type) {
  const torch::NoGradGuard no_grad;
  TensorMap rounded;
  for (const auto& [name, tensor] : tensors) {
    torch::Tensor& value = rounded.emplace(name, tensor.detach()).first->second;
    if (!tensor.is_floating_point()) continue;
    value = value.to(scalar_type_of(type));
    if (type == Precision::kFloat16) refuse_overflow(name, tensor.detach(), value);
  }
  return rounded;
}

}  // namespace rtdetr
