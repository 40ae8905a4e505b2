#include "losses/distribution_loss.h"

#include <cmath>
#include <limits>

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/tensor/distribution_box.h"
#include "losses/criterion.h"
#include "tests/losses/random_batch.h"

namespace rtdetr {
namespace {

using test::difference;
using test::Draws;

constexpr std::int64_t kMatching = 12, kLabels = 4, kGroups = 2;
constexpr int kLayers = 3;

/// What a head that refines distributions yields in training: denoising queries of two groups in front of the others.
ModelOutput refined_output(Draws& draws, const std::vector<Target>& targets) {
  const auto batch = static_cast<std::int64_t>(targets.size());
  std::int64_t most = 1;
  for (const Target& target : targets) most = std::max(most, target.labels.size(0));
  const std::int64_t noisy = 2 * kGroups * most, all = noisy + kMatching;
  ModelOutput output;
  output.encoder = draws.prediction(batch, kMatching, kLabels);
  output.denoising_pairs = {.positive_slots = {}, .groups = kGroups, .queries = noisy};
  auto extras = std::make_shared<DistributionExtras>();
  extras->initial = draws.prediction(batch, all, kLabels);
  for (int layer = 0; layer < kLayers; ++layer) {
    output.layers.push_back(draws.prediction(batch, kMatching, kLabels));
    output.denoising.push_back(draws.prediction(batch, noisy, kLabels));
    extras->corners.push_back(draws.uniform({batch, all, extras->options.corners()}) * 6 - 3);
  }
  output.extras = extras;
  for (const Target& target : targets) {
    std::vector<std::int64_t>& slots = output.denoising_pairs.positive_slots.emplace_back();
    for (std::int64_t group = 0; group < kGroups; ++group) {
      for (std::int64_t slot = 0; slot < target.labels.size(0); ++slot) slots.push_back(group * 2 * most + slot);
    }
  }
  return output;
}

Prediction pictures_of(const Prediction& all, std::int64_t first, std::int64_t count) {
  return {all.logits.narrow(0, first, count), all.boxes_cxcywh.narrow(0, first, count)};
}

/// The same pass as the process sees it that has these pictures alone.
ModelOutput part_of(const ModelOutput& whole, std::int64_t first, std::int64_t count) {
  ModelOutput part;
  for (const Prediction& layer : whole.layers) part.layers.push_back(pictures_of(layer, first, count));
  for (const Prediction& layer : whole.denoising) part.denoising.push_back(pictures_of(layer, first, count));
  part.encoder = pictures_of(whole.encoder, first, count);
  const auto& slots = whole.denoising_pairs.positive_slots;
  part.denoising_pairs = whole.denoising_pairs;
  part.denoising_pairs.positive_slots = {slots.begin() + first, slots.begin() + first + count};
  const auto& all = dynamic_cast<const DistributionExtras&>(*whole.extras);
  auto extras = std::make_shared<DistributionExtras>();
  extras->initial = pictures_of(all.initial, first, count);
  for (const Tensor& corners : all.corners) extras->corners.push_back(corners.narrow(0, first, count));
  part.extras = extras;
  return part;
}

std::vector<Target> four_pictures(Draws& draws) {
  return {draws.target(3, kLabels), draws.target(0, kLabels), draws.target(5, kLabels), draws.target(1, kLabels)};
}

std::vector<std::string> terms_of(const CriterionResult& result) {
  std::vector<std::string> names;
  for (const LossTerm& term : result.terms) names.push_back(term.name);
  return names;
}

}  // namespace

TEST_CASE("the terms of a batch's parts add up to those of the whole: divisors and means are of all pictures") {
  Draws draws(1);
  const std::vector<Target> targets = four_pictures(draws);
  const ModelOutput output = refined_output(draws, targets);
  const CriterionOptions options = CriterionOptions::dfine();
  const CriterionResult whole = compute_losses(output, targets, 9, options);
  const auto pairs = static_cast<double>(count_pairs(whole.joint));
  const WholeStep step{.num_boxes = 9, .pictures = 4, .has_boxes = true, .joint_pairs = [&](double) { return pairs; }};
  for (const std::int64_t first : {1, 2, 3}) {
    const CriterionResult a = compute_losses(part_of(output, 0, first), std::span(targets).first(first), step, options);
    const CriterionResult b =
        compute_losses(part_of(output, first, 4 - first), std::span(targets).subspan(first), step, options);
    CHECK(static_cast<double>(count_pairs(a.joint) + count_pairs(b.joint)) == pairs);
    REQUIRE(terms_of(a) == terms_of(whole));
    CHECK(difference(a.values + b.values, whole.values) < 1e-12);
  }
}

TEST_CASE("the joint pairs are found without the losses, the same, late costs included") {
  Draws draws(3);
  const std::vector<Target> targets = four_pictures(draws);
  const ModelOutput output = refined_output(draws, targets);
  CriterionOptions options = CriterionOptions::dfine();
  for (const bool overlap_costs : {false, true}) {
    options.overlap_costs = overlap_costs;
    const std::vector<Match> joint = compute_losses(output, targets, 9, options).joint;
    const std::vector<Match> found = find_joint_pairs(output, targets, options);
    REQUIRE(found.size() == joint.size());
    for (std::size_t image = 0; image < joint.size(); ++image) {
      CHECK(found[image].queries == joint[image].queries);
      CHECK(found[image].targets == joint[image].targets);
    }
    CHECK(count_pairs(found) > 9);  // the sets do not agree on the nine targets' queries
  }
}

TEST_CASE("a batch without a box has the same terms; its dummy group's distributions learn nothing, the others do") {
  Draws draws(2);
  const std::vector<Target> targets = four_pictures(draws), empty(4, draws.target(0, kLabels));
  const CriterionOptions options = CriterionOptions::dfine();
  const CriterionResult full = compute_losses(refined_output(draws, targets), targets, 9, options);
  const CriterionResult none = compute_losses(refined_output(draws, empty), empty, 0, options);
  CHECK(terms_of(none) == terms_of(full));
  int dummies = 0;
  for (std::size_t i = 0; i < none.terms.size(); ++i) {
    const std::string& name = none.terms[i].name;
    INFO(name);
    const double value = none.terms[i].value.item<double>();
    CHECK(full.terms[i].value.item<double>() > 0);
    if (!name.starts_with("loss_ddf")) continue;
    const bool dummy = name.starts_with("loss_ddf_dn");
    CHECK((dummy ? value == 0 : value > 0));
    dummies += dummy ? 1 : 0;
  }
  CHECK(dummies == kLayers - 1);
}

TEST_CASE("losses of distributions have gradients for the distributions alone, DDF none for the layer that teaches") {
  Draws draws(3);
  DistributionSets sets;
  const auto leaf = [](const Tensor& values) { return values.clone().set_requires_grad(true); };
  sets.corners = leaf(draws.uniform({kLayers, kMatching, sets.options.corners()}) * 6 - 3);
  sets.logits = leaf(draws.logits({kMatching, kLabels}));
  sets.boxes = leaf(draws.boxes({kLayers, kMatching}));
  sets.reference = leaf(draws.boxes({kMatching}));
  sets.rows = torch::tensor({1, 4, 5}, torch::kInt64);
  sets.wanted = draws.boxes({3});
  const QueryCounts counts{3, kMatching - 3};
  const DistributionLoss loss = distribution_loss(sets, counts, counts, CriterionOptions::dfine());
  (loss.ddf.sum() + 0 * loss.fgl.sum()).backward();
  CHECK(sets.corners.grad()[kLayers - 1].abs().max().item<double>() == 0);
  // Every layer before it learns; a matched query far from its box, whose overlap is its weight, does not.
  CHECK(sets.corners.grad().narrow(0, 0, kLayers - 1).abs().sum({1, 2}).min().item<double>() > 0);
  CHECK_FALSE(sets.logits.grad().defined());
  CHECK_FALSE(sets.boxes.grad().defined());
  CHECK_FALSE(sets.reference.grad().defined());
}

TEST_CASE("a distribution that is not a number is seen in the total") {
  Draws draws(4);
  const std::vector<Target> targets = four_pictures(draws);
  const ModelOutput output = refined_output(draws, targets);
  const auto& extras = dynamic_cast<const DistributionExtras&>(*output.extras);
  for (const Tensor& corners : extras.corners) {
    const Tensor good = corners.clone();
    corners[0][0].fill_(std::numeric_limits<double>::quiet_NaN());
    CHECK(std::isnan(compute_losses(output, targets, 9, CriterionOptions::dfine()).total.item<double>()));
    corners.copy_(good);
  }
  CHECK(std::isfinite(compute_losses(output, targets, 9, CriterionOptions::dfine()).total.item<double>()));
}

}  // namespace rtdetr
