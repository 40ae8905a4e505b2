#include "models/heads/detr/distribution_refinement.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "core/ops/autocast.h"
#include "models/layers/init.h"
#include "models/layers/module_tree.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kDepth = 4;

DistributionRefinementOptions two_layers() {
  DistributionRefinementOptions options;
  options.layers = 2;
  options.dim = kDepth;
  options.classes = 2;
  return options;
}

/// What the refinement registers its modules under.
struct RefinementBearer : torch::nn::Module {
  explicit RefinementBearer(const DistributionRefinementOptions& options = two_layers()) : refinement(*this, options) {
    initialize_weights(*this, 3);
    refinement.init_weights(-4.0);
  }
  DistributionRefinement refinement;
};

Tensor first_logits() { return torch::tensor({0.5F, -0.25F, -1.0F, 1.0F}).view({1, 1, 4}); }

Tensor first_boxes(const RefinementBearer& head) {
  const auto pass = head.refinement.start(first_logits());
  return pass->advance(0, torch::zeros({1, 1, kDepth}), true)->boxes_cxcywh;
}

}  // namespace

TEST_CASE("a distribution gives the same box in a half pass as in a whole one") {
  const auto precision = GENERATE(Precision::kBFloat16, Precision::kFloat16);
  const torch::NoGradGuard no_grad;
  RefinementBearer head;
  head.named_parameters()["dec_bbox_head.0.layers.2.bias"].slice(0, 20, 24).fill_(2);  // exact in every type
  const Tensor whole = first_boxes(head);
  CHECK_FALSE(torch::allclose(whole, first_logits().sigmoid()));
  const AutocastScope autocast(precision, torch::kCPU);
  const Tensor half = first_boxes(head);
  CHECK(half.scalar_type() == torch::kFloat32);
  CHECK(torch::allclose(half, whole, /*rtol=*/1e-5, /*atol=*/1e-6));
}

TEST_CASE("a shared box head is listed under every layer's keys, counted once, and one tensor whatever its type") {
  DistributionRefinementOptions options = two_layers();
  const RefinementBearer apart(options);
  options.shared_boxes = true;
  RefinementBearer head(options);
  const auto keys = [](const torch::nn::Module& module) {
    std::set<std::string> names;
    for (const auto& [key, tensor] : named_state(module)) names.insert(key);
    return names;
  };
  CHECK(keys(head) == keys(apart));
  const std::int64_t one = 2 * (kDepth * kDepth + kDepth) + options.distribution.corners() * (kDepth + 1);
  CHECK(count_parameters(head) == count_parameters(apart) - one);
  head.to(torch::kFloat64);
  std::map<std::string, torch::Tensor> state;
  for (const auto& [key, tensor] : named_state(head)) state.emplace(key, tensor);
  const torch::NoGradGuard no_grad;
  state.at("dec_bbox_head.1.layers.2.bias").fill_(3);
  CHECK(state.at("dec_bbox_head.0.layers.2.bias").eq(3).all().item<bool>());
  CHECK(state.at("dec_bbox_head.1.layers.2.bias").scalar_type() == torch::kFloat64);
}

TEST_CASE("equal heads start with the first layer's weights") {
  DistributionRefinementOptions options = two_layers();
  const auto is_equal = [&options] {
    const RefinementBearer head(options);
    const auto parameters = head.named_parameters();
    return torch::equal(parameters["dec_bbox_head.0.layers.1.weight"], parameters["dec_bbox_head.1.layers.1.weight"]) &&
           torch::equal(parameters["dec_score_head.0.weight"], parameters["dec_score_head.1.weight"]);
  };
  CHECK_FALSE(is_equal());
  options.equal_heads = true;
  CHECK(is_equal());
}

TEST_CASE("the numbers of the distributions are constants under both of their keys") {
  const RefinementBearer head;
  const auto constants = head.refinement.constants();
  REQUIRE(constants.size() == 4);
  const auto state = named_state(head);
  for (const StateConstant& constant : constants) {
    INFO(constant.key);
    const bool found = std::any_of(state.begin(), state.end(), [&](const auto& entry) {
      return entry.first == constant.key && says_constant(entry.second, constant.value);
    });
    CHECK(found);
  }
}

}  // namespace rtdetr
