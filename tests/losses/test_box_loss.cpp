#include "losses/box_loss.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "tests/losses/random_batch.h"
#include "tests/support/gradcheck.h"

namespace rtdetr {
namespace {

using test::difference;
using test::Draws;

TEST_CASE("box losses of identical boxes are zero and their quality is one") {
  Draws draws(1);
  const Tensor boxes = draws.boxes({20});
  const BoxLoss loss = box_loss(boxes, boxes, {});
  CHECK(loss.l1.abs().max().item<double>() == 0);
  CHECK(loss.giou.abs().max().item<double>() < 1e-15);
  CHECK(difference(loss.quality, torch::ones({20})) < 1e-15);
}

TEST_CASE("GIoU loss lies between zero and two and does not depend on the boxes' scale") {
  Draws draws(2);
  const Tensor a = draws.boxes({200}), b = draws.boxes({200});
  const Tensor loss = box_loss(a, b, {}).giou;
  CHECK((loss >= 0).all().item<bool>());
  CHECK((loss <= 2).all().item<bool>());
  CHECK(difference(loss, box_loss(a * 0.1, b * 0.1, {}).giou) < 1e-12);
}

TEST_CASE("gradients of the box losses agree with finite differences") {
  Draws draws(3);
  const Tensor wanted = draws.boxes({8}), predicted = draws.boxes({8});
  const auto sum = [&](const Tensor& boxes) {
    const BoxLoss loss = box_loss(boxes, wanted, {});
    return (5 * loss.l1 + 2 * loss.giou).sum();
  };
  CHECK(test::gradient_error(sum, predicted) < 1e-6);
}

TEST_CASE("the quality carries no gradient") {
  Draws draws(4);
  const Tensor boxes = draws.boxes({3}).set_requires_grad(true);
  CHECK_FALSE(box_loss(boxes, draws.boxes({3}), {}).quality.requires_grad());
}

TEST_CASE("a box weight multiplies the GIoU term by the pair's overlap and becomes its quality") {
  Draws draws(5);
  const Tensor a = draws.boxes({10}), b = draws.boxes({10});
  const BoxLoss plain = box_loss(a, b, {});
  CriterionOptions options;
  options.box_weight = CriterionOptions::BoxWeight::kIou;
  CHECK(difference(box_loss(a, b, options).giou, plain.giou * plain.quality) < 1e-15);
  options.box_weight = CriterionOptions::BoxWeight::kGiou;
  CHECK(difference(box_loss(a, b, options).quality, 1 - plain.giou) < 1e-15);
}

TEST_CASE("no pairs give empty losses") {
  const Tensor none = torch::zeros({0, 4});
  CHECK(box_loss(none, none, {}).giou.sum().item<float>() == 0);
}

}  // namespace
}  // namespace rtdetr
