#include "train/optim/muon.h"

#include <algorithm>
#include <cmath>
#include <regex>
#include <string>
#include <utility>

#include <torch/types.h>

#include "core/ops/linear.h"

namespace rtdetr {
namespace {

/// Looked up by class or place, or the last layer of class scores: the rows belong to things, not to directions.
bool is_table(const std::string& name) {
  static const std::regex tables(R"((class|pos|tgt|query|token)_embed|label_enc|rel_pos|score_head|cv3\.\d+\.2\.)");
  return std::regex_search(name, tables);
}

bool is_matrix(const NamedParameter& parameter) {
  constexpr std::int64_t kFewest = 16;
  const torch::Tensor& value = parameter.value;
  if (value.dim() < 2 || value.numel() == 0 || is_table(parameter.name)) return false;
  return std::min(value.size(0), value.numel() / value.size(0)) >= kFewest;
}

std::vector<ParameterGroup> without_matrices(std::vector<ParameterGroup> groups) {
  for (ParameterGroup& group : groups) std::erase_if(group.parameters, is_matrix);
  return groups;
}

/// c_share · c + product_share · a·bᵀ, of bfloat16 rounded once, as PyTorch's is.
torch::Tensor sum_with_product(const torch::Tensor& c, double c_share, const torch::Tensor& a, const torch::Tensor& b,
                               double product_share) {
  if (c.scalar_type() == torch::kBFloat16) return at::addmm(c, a, b.t(), c_share, product_share);
  return (c * c_share).add_(linear(a, b, torch::Tensor()), product_share);
}

}  // namespace

torch::Tensor orthogonalized(const torch::Tensor& x, bool bfloat16) {
  constexpr double kLinear = 3.4445, kCubic = -4.7750, kQuintic = 2.0315, kSmallestNorm = 1e-7;
  constexpr int kSteps = 5;
  const bool tall = x.size(0) > x.size(1);
  torch::Tensor y = bfloat16 ? x.to(torch::kBFloat16) : x;
  if (tall) y = y.t();
  y = y / y.norm().clamp_min(kSmallestNorm);
  for (int step = 0; step < kSteps; ++step) {
    const torch::Tensor gram = rtdetr::linear(y, y, torch::Tensor());
    y = sum_with_product(y, kLinear, sum_with_product(gram, kCubic, gram, gram, kQuintic), y.t(), 1);
  }
  return (tall ? y.t() : y).to(x.scalar_type());
}

Muon::Muon(std::vector<ParameterGroup> groups, const MuonOptions& options, const AdamWOptions& rest)
    : Optimizer(groups), options_(options), rest_(without_matrices(std::move(groups)), rest) {
  for (std::size_t g = 0; g < this->groups().size(); ++g) {
    const std::vector<NamedParameter>& parameters = this->groups()[g].parameters;
    for (std::size_t i = 0; i < parameters.size(); ++i)
      if (is_matrix(parameters[i])) matrices_.push_back({g, i, torch::zeros_like(parameters[i].value.detach())});
  }
}

void Muon::update(Matrix& matrix, const StepRates& rates, const torch::Tensor& refused) const {
  const ParameterGroup& group = groups()[matrix.group];
  const torch::Tensor& parameter = group.parameters[matrix.parameter].value;
  if (!parameter.grad().defined()) return;
  const auto write = [&](const torch::Tensor& target, const torch::Tensor& value) {
    target.copy_(refused.defined() ? torch::where(refused > 0, target, value) : value);
  };
  const torch::Tensor gradient = gradient_like(parameter), weights = parameter.detach();
  write(matrix.momentum, gradient.lerp(matrix.momentum, options_.momentum));
  const torch::Tensor direction = gradient.lerp(matrix.momentum, options_.momentum).flatten(1);
  const double rate = group.rate(rates);
  const double length = 0.2 * std::sqrt(static_cast<double>(std::max(direction.size(0), direction.size(1))));
  write(weights, (weights * (1 - rate * group.weight_decay))
                     .sub_(orthogonalized(direction, options_.bfloat16).reshape(weights.sizes()), rate * length));
}

void Muon::step(const StepRates& rates, const torch::Tensor& refused) {
  torch::NoGradGuard no_grad;
  rest_.step(rates, refused);
  for (Matrix& matrix : matrices_) update(matrix, rates, refused);
}

void Muon::register_state(StateRegistry& registry) {
  rest_.register_state(registry);
  for (const Matrix& matrix : matrices_)
    registry.add("muon.momentum." + groups()[matrix.group].parameters[matrix.parameter].name, matrix.momentum);
}

}  // namespace rtdetr
