#include "core/ops/attention.h"

#include <cmath>

namespace rtdetr {
namespace {

bool wants_gradient(const torch::Tensor& x) { return at::GradMode::is_enabled() && x.requires_grad(); }

}  // namespace

torch::Tensor attention(const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& value,
                        const std::optional<torch::Tensor>& bias) {
  const bool is_bfloat16_on_cpu = query.is_cpu() && query.scalar_type() == torch::kBFloat16;
  if (!is_bfloat16_on_cpu || !(wants_gradient(query) || wants_gradient(key) || wants_gradient(value)))
    return at::scaled_dot_product_attention(query, key, value, bias);
  torch::Tensor logits = at::matmul(query / std::sqrt(static_cast<double>(query.size(-1))), key.transpose(-2, -1));
  if (bias) logits = logits + *bias;
  return at::matmul(at::softmax(logits, -1), value);
}

}  // namespace rtdetr
