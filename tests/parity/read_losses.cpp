#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/tensor/box_ops.h"
#include "losses/criterion.h"
#include "tests/parity/fixture.h"

namespace rtdetr::test {
namespace {

constexpr double kLossLimit = 1e-12;  // tests/fixtures/README.md §3

std::vector<std::int64_t> numbers(const Tensor& tensor) {
  return {tensor.const_data_ptr<std::int64_t>(), tensor.const_data_ptr<std::int64_t>() + tensor.numel()};
}

/// The file's predictions as one output set, with its pairs.
struct Inputs {
  Tensor logits, boxes;
  BatchTargets targets;
  std::vector<std::vector<Match>> matches{{}};

  /// @param pairs  the file whose pairs these are
  Inputs(const Fixture& fixture, const Fixture& pairs, const std::string& key, torch::ScalarType type = torch::kFloat64)
      : logits(fixture.tensor("in.logits").to(type, false, true).set_requires_grad(true)),
        boxes(fixture.tensor("in.boxes").to(type, false, true).set_requires_grad(true)) {
    std::vector<Target> all;
    for (std::int64_t image = 0; image < logits.size(0); ++image) {
      const std::string suffix = "." + std::to_string(image) + ".";
      all.push_back(
          {fixture.tensor("in.target" + suffix + "labels"), fixture.tensor("in.target" + suffix + "boxes").to(type)});
      matches[0].push_back(
          {numbers(pairs.tensor(key + suffix + "query")), numbers(pairs.tensor(key + suffix + "target"))});
    }
    targets = collect_targets(all, boxes, logits.size(2));
  }
  /// [3]: class, bbox, giou
  Tensor losses(double num_boxes, const CriterionOptions& options) const {
    return losses_of_matches(logits.unsqueeze(0), boxes.unsqueeze(0), targets, {matches, {num_boxes}}, options)
        .view({3});
  }
};

/// Which class loss and which box weight a case like "vfl (boxes_weight_format iou)" means.
CriterionOptions options_of(const std::string& name, bool ultralytics) {
  CriterionOptions options;
  if (ultralytics) {
    options = CriterionOptions::ultralytics();
  } else {  // un-weighted, one alpha and gamma for all
    options.loss_class = options.loss_bbox = options.loss_giou = 1;
    options.focal_alpha = options.vfl_alpha;
    options.focal_gamma = options.vfl_gamma;
  }
  if (name.starts_with("focal")) options.class_loss = ClassLoss::kFocal;
  if (name.starts_with("bce")) options.class_loss = ultralytics ? ClassLoss::kSoftBce : ClassLoss::kBce;
  if (name.ends_with("format iou)")) options.box_weight = CriterionOptions::BoxWeight::kIou;
  if (name.ends_with("format giou)")) options.box_weight = CriterionOptions::BoxWeight::kGiou;
  return options;
}

std::size_t place_of(const std::string& term) {
  if (term == "loss_bbox") return 1;
  if (term == "loss_giou") return 2;
  return 0;
}

void check_losses(const Fixture& fixture, const std::string& name, const nlohmann::json& terms) {
  const Inputs inputs(fixture, fixture, "in.match");
  const bool ultralytics = fixture.stem.ends_with("ultralytics");
  const Tensor losses = inputs.losses(fixture.json["num_boxes"].get<double>(), options_of(name, ultralytics));
  Tensor sum = torch::zeros({}, torch::kFloat64);
  for (const auto& [term, expected] : terms.items()) {
    const Tensor value = losses[place_of(term)];
    check_number(name + " " + term, value.item<double>(), expected.get<double>(), kLossLimit);
    sum = sum + value;
  }
  sum.backward();
  for (const auto& [key, prediction] : {std::pair{"grad_logits", inputs.logits}, {"grad_boxes", inputs.boxes}}) {
    const auto stored = fixture.tensors.find(name + "." + key);
    if (stored != fixture.tensors.end())
      check_relative(name + " " + key, prediction.grad(), stored->second, kLossLimit);
  }
}

/// DINO's file has the inputs and pairs of losses_v1, and besides its own matching of them.
/// @param prefix  of the names of what is compared
void check_dino_losses(const Fixture& fixture, torch::ScalarType type, double limit, const std::string& prefix) {
  const Fixture shared = load_fixture("losses_v1");
  const Inputs inputs(shared, shared, "in.match", type), matched(shared, fixture, "match", type);
  CriterionOptions options = CriterionOptions::dino();
  const Tensor costs = matching_costs(inputs.logits.detach().unsqueeze(0), inputs.boxes.detach().unsqueeze(0),
                                      inputs.targets, options)[0];  // [N, Q]
  std::int64_t first = 0;
  for (std::int64_t image = 0; image < inputs.logits.size(0); ++image) {
    const std::int64_t count = inputs.targets.count(image);
    const std::string key = "match.cost_" + std::to_string(image);
    if (count > 0) check_relative(prefix + key, costs.narrow(0, first, count).t(), fixture.tensor(key), limit);
    first += count;
  }
  const std::vector<Match> found = match_queries(costs.unsqueeze(0), inputs.targets, {1})[0];
  for (std::size_t image = 0; image < found.size(); ++image) {
    CHECK(found[image].queries == matched.matches[0][image].queries);
    CHECK(found[image].targets == matched.matches[0][image].targets);
  }
  options.loss_class = options.loss_bbox = options.loss_giou = 1;
  const Tensor losses = inputs.losses(shared.json["num_boxes"].get<double>(), options);
  for (const std::string term : {"loss_ce", "loss_bbox", "loss_giou"})
    check_number(prefix + term, losses[place_of(term)].item<double>(), fixture.json["values"][term].get<double>(),
                 limit);
  losses.sum().backward();
  check_relative(prefix + "grad_logits", inputs.logits.grad(), fixture.tensor("grad_logits"), limit);
  check_relative(prefix + "grad_boxes", inputs.boxes.grad(), fixture.tensor("grad_boxes"), limit);
  const Tensor a = cxcywh_to_xyxy(shared.tensor("iou.a_cxcywh").to(type)),
               b = cxcywh_to_xyxy(shared.tensor("iou.b_cxcywh").to(type));
  const IouPair overlap = paired_iou(a.unsqueeze(1), b.unsqueeze(0), options.iou_epsilon);
  check_relative(prefix + "iou", overlap.iou, fixture.tensor("iou.iou"), limit);
  check_relative(prefix + "giou", overlap.giou, fixture.tensor("iou.giou"), limit);
}

}  // namespace

TEST_CASE("loss terms of given pairs and their gradients are the reference's", "[losses]") {
  const Fixture fixture = load_fixture();
  if (fixture.stem == "dino_losses") {
    check_dino_losses(fixture, torch::kFloat64, kLossLimit, "");
    return check_dino_losses(fixture, torch::kFloat32, 1e-5, "float32 ");
  }
  for (const auto& [name, terms] : fixture.json["values"].items()) check_losses(fixture, name, terms);

  const Tensor a = cxcywh_to_xyxy(fixture.tensor("iou.a_cxcywh")), b = cxcywh_to_xyxy(fixture.tensor("iou.b_cxcywh"));
  const double epsilon = options_of("", fixture.stem.ends_with("ultralytics")).iou_epsilon;
  const IouPair overlap = paired_iou(a.unsqueeze(1), b.unsqueeze(0), epsilon);
  check_relative("iou", overlap.iou, fixture.tensor("iou.iou"), kLossLimit);
  check_relative("giou", overlap.giou, fixture.tensor("iou.giou"), kLossLimit);
}

}  // namespace rtdetr::test
