#include "losses/classification_loss.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "tests/losses/random_batch.h"
#include "tests/support/gradcheck.h"

namespace rtdetr {
namespace {

using test::difference;
using test::Draws;

constexpr std::int64_t kSets = 2, kRows = 7, kClasses = 3;
const std::vector<ClassLoss> kAll{ClassLoss::kVarifocal, ClassLoss::kMal, ClassLoss::kFocal, ClassLoss::kBce,
                                  ClassLoss::kSoftBce};

struct Problem {
  Tensor logits, cells, quality;
};

Problem some_problem() {
  Draws draws(1);
  return {draws.logits({kSets, kRows, kClasses}) + 3, torch::tensor({1, 10, 20, 24, 38}, torch::kInt64),
          draws.uniform({5})};
}

/// The formulas of ClassLoss written out, with autograd doing the rest.
Tensor slow_loss(const Tensor& x, const Problem& problem, const CriterionOptions& options) {
  const Tensor one_hot = torch::zeros_like(x).view(-1).index_fill(0, problem.cells, 1).view_as(x);
  const Tensor q = torch::zeros_like(x).view(-1).index_copy(0, problem.cells, problem.quality).view_as(x);
  const Tensor p = torch::sigmoid(x);
  const auto bce = [&](const Tensor& target) { return -(target * p.log() + (1 - target) * (1 - p).log()); };
  Tensor loss;
  switch (options.class_loss) {
    case ClassLoss::kVarifocal: {
      const Tensor weighing = options.vfl_weight_gradient ? p : p.detach();
      loss = (options.vfl_alpha * weighing.pow(options.vfl_gamma) * (1 - one_hot) + q) * bce(q);
      break;
    }
    case ClassLoss::kMal:
      loss = (p.detach().pow(options.mal_gamma) * (1 - one_hot) + one_hot) * bce(q.pow(options.mal_gamma));
      break;
    case ClassLoss::kFocal: {
      const Tensor p_true = p * one_hot + (1 - p) * (1 - one_hot);
      const Tensor alpha = options.focal_alpha * one_hot + (1 - options.focal_alpha) * (1 - one_hot);
      loss = alpha * (1 - p_true).pow(options.focal_gamma) * bce(one_hot);
      break;
    }
    case ClassLoss::kBce:
      loss = bce(one_hot);
      break;
    case ClassLoss::kSoftBce:
      loss = bce(q);
      break;
  }
  return loss.sum({1, 2});
}

TEST_CASE("every class loss and its gradient equal the formula written out") {
  const Problem problem = some_problem();
  CriterionOptions options;
  for (const ClassLoss kind : kAll) {
    for (const bool weight_gradient : {false, true}) {
      options.class_loss = kind;
      options.vfl_weight_gradient = weight_gradient;
      const Tensor x = problem.logits.clone().set_requires_grad(true);
      const Tensor slow_x = problem.logits.clone().set_requires_grad(true);
      const Tensor loss = classification_loss(x, problem.cells, problem.quality, options);
      const Tensor slow = slow_loss(slow_x, problem, options);
      CHECK(loss.sizes() == torch::IntArrayRef({kSets}));
      CHECK(difference(loss / slow, torch::ones_like(slow)) < 1e-12);
      const Tensor weights = torch::tensor({1.0, -2.5}, torch::kFloat64);
      (loss * weights).sum().backward();
      (slow * weights).sum().backward();
      CHECK(difference(x.grad(), slow_x.grad()) < 1e-12);
    }
  }
}

TEST_CASE("class losses without constants inside agree with finite differences") {
  const Problem problem = some_problem();
  CriterionOptions options;
  options.vfl_weight_gradient = true;
  for (const ClassLoss kind : {ClassLoss::kVarifocal, ClassLoss::kFocal, ClassLoss::kBce, ClassLoss::kSoftBce}) {
    options.class_loss = kind;
    const auto loss = [&](const Tensor& x) {
      return (classification_loss(x, problem.cells, problem.quality, options) *
              torch::tensor({1.0, 3.0}, torch::kFloat64))
          .sum();
    };
    CHECK(test::gradient_error(loss, problem.logits) < 1e-7);
  }
}

TEST_CASE("a perfect prediction costs nothing and a matched pair that does not overlap has no varifocal weight") {
  const Tensor cell = torch::zeros({1}, torch::kInt64);
  const auto loss = [&](double logit, double quality, ClassLoss kind) {
    CriterionOptions options;
    options.class_loss = kind;
    return classification_loss(torch::full({1, 1, 1}, logit, torch::kFloat64), cell,
                               torch::full({1}, quality, torch::kFloat64), options)
        .item<double>();
  };
  for (const ClassLoss kind : kAll) CHECK(loss(60, 1, kind) < 1e-20);
  CHECK(loss(3, 0, ClassLoss::kVarifocal) == 0.0);
  CHECK(loss(3, 0, ClassLoss::kMal) == Approx(3.0 + std::log1p(std::exp(-3.0))));
}

TEST_CASE("without matched queries everything is background") {
  const Problem problem = some_problem();
  const Tensor none = torch::zeros({0}, torch::kInt64), no_quality = torch::zeros({0}, torch::kFloat64);
  const Tensor loss = classification_loss(problem.logits, none, no_quality, {});
  const Tensor p = torch::sigmoid(problem.logits);
  CHECK(difference(loss, (-0.75 * p.square() * (1 - p).log()).sum({1, 2})) < 1e-12);
  CHECK(classification_loss(torch::zeros({2, 0, 3}), none, no_quality.to(torch::kFloat32), {}).sum().item<float>() ==
        0);
}

TEST_CASE("class losses and their gradients are finite for extreme logits") {
  const Tensor ends = torch::tensor({-1e4, 1e4, -90., 90., 0., -1e4, 1e4, 90., -90.});
  for (const ClassLoss kind : kAll) {
    CriterionOptions options;
    options.class_loss = kind;
    options.vfl_weight_gradient = true;
    const Tensor x = ends.view({1, 3, 3}).clone().set_requires_grad(true);
    const Tensor loss = classification_loss(x, torch::tensor({5, 6, 7, 8}, torch::kInt64),
                                            torch::tensor({0.f, 1.f, 0.5f, 0.5f}), options);
    loss.sum().backward();
    CHECK(torch::isfinite(loss).all().item<bool>());
    CHECK(torch::isfinite(x.grad()).all().item<bool>());
  }
}

}  // namespace
}  // namespace rtdetr
