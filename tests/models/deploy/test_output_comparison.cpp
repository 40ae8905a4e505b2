#include "models/deploy/output_comparison.h"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "models/weights/number_type.h"
#include "tests/models/small_model.h"
#include "tests/models/tiny_model.h"
#include "tests/support/fill.h"

namespace rtdetr {

using test::tiny_model;

TEST_CASE("rounding costs nothing for equal models, and little for weights rounded to a half type") {
  at::set_num_threads(1);
  const torch::Tensor input = torch::rand({2, 3, 64, 64}, at::make_generator<at::CPUGeneratorImpl>(1));
  DetectionModel original = tiny_model(1), rounded = tiny_model(1);
  RoundingCost cost = compare_rounded(original, rounded, input);
  CHECK(cost.difference.max_abs == 0);
  CHECK(cost.queries == 20);
  CHECK(cost.other_queries == 0);

  TensorMap state;
  for (const auto& [key, tensor] : named_state(*rounded)) state.emplace(key, tensor);
  const torch::NoGradGuard no_grad;
  for (auto& [key, tensor] : in_number_type(state, Precision::kBFloat16)) state.at(key).detach().copy_(tensor);
  cost = compare_rounded(original, rounded, input);
  CHECK(cost.difference.max_abs > 0);
  CHECK(cost.difference.max_abs < 0.05);
  CHECK(cost.mean() > 0);
  CHECK(cost.mean() < cost.difference.max_abs);
}

TEST_CASE("what a query moves on average is over the shared queries of all pictures, and unbounded without one") {
  const auto output = [](const std::vector<std::int64_t>& tokens, double box) {
    const auto count = static_cast<std::int64_t>(tokens.size());
    return OrderedOutput{torch::tensor(tokens).view({1, count}), torch::zeros({1, count, 2}),
                         torch::full({1, count, 4}, box)};
  };
  const RoundingCost near = rounding_cost(output({1, 2, 3, 5}, 0), output({2, 3, 5, 7}, 0.25));
  CHECK(near.other_queries == 1);
  CHECK(near.mean() == Approx(0.25));
  CHECK(sum_of(near, rounding_cost(output({4, 8}, 0), output({4, 8}, 0))).mean() == Approx(0.75 / 5));
  CHECK(std::isinf(rounding_cost(output({1, 2}, 0), output({3, 4}, 0)).mean()));
  // A token may be selected with several of its classes.
  const RoundingCost pairs = rounding_cost(output({1, 1, 3}, 0), output({1, 2, 3}, 0.5));
  CHECK(pairs.other_queries == 1);
  CHECK(pairs.mean() == Approx(0.5));
  CHECK(rounding_cost(output({1, 1, 2}, 0), output({1, 2, 2}, 0)).other_queries == 1);
}

TEST_CASE("queries from other tokens are counted, and those from the same are compared token by token") {
  at::set_num_threads(1);
  const torch::Tensor input = torch::rand({1, 3, 64, 64}, at::make_generator<at::CPUGeneratorImpl>(1));
  DetectionModel a = tiny_model(1), b = tiny_model(2);
  const RoundingCost cost = compare_rounded(a, b, input);
  CHECK(cost.queries == 10);
  CHECK(cost.other_queries > 0);
  CHECK(cost.other_queries <= 10);
  CHECK(sum_of(cost, cost).other_queries == 2 * cost.other_queries);
}

TEST_CASE(
    "another's tokens are followed in their ranks where queries are learnt, and in any order where they are not") {
  const bool learnt = GENERATE(false, true);
  DetectionModel model = build_model(parse_model_spec(
      test::small_yaml(learnt ? "variant: v2, learnt_init_query: true" : "variant: v2"), "small.yaml"));
  test::fill_by_rule(*model);
  const torch::Tensor input = test::images_by_key("ranks", {1, 3, 64, 96}).to(torch::kFloat);
  const OrderedOutput own = ordered_output_of(model, input);
  OrderedOutput other = own;
  other.ranked = other.ranked.flip(1);
  const FollowedOutput followed = followed_output(model, input, other, kEqualScores);
  CHECK(followed.output.tokens.equal(own.tokens));
  CHECK(followed.output.ranked.equal(learnt ? other.ranked : own.ranked));
  CHECK((difference_of(own, followed.output).max_abs > 1e-6) == learnt);
  CHECK((followed.worse > 0) == learnt);  // a flip is more than equal scores that change places
}

}  // namespace rtdetr
