#include "losses/criterion.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "tests/losses/random_batch.h"
#include "tests/support/gradcheck.h"

namespace rtdetr {
namespace {

using test::difference;
using test::Draws;

constexpr std::int64_t kQueries = 12, kClassCount = 4;

/// Three decoder layers, an encoder and denoising of two groups around the targets' counts.
ModelOutput some_output(Draws& draws, const std::vector<Target>& targets) {
  const auto batch = static_cast<std::int64_t>(targets.size());
  std::int64_t most = 1;
  for (const Target& target : targets) most = std::max(most, target.labels.size(0));
  ModelOutput output;
  output.encoder = draws.prediction(batch, kQueries, kClassCount);
  output.denoising_pairs.groups = 2;
  output.denoising_pairs.queries = 4 * most;
  for (int layer = 0; layer < 3; ++layer) {
    output.layers.push_back(draws.prediction(batch, kQueries, kClassCount));
    output.denoising.push_back(draws.prediction(batch, output.denoising_pairs.queries, kClassCount));
  }
  for (const Target& target : targets) {
    std::vector<std::int64_t>& slots = output.denoising_pairs.positive_slots.emplace_back();
    for (const std::int64_t group_start : {std::int64_t{0}, 2 * most}) {
      for (std::int64_t slot = 0; slot < target.labels.size(0); ++slot) slots.push_back(group_start + slot);
    }
  }
  return output;
}

std::vector<Prediction*> predictions_of(ModelOutput& output) {
  std::vector<Prediction*> all{&output.encoder};
  for (Prediction& layer : output.layers) all.push_back(&layer);
  for (Prediction& layer : output.denoising) all.push_back(&layer);
  return all;
}

void require_gradients(ModelOutput& output) {
  for (Prediction* prediction : predictions_of(output)) {
    prediction->logits.set_requires_grad(true);
    prediction->boxes_cxcywh.set_requires_grad(true);
  }
}

std::vector<std::string> names_of(const CriterionResult& result) {
  std::vector<std::string> names;
  for (const LossTerm& term : result.terms) names.push_back(term.name);
  std::sort(names.begin(), names.end());
  return names;
}

double value_of(const CriterionResult& result, const std::string& name) {
  for (const LossTerm& term : result.terms) {
    if (term.name == name) return term.value.item<double>();
  }
  FAIL("no term " << name);
  return 0;
}

std::vector<Target> some_targets(Draws& draws) {
  return {draws.target(3, kClassCount), draws.target(0, kClassCount), draws.target(5, kClassCount)};
}

TEST_CASE("the terms have the official names, and the total is their sum") {
  Draws draws(1);
  const std::vector<Target> targets = some_targets(draws);
  const CriterionResult result = compute_losses(some_output(draws, targets), targets, 8);
  std::vector<std::string> expected;
  for (const char* suffix : {"", "_aux_0", "_aux_1", "_enc_0", "_dn_0", "_dn_1", "_dn_2"}) {
    for (const char* kind : {"loss_vfl", "loss_bbox", "loss_giou"}) expected.push_back(std::string(kind) + suffix);
  }
  std::sort(expected.begin(), expected.end());
  CHECK(names_of(result) == expected);
  double sum = 0;
  for (const LossTerm& term : result.terms) sum += term.value.item<double>();
  CHECK(result.total.item<double>() == Approx(sum).epsilon(1e-13));
  CHECK(result.matches.size() == 4);
  CHECK(result.matches.back()[2].queries.size() == 5);
}

TEST_CASE("the last layer's class term has one of the class terms' names, whichever loss it is") {
  Draws draws(1);
  const std::vector<Target> targets = some_targets(draws);
  const ModelOutput output = some_output(draws, targets);
  const std::vector<std::string> names = class_term_names();
  for (const auto naming :
       {CriterionOptions::Naming::kOfficial, CriterionOptions::Naming::kUltralytics, CriterionOptions::Naming::kDino}) {
    for (const ClassLoss loss :
         {ClassLoss::kVarifocal, ClassLoss::kMal, ClassLoss::kFocal, ClassLoss::kBce, ClassLoss::kSoftBce}) {
      CriterionOptions options;
      options.naming = naming;
      options.class_loss = loss;
      const CriterionResult result = compute_losses(output, targets, 8, options);
      CHECK(std::count_if(result.terms.begin(), result.terms.end(), [&](const LossTerm& term) {
              return std::find(names.begin(), names.end(), term.name) != names.end();
            }) == 1);
    }
  }
}

TEST_CASE("Ultralytics' twelve sums hold the official terms") {
  Draws draws(2);
  const std::vector<Target> targets = some_targets(draws);
  const ModelOutput output = some_output(draws, targets);
  CriterionOptions options;
  const CriterionResult official = compute_losses(output, targets, 8, options);
  options.naming = CriterionOptions::Naming::kUltralytics;
  const CriterionResult sums = compute_losses(output, targets, 8, options);
  CHECK(sums.terms.size() == 12);
  CHECK(value_of(sums, "loss_class") == Approx(value_of(official, "loss_vfl")));
  CHECK(value_of(sums, "loss_bbox_dn") == Approx(value_of(official, "loss_bbox_dn_2")));
  CHECK(value_of(sums, "loss_giou_aux") ==
        Approx(value_of(official, "loss_giou_aux_0") + value_of(official, "loss_giou_aux_1") +
               value_of(official, "loss_giou_enc_0")));
  CHECK(sums.total.item<double>() == Approx(official.total.item<double>()));
}

TEST_CASE("an empty batch has the same terms, box terms of zero, and a gradient for every prediction") {
  Draws draws(3);
  const std::vector<Target> full = some_targets(draws);
  const std::vector<Target> empty(3, draws.target(0, kClassCount));
  const ModelOutput ordinary = some_output(draws, full);
  for (const auto& options : {CriterionOptions{}, CriterionOptions::ultralytics()}) {
    ModelOutput output = some_output(draws, empty);
    require_gradients(output);
    const CriterionResult result = compute_losses(output, empty, 0, options);
    CHECK(names_of(result) == names_of(compute_losses(ordinary, full, 8, options)));
    for (const LossTerm& term : result.terms) {
      const bool of_class = term.name.starts_with("loss_vfl") || term.name.starts_with("loss_class");
      CHECK((of_class ? term.value.item<double>() > 0 : term.value.item<double>() == 0));
    }
    result.total.backward();
    for (const Prediction* prediction : predictions_of(output)) {
      CHECK(prediction->logits.grad().abs().max().item<double>() > 0);
      REQUIRE(prediction->boxes_cxcywh.grad().defined());
      CHECK(prediction->boxes_cxcywh.grad().abs().max().item<double>() == 0);
    }
  }
}

TEST_CASE("a batch of no images has the same terms") {
  Draws draws(4);
  const std::vector<Target> none;
  const std::vector<Target> full = some_targets(draws);
  const CriterionResult result = compute_losses(some_output(draws, none), none, 0);
  CHECK(names_of(result) == names_of(compute_losses(some_output(draws, full), full, 8)));
  for (const LossTerm& term : result.terms) CHECK(term.value.item<double>() == 0);
}

TEST_CASE("terms do not depend on the order of the queries") {
  Draws draws(5);
  const std::vector<Target> targets = some_targets(draws);
  const ModelOutput output = some_output(draws, targets);
  ModelOutput permuted = output;
  const Tensor order = draws.uniform({kQueries}).argsort();
  for (Prediction& layer : permuted.layers) {
    layer = {layer.logits.index_select(1, order), layer.boxes_cxcywh.index_select(1, order)};
  }
  const CriterionResult a = compute_losses(output, targets, 8), b = compute_losses(permuted, targets, 8);
  CHECK(difference(a.values, b.values) < 1e-12);
}

TEST_CASE("sums are divided by the number of boxes, by the groups of denoising too; none count as one") {
  Draws draws(6);
  const std::vector<Target> targets = some_targets(draws);
  ModelOutput output = some_output(draws, targets);
  const Tensor one = compute_losses(output, targets, 1).values;
  CHECK(difference(compute_losses(output, targets, 4).values * 4, one) < 1e-12);
  CHECK(difference(compute_losses(output, targets, 0.25).values * 0.25, one) < 1e-12);  // a process' share of one box
  CHECK(difference(compute_losses(output, targets, 0).values, one) == 0);
  for (Prediction& layer : output.denoising) {  // both groups say the same
    layer.boxes_cxcywh.slice(1, 10) = layer.boxes_cxcywh.slice(1, 0, 10);
    layer.logits.slice(1, 10) = layer.logits.slice(1, 0, 10);
  }
  const CriterionResult two_groups = compute_losses(output, targets, 1);
  output.denoising_pairs.groups = 1;
  output.denoising_pairs.queries = 10;
  for (auto& slots : output.denoising_pairs.positive_slots) slots.resize(slots.size() / 2);
  for (Prediction& layer : output.denoising) {
    layer = {layer.logits.slice(1, 0, 10), layer.boxes_cxcywh.slice(1, 0, 10)};
  }
  CHECK(difference(compute_losses(output, targets, 1).values, two_groups.values) < 1e-12);
}

TEST_CASE("each term is multiplied by its own weight") {
  Draws draws(14);
  const std::vector<Target> targets = some_targets(draws);
  const ModelOutput output = some_output(draws, targets);
  CriterionOptions ones, weighted;
  ones.loss_class = ones.loss_bbox = ones.loss_giou = 1;
  weighted.loss_class = 3, weighted.loss_bbox = 7, weighted.loss_giou = 11;
  const CriterionResult plain = compute_losses(output, targets, 8, ones);
  for (const LossTerm& term : compute_losses(output, targets, 8, weighted).terms) {
    const double weight = term.name.starts_with("loss_vfl") ? 3 : term.name.starts_with("loss_bbox") ? 7 : 11;
    CHECK(term.value.item<double>() == Approx(weight * value_of(plain, term.name)));
  }
}

TEST_CASE("binary cross-entropy on the overlap is divided by the queries, whatever the number of boxes") {
  Draws draws(15);
  const std::vector<Target> targets = some_targets(draws);
  const ModelOutput output = some_output(draws, targets);
  CriterionOptions options;
  options.class_loss = ClassLoss::kSoftBce;
  const CriterionResult one = compute_losses(output, targets, 1, options);
  const CriterionResult four = compute_losses(output, targets, 4, options);
  CHECK(value_of(four, "loss_bce") == value_of(one, "loss_bce"));
  CHECK(value_of(four, "loss_bbox") == Approx(value_of(one, "loss_bbox") / 4));
}

TEST_CASE("Ultralytics' set divides by the pairs matched here, and takes the focal loss where there are none") {
  Draws draws(16);
  const std::vector<Target> targets = some_targets(draws);
  const std::vector<Target> empty(3, draws.target(0, kClassCount));
  const ModelOutput output = some_output(draws, targets), without = some_output(draws, empty);
  const CriterionOptions options = CriterionOptions::ultralytics();
  CHECK(difference(compute_losses(output, targets, 1, options).values,
                   compute_losses(output, targets, 100, options).values) == 0);
  CriterionOptions focal = options;
  focal.class_loss = ClassLoss::kFocal;
  const double found = value_of(compute_losses(without, empty, 0, options), "loss_class");
  CHECK(found == value_of(compute_losses(without, empty, 0, focal), "loss_class"));
  focal.focal_gamma = 2;
  CHECK(found != value_of(compute_losses(without, empty, 0, focal), "loss_class"));
}

TEST_CASE("gradients of all terms agree with finite differences") {
  Draws draws(7);
  const std::vector<Target> targets = some_targets(draws);
  CriterionOptions options;
  options.class_loss = ClassLoss::kFocal;  // the one without constants that depend on the prediction
  for (const std::size_t which : {0, 1, 3, 4}) {
    const ModelOutput output = some_output(draws, targets);
    const auto by_logits = [&](const Tensor& logits) {
      ModelOutput moved = output;
      predictions_of(moved)[which]->logits = logits;
      return compute_losses(moved, targets, 8, options).total;
    };
    const auto by_boxes = [&](const Tensor& boxes) {
      ModelOutput moved = output;
      predictions_of(moved)[which]->boxes_cxcywh = boxes;
      return compute_losses(moved, targets, 8, options).total;
    };
    ModelOutput point = output;
    CHECK(test::gradient_error(by_logits, predictions_of(point)[which]->logits) < 1e-6);
    CHECK(test::gradient_error(by_boxes, predictions_of(point)[which]->boxes_cxcywh) < 1e-6);
  }
}

TEST_CASE("float32 and half predictions give float32 terms close to float64, half gradients included") {
  Draws draws(8);
  const std::vector<Target> targets = some_targets(draws);
  const ModelOutput exact = some_output(draws, targets);
  const CriterionResult reference = compute_losses(exact, targets, 8);
  const std::vector<std::pair<torch::ScalarType, double>> types{
      {torch::kFloat32, 1e-5}, {torch::kBFloat16, 0.1}, {torch::kFloat16, 0.02}};
  for (const auto& [type, tolerance] : types) {
    ModelOutput output = exact;
    for (Prediction* prediction : predictions_of(output)) {
      *prediction = {prediction->logits.to(type), prediction->boxes_cxcywh.to(type)};
    }
    require_gradients(output);
    const CriterionResult result = compute_losses(output, targets, 8);
    CHECK(result.values.scalar_type() == torch::kFloat32);
    CHECK(result.total.item<double>() == Approx(reference.total.item<double>()).epsilon(tolerance));
    result.total.backward();
    CHECK(output.encoder.logits.grad().scalar_type() == type);
    CHECK(torch::isfinite(output.layers[0].boxes_cxcywh.grad()).all().item<bool>());
  }
}

TEST_CASE("scores that float16's sigmoid takes for exactly 1 or 0 are matched and weighed as in float32") {
  CHECK(torch::sigmoid(torch::full({}, 8.5, torch::kHalf)).item<float>() == 1);    // log(1 - p) is infinite there
  CHECK(torch::sigmoid(torch::full({}, -18.0, torch::kHalf)).item<float>() == 0);  // and log(p)
  Draws draws(11);
  const std::vector<Target> targets = some_targets(draws);
  for (const auto& options : {CriterionOptions{}, CriterionOptions::ultralytics()}) {
    ModelOutput half = some_output(draws, targets);
    for (Prediction* prediction : predictions_of(half))
      *prediction = {((prediction->logits + 2) * 5).to(torch::kHalf), prediction->boxes_cxcywh.to(torch::kFloat32)};
    ModelOutput exact = half;
    for (Prediction* prediction : predictions_of(exact)) prediction->logits = prediction->logits.to(torch::kFloat32);
    require_gradients(half);
    const CriterionResult found = compute_losses(half, targets, 8, options);
    const CriterionResult wanted = compute_losses(exact, targets, 8, options);
    CHECK(torch::equal(found.values, wanted.values));
    CHECK(found.values.isfinite().all().item<bool>());
    for (std::size_t set = 0; set < wanted.matches.size(); ++set) {
      for (std::size_t image = 0; image < targets.size(); ++image)
        CHECK(found.matches[set][image].queries == wanted.matches[set][image].queries);
    }
    found.total.backward();
    CHECK(half.layers[0].logits.grad().isfinite().all().item<bool>());
  }
}

TEST_CASE("extreme predictions give finite terms and gradients") {
  Draws draws(9);
  const std::vector<Target> targets = some_targets(draws);
  for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
    for (const auto& options : {CriterionOptions{}, CriterionOptions::ultralytics()}) {
      ModelOutput output = some_output(draws, targets);
      for (Prediction* prediction : predictions_of(output)) {
        prediction->logits = torch::where(prediction->logits > -2, 1e4, -1e4).to(type);
        prediction->boxes_cxcywh = torch::where(prediction->boxes_cxcywh > 0.4, 1.0, 0.0).to(type);
      }
      require_gradients(output);
      const CriterionResult result = compute_losses(output, targets, 8, options);
      result.total.backward();
      CHECK(torch::isfinite(result.values).all().item<bool>());
      for (const Prediction* prediction : predictions_of(output)) {
        CHECK(torch::isfinite(prediction->logits.grad()).all().item<bool>());
        CHECK(torch::isfinite(prediction->boxes_cxcywh.grad()).all().item<bool>());
      }
    }
  }
}

TEST_CASE("one-to-many gives the encoder several queries per target and divides its terms by as many") {
  Draws draws(10);
  const std::vector<Target> targets = some_targets(draws);
  const ModelOutput output = some_output(draws, targets);
  CriterionOptions options;
  options.one_to_many = 2;
  const CriterionResult plain = compute_losses(output, targets, 8), many = compute_losses(output, targets, 8, options);
  constexpr std::size_t kLast = 2, kEncoder = 3;
  CHECK(many.matches.at(kEncoder)[0].queries.size() == 6);
  CHECK(many.matches.at(kLast)[0].queries == plain.matches.at(kLast)[0].queries);
  CHECK(value_of(many, "loss_bbox") == value_of(plain, "loss_bbox"));
  double expected = 0;
  for (std::size_t image = 0; image < targets.size(); ++image) {
    const Match& match = many.matches.at(kEncoder)[image];
    for (std::size_t i = 0; i < match.queries.size(); ++i) {
      expected += (output.encoder.boxes_cxcywh[image][match.queries[i]] - targets[image].boxes_cxcywh[match.targets[i]])
                      .abs()
                      .sum()
                      .item<double>();
    }
  }
  CHECK(value_of(many, "loss_bbox_enc_0") == Approx(5 * expected / (8 * 2)));
}

TEST_CASE("shared matches are the last layer's, except the encoder's") {
  Draws draws(11);
  const std::vector<Target> targets = some_targets(draws);
  const ModelOutput output = some_output(draws, targets);
  CriterionOptions options;
  options.share_matches = true;
  const CriterionResult shared = compute_losses(output, targets, 8, options), own = compute_losses(output, targets, 8);
  constexpr std::size_t kFirst = 0, kLast = 2, kEncoder = 3;
  CHECK(shared.matches.at(kFirst)[2].queries == own.matches.at(kLast)[2].queries);
  CHECK(own.matches.at(kFirst)[2].queries != own.matches.at(kLast)[2].queries);
  CHECK(shared.matches.at(kEncoder)[2].queries == own.matches.at(kEncoder)[2].queries);
}

TEST_CASE("a model without encoder output and denoising has the decoder's terms alone") {
  Draws draws(12);
  const std::vector<Target> targets = some_targets(draws);
  ModelOutput output;
  output.layers = {draws.prediction(3, kQueries, kClassCount)};
  CriterionOptions options;
  options.class_loss = ClassLoss::kMal;
  const CriterionResult result = compute_losses(output, targets, 8, options);
  CHECK(names_of(result) == std::vector<std::string>{"loss_bbox", "loss_giou", "loss_mal"});
}

TEST_CASE("outputs that do not fit the targets are refused") {
  Draws draws(13);
  const std::vector<Target> targets = some_targets(draws);
  ModelOutput output = some_output(draws, targets);
  CHECK_THROWS_AS(compute_losses(ModelOutput{}, targets, 8), InternalError);
  CHECK_THROWS_AS(compute_losses(output, std::vector<Target>(2, targets[0]), 8), InternalError);
  output.denoising_pairs.positive_slots[0] = {0};
  CHECK_THROWS_WITH(compute_losses(output, targets, 8), Catch::Contains("positive denoising slots: want 6, have 1"));
}

}  // namespace
}  // namespace rtdetr
