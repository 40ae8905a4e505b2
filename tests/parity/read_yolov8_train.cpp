// YOLOv8 in train mode: one forward pass, who learns which box, the loss, one backward pass.
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "losses/dense_criterion.h"
#include "models/layers/module_tree.h"
#include "tests/parity/yolov8_model.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kRaw = 1e-10, kDenseLoss = 1e-9, kDenseGradient = 1e-8;  // tests/fixtures/README.md §6, float64
constexpr double kDenseLoss32 = 2e-4, kDenseGradient32 = 1e-3, kDenseTotal32 = 5e-4;
constexpr double kSmall = 1e-2;  ///< gradients smaller than this are measured against it

/// The reference's terms by our names.
constexpr std::pair<const char*, const char*> kTermNames[] = {
    {"loss_class", "cls"}, {"loss_bbox", "box"}, {"loss_dfl", "dfl"}};

std::vector<Target> truth_of(const Fixture& fixture) {
  std::vector<Target> targets;
  for (std::size_t b = 0; b < fixture.json["targets"].size(); ++b) {
    const std::string key = "target." + std::to_string(b);
    targets.push_back({fixture.tensor(key + ".labels"), fixture.tensor(key + ".boxes")});
  }
  return targets;
}

struct DenseTrainingPass {
  DenseTrainingPass(const Fixture& fixture, torch::Dtype type)
      : model(build_yolov8(fixture)), truth(truth_of(fixture)) {
    model->to(type);
    model->train();
    Tensor images = images_by_key(fixture.json["input"]["key"], fixture.json["input"]["shape"]).to(type);
    if (type == torch::kFloat32) {
      to_channels_last(*model);
      images = images.contiguous(torch::MemoryFormat::ChannelsLast);
    }
    output = model->forward(images, {.targets = truth});
    const WholeStep whole{.pictures = static_cast<double>(truth.size())};
    result = compute_dense_losses(output, truth, whole, {}, &assigned);
    result.total.backward();
  }

  DetectionModel model;
  std::vector<Target> truth;
  ModelOutput output;
  DenseAssignment assigned;
  CriterionResult result;
};

void check_terms(const Fixture& fixture, const CriterionResult& result, const std::string& kind, double limit) {
  REQUIRE(result.terms.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto& [ours, theirs] = kTermNames[i];
    REQUIRE(result.terms[i].name == ours);
    check_number(kind + ours, result.terms[i].value.item<double>(), fixture.json["losses"][theirs], limit);
  }
  check_number(kind + "total", result.total.item<double>(), fixture.json["total"], limit);
}

/// Where the reference's target score is above 0: the rest are its sort's whims.
void check_assigned(const Fixture& fixture, const DenseTrainingPass& pass, const std::string& kind, double limit) {
  const std::int64_t anchors = pass.output.layers.back().logits.size(1);
  std::int64_t first = 0;
  for (std::size_t b = 0; b < pass.truth.size(); ++b) {
    const std::string key = "assign." + std::to_string(b);
    const Tensor learns = fixture.tensor(key + ".score") > 0;
    const Tensor here = pass.assigned.anchors.div(anchors, "floor") == static_cast<std::int64_t>(b);
    check_equal(kind + key + ".anchor", pass.assigned.anchors.remainder(anchors).masked_select(here),
                fixture.tensor(key + ".anchor").masked_select(learns));
    check_equal(kind + key + ".target", pass.assigned.targets.masked_select(here) - first,
                fixture.tensor(key + ".target").masked_select(learns));
    check_relative(kind + key + ".score", pass.assigned.scores.masked_select(here),
                   fixture.tensor(key + ".score").masked_select(learns), limit);
    first += pass.truth[b].labels.size(0);
  }
}

Tensor four_of(const Tensor& tensor) {
  const Tensor flat = tensor.detach().reshape(-1).slice(0, 0, 4);
  return torch::constant_pad_nd(flat, {0, 4 - flat.size(0)});
}

