#include "models/heads/detr/box_refinement.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/ops/autocast.h"
#include "models/layers/init.h"
#include "models/layers/module_tree.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kLayers = 3, kWidth = 4, kClassCount = 2;

/// What the refinement registers its modules under.
struct Bearer : torch::nn::Module {
  explicit Bearer(Activation activation = Activation::kRelu)
      : refinement(*this, {kLayers, kWidth, kClassCount, activation}) {
    initialize_weights(*this, 3);
    refinement.init_weights(-4.0);
  }
  LogitRefinement refinement;
};

Tensor start_logits() { return torch::tensor({0.5F, -0.25F, -1.0F, 1.0F}).view({1, 1, 4}); }

}  // namespace

TEST_CASE("boxes start where their queries do and move in the space of their logits") {
  const torch::NoGradGuard no_grad;
  Bearer head;
  const auto pass = head.refinement.start(start_logits());
  CHECK(torch::equal(pass->reference(), start_logits().sigmoid()));
  const auto still = pass->advance(0, torch::zeros({1, 1, kWidth}), true);  // heads say 0 before training
  REQUIRE(still);
  CHECK(torch::allclose(still->boxes_cxcywh, start_logits().sigmoid()));
  CHECK(torch::equal(still->logits, torch::full({1, 1, kClassCount}, -4.0F)));

  named_state(head).back().second.fill_(0.5);  // the last layer's bias
  pass->advance(1, torch::ones({1, 1, kWidth}), false);
  const auto moved = pass->advance(2, torch::ones({1, 1, kWidth}), true);
  CHECK(torch::allclose(moved->boxes_cxcywh, (start_logits() + 0.5).sigmoid()));
  CHECK(torch::equal(pass->reference(), moved->boxes_cxcywh));
}

TEST_CASE("a layer's prediction is handed out only if it is wanted") {
  Bearer head;
  const auto pass = head.refinement.start(start_logits());
  CHECK_FALSE(pass->advance(0, torch::ones({1, 1, kWidth}), false));
  CHECK(pass->advance(1, torch::ones({1, 1, kWidth}), true));
}

TEST_CASE("a box reaches the layer before by its gradient, and no further") {
  Bearer head;
  const auto pass = head.refinement.start(start_logits());
  std::vector<Tensor> contents;
  std::optional<Prediction> last;
  {
    const torch::NoGradGuard no_grad;
    for (Tensor& parameter : head.parameters()) parameter.add_(0.1);
  }
  for (std::int64_t k = 0; k < kLayers; ++k) {
    contents.push_back(torch::ones({1, 1, kWidth}, torch::requires_grad()));
    last = pass->advance(k, contents.back(), true);
    CHECK_FALSE(pass->reference().requires_grad());
  }
  last->boxes_cxcywh.sum().backward();
  CHECK(contents[2].grad().abs().sum().item<float>() > 0);
  CHECK(contents[1].grad().abs().sum().item<float>() > 0);
  CHECK_FALSE(contents[0].grad().defined());
}

TEST_CASE("boxes and where layers look are float32 in a half pass") {
  const auto precision = GENERATE(Precision::kBFloat16, Precision::kFloat16);
  const torch::NoGradGuard no_grad;
  Bearer head;
  const AutocastScope autocast(precision, torch::kCPU);
  const auto pass = head.refinement.start(start_logits());
  for (std::int64_t k = 0; k < kLayers; ++k) {  // heads say 0: no digit of the box may be lost
    const auto still = pass->advance(k, torch::ones({1, 1, kWidth}), true);
    CHECK(torch::allclose(still->boxes_cxcywh, start_logits().sigmoid()));
    CHECK(pass->reference().scalar_type() == torch::kFloat32);
  }
}

TEST_CASE("the perceptrons that move boxes run the activation they are built with") {
  const torch::NoGradGuard no_grad;
  std::vector<Tensor> boxes;
  for (const Activation activation : {Activation::kRelu, Activation::kSilu}) {
    Bearer head(activation);  // of the same weights
    head.named_parameters()["dec_bbox_head.0.layers.2.weight"].fill_(0.5);
    const auto pass = head.refinement.start(start_logits());
    boxes.push_back(pass->advance(0, torch::ones({1, 1, kWidth}), true)->boxes_cxcywh);
  }
  CHECK_FALSE(torch::allclose(boxes[0], boxes[1]));
}

TEST_CASE("layers that are dropped take their heads with them") {
  Bearer head;
  head.refinement.keep_layers(head, 1);
  for (const auto& [key, tensor] : named_state(head)) CHECK(key.find(".0.") != std::string::npos);
  CHECK(head.refinement.start(start_logits())->advance(0, torch::ones({1, 1, kWidth}), true));
}

}  // namespace rtdetr
