#include "core/ops/attention.h"

#include <limits>
#include <vector>

#include <torch/types.h>
#include <catch2/catch.hpp>

namespace rtdetr {
namespace {

using torch::Tensor;

/// Output and the gradients of query, key and value, as float64.
std::vector<Tensor> results(const std::vector<Tensor>& inputs, const std::optional<Tensor>& bias, const Tensor& weights,
                            decltype(&attention) compute) {
  std::vector<Tensor> leaves;
  for (const Tensor& x : inputs) leaves.push_back(x.detach().clone().requires_grad_());
  const Tensor output = compute(leaves[0], leaves[1], leaves[2], bias);
  (output * weights.to(output.scalar_type())).sum().backward();
  std::vector<Tensor> all = {output.detach().to(torch::kDouble)};
  for (const Tensor& x : leaves) all.push_back(x.grad().to(torch::kDouble));
  return all;
}

Tensor exact(const Tensor& query, const Tensor& key, const Tensor& value, const std::optional<Tensor>& bias) {
  return at::scaled_dot_product_attention(query.to(torch::kDouble), key.to(torch::kDouble), value.to(torch::kDouble),
                                          bias ? std::optional(bias->to(torch::kDouble)) : std::nullopt);
}

std::vector<Tensor> made(torch::ScalarType type) {
  torch::manual_seed(5);
  const auto numbers = [&](std::int64_t tokens) { return torch::randn({2, 3, tokens, 8}, torch::kDouble).to(type); };
  return {numbers(5), numbers(7), numbers(7)};
}

/// Of five queries the first two do not see the last three keys.
Tensor made_bias(torch::ScalarType type) {
  Tensor bias = torch::zeros({5, 7}, torch::kDouble);
  bias.narrow(0, 0, 2).narrow(1, 4, 3).fill_(-std::numeric_limits<double>::infinity());
  return bias.to(type);
}

}  // namespace

TEST_CASE("attention of bfloat16 has the values and gradients of float64, to its rounding") {
  const std::vector<Tensor> inputs = made(torch::kBFloat16);
  const Tensor weights = torch::randn({2, 3, 5, 8}, torch::kDouble);
  for (const bool masked : {false, true}) {
    const auto bias = masked ? std::optional(made_bias(torch::kBFloat16)) : std::nullopt;
    const auto ours = results(inputs, bias, weights, &attention), expected = results(inputs, bias, weights, &exact);
    for (std::size_t i = 0; i < ours.size(); ++i) {
      INFO("masked " << masked << ", result " << i);
      const double largest = expected[i].abs().max().item<double>();
      CHECK((ours[i] - expected[i]).abs().max().item<double>() < 0.02 * largest);
    }
    // What the first two queries do not see learns nothing of them.
    if (!masked) continue;
    Tensor of_first = weights.clone();
    of_first.narrow(2, 2, 3).zero_();
    CHECK(results(inputs, bias, of_first, &attention)[3].narrow(2, 4, 3).abs().max().item<double>() == 0);
  }
}

TEST_CASE("attention is LibTorch's where no gradient of bfloat16 is wanted") {
  for (const torch::ScalarType type : {torch::kBFloat16, torch::kFloat, torch::kDouble}) {
    const std::vector<Tensor> inputs = made(type);
    const Tensor bias = made_bias(type);
    CHECK(torch::equal(attention(inputs[0], inputs[1], inputs[2], bias),
                       at::scaled_dot_product_attention(inputs[0], inputs[1], inputs[2], bias)));
  }
  const std::vector<Tensor> inputs = made(torch::kFloat);
  const Tensor weights = torch::randn({2, 3, 5, 8});
  const auto ours = results(inputs, {}, weights, &attention);
  const auto theirs = results(inputs, {}, weights,
                              [](const Tensor& q, const Tensor& k, const Tensor& v, const std::optional<Tensor>& bias) {
                                return at::scaled_dot_product_attention(q, k, v, bias);
                              });
  for (std::size_t i = 0; i < ours.size(); ++i) CHECK(torch::equal(ours[i], theirs[i]));
}

}  // namespace rtdetr