struct DenseGradients {
  explicit DenseGradients(const Fixture& fixture, const DetectionModel& model) {
    const auto parameters = model->named_parameters();
    std::vector<Tensor> norms, sums, firsts;
    for (const std::string name : fixture.json["grad_names"]) {
      INFO(name);
      const Tensor* parameter = parameters.find(name);
      REQUIRE(parameter);
      REQUIRE(parameter->grad().defined());
      norms.push_back(parameter->grad().norm());
      sums.push_back(parameter->grad().sum());
      firsts.push_back(four_of(parameter->grad()));
    }
    norm = torch::stack(norms);
    sum = torch::stack(sums);
    first4 = torch::stack(firsts);
  }
  Tensor norm, sum, first4;
};

void check_statistics(const Fixture& fixture, const DetectionModel& model) {
  const auto buffers = model->named_buffers();
  for (const std::string kind : {"mean", "var"}) {
    std::vector<Tensor> firsts;
    for (const std::string name : fixture.json["bn_names"])
      firsts.push_back(four_of(buffers[name + ".running_" + kind]));
    const std::string key = "bn.running_" + kind + "4";
    check_relative(key, torch::stack(firsts), fixture.tensor(key), kDenseLoss);
  }
}

}  // namespace

TEST_CASE("YOLOv8's training pass gives the reference's losses, assignment and gradients", "[yolov8_train]") {
  const Fixture fixture = load_fixture();
  const DenseTrainingPass pass(fixture, torch::kFloat64);
  const Tensor sides = raw_sides(dense_extras_of(pass.output));
  const Tensor logits = pass.output.layers.back().logits.detach().transpose(1, 2);
  check_relative("out.boxes20", sides.slice(2, 0, 20), fixture.tensor("out.boxes20"), kRaw);
  check_relative("out.scores20", logits.slice(2, 0, 20), fixture.tensor("out.scores20"), kRaw);
  check_relative("out.boxes_sum", sides.sum(2), fixture.tensor("out.boxes_sum"), kRaw);
  check_relative("out.scores_sum", logits.sum(2), fixture.tensor("out.scores_sum"), kRaw);
  check_terms(fixture, pass.result, "", kDenseLoss);
  check_assigned(fixture, pass, "", kDenseLoss);

  const DenseGradients found(fixture, pass.model);
  const Tensor expected = fixture.tensor("grad.norm"), scale = expected.clamp_min(kSmall);
  check_absolute("grad.norm", found.norm / scale, expected / scale, kDenseGradient);
  check_absolute("grad.sum", found.sum / scale, fixture.tensor("grad.sum") / scale, kDenseGradient);
  check_absolute("grad.first4", found.first4 / scale.unsqueeze(1), fixture.tensor("grad.first4") / scale.unsqueeze(1),
                 kDenseGradient);
  for (const std::string name : fixture.json["no_gradient"])
    CHECK_FALSE(pass.model->named_parameters()[name].grad().defined());
  check_statistics(fixture, pass.model);
  if (!fixture.stem.ends_with("_empty")) return;
  for (const auto& parameter : pass.model->named_parameters()) {
    if (parameter.key().starts_with("model.22.cv2.")) CHECK(parameter.value().grad().count_nonzero().item<int>() == 0);
  }
}

TEST_CASE("YOLOv8's training pass in float32 stays within float32's rounding", "[yolov8_train]") {
  const Fixture fixture = load_fixture();
  const DenseTrainingPass pass(fixture, torch::kFloat32);
  check_terms(fixture, pass.result, "float32 ", kDenseLoss32);
  check_assigned(fixture, pass, "float32 ", kDenseLoss32);
  const DenseGradients found(fixture, pass.model);
  const Tensor expected = fixture.tensor("grad.norm"), scale = expected.clamp_min(kSmall);
  check_absolute("float32 grad.norm", found.norm / scale, expected / scale, kDenseGradient32);
  check_number("float32 grad_total_norm", found.norm.norm().item<double>(), fixture.json["grad_total_norm"],
               kDenseTotal32);
}

}  // namespace rtdetr::test
