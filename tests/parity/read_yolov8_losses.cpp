// YOLOv8's parts of the loss alone: who learns which box, CIoU, the loss of distributions.
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/tensor/dense_boxes.h"
#include "losses/complete_iou.h"
#include "losses/dense_criterion.h"
#include "losses/task_aligned_assigner.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kUnit = 1e-12, kUnit32 = 1e-5;  // tests/fixtures/README.md §6

struct AssignerInputs {
  DensePredictions predictions;
  BatchTargets targets;
  Tensor boxes;                       ///< [N, 4] xyxy pixels of both pictures
  std::vector<std::int64_t> offsets;  ///< the first target of each picture
};

AssignerInputs assigner_inputs(const Fixture& fixture, torch::Dtype type) {
  const std::int64_t anchors = fixture.json["anchors"], classes = fixture.json["classes"];
  AssignerInputs in;
  const Tensor points = fixture.tensor("in.anchor_points_pixels"), stride = fixture.tensor("in.stride").unsqueeze(1);
  const Tensor scores = uniform_by_key("tal.scores", {2, anchors, classes});
  const Tensor reach = uniform_by_key("tal.distances", {2, anchors, 4}) * 4 * stride;
  in.predictions = {torch::logit(scores).to(type), boxes_around(points, reach).to(type), points.to(type)};
  std::vector<Tensor> labels, boxes, images;
  for (std::int64_t b = 0; b < 2; ++b) {
    const Tensor is_there = fixture.tensor("in.gt_mask")[b].to(torch::kBool);
    labels.push_back(fixture.tensor("in.gt_labels")[b].masked_select(is_there));
    boxes.push_back(fixture.tensor("in.gt_boxes")[b].index({is_there}).to(type));
    images.push_back(torch::full_like(labels.back(), b));
    in.offsets.push_back(b == 0 ? 0 : labels.front().size(0));
  }
  in.boxes = torch::cat(boxes);
  in.targets = {torch::cat(labels), {}, torch::cat(images), {0, in.offsets[1], in.boxes.size(0)}};
  return in;
}

void check_assignment(const Fixture& fixture, const std::string& name, torch::Dtype type, double limit) {
  const AssignerInputs in = assigner_inputs(fixture, type);
  const nlohmann::json& of_case = fixture.json["cases"][name];
  AssignmentOptions options;
  options.topk = of_case["topk"];
  options.score_power = of_case["alpha"];
  options.overlap_power = of_case["beta"];
  const DenseAssignment found = assign_task_aligned(in.predictions, in.targets, in.boxes, options);
  const std::int64_t anchors = in.predictions.points.size(0);
  const std::string kind = type == torch::kFloat32 ? "float32 " : "";
  for (std::int64_t b = 0; b < 2; ++b) {
    const std::string key = name + "." + std::to_string(b);
    const Tensor here = found.anchors.div(anchors, "floor") == b;
    check_equal(kind + key + ".anchor", found.anchors.remainder(anchors).masked_select(here),
                fixture.tensor(key + ".anchor"));
    const Tensor target = found.targets.masked_select(here);
    check_equal(kind + key + ".target", target - in.offsets[static_cast<std::size_t>(b)],
                fixture.tensor(key + ".target"));
    check_equal(kind + key + ".label", in.targets.labels.index_select(0, target), fixture.tensor(key + ".label"));
    check_relative(kind + key + ".score", found.scores.masked_select(here), fixture.tensor(key + ".score"), limit);
  }
}

void check_dfl(const Fixture& fixture, torch::Dtype type, double limit) {
  const std::string kind = type == torch::kFloat32 ? "float32 " : "";
  const Tensor logits = fixture.tensor("dfl.logits").to(type).view({3, 4, 16}).clone().requires_grad_();
  const Tensor value = distance_loss(logits, fixture.tensor("dfl.target").to(type));
  value.sum().backward();
  check_relative(kind + "dfl.value", value.unsqueeze(1), fixture.tensor("dfl.value"), limit);
  check_relative(kind + "dfl.grad_logits", logits.grad().flatten(0, 1), fixture.tensor("dfl.grad_logits"), limit);
}

}  // namespace

TEST_CASE("anchors learn the boxes and scores that the reference assigns", "[yolov8_assigner]") {
  const Fixture fixture = load_fixture();
  const std::string name = GENERATE("v8", "topk3");
  check_assignment(fixture, name, torch::kFloat64, kUnit);
  check_assignment(fixture, name, torch::kFloat32, kUnit32);
}

TEST_CASE("CIoU and its gradients are the reference's", "[yolov8_losses]") {
  const Fixture fixture = load_fixture();
  for (const auto& [type, limit] : {std::pair(torch::kFloat64, kUnit), std::pair(torch::kFloat32, kUnit32)}) {
    const std::string kind = type == torch::kFloat32 ? "float32 " : "";
    const Tensor a = fixture.tensor("in.a_xyxy").to(type).clone().requires_grad_();
    const Tensor b = fixture.tensor("in.b_xyxy").to(type).clone().requires_grad_();
    const Tensor overlap = complete_iou(a.unsqueeze(1), b.unsqueeze(0));
    check_relative(kind + "ciou", overlap, fixture.tensor("ciou"), limit);
    (overlap * fixture.tensor("ciou.upstream").to(type)).sum().backward();
    check_relative(kind + "ciou.grad_a", a.grad(), fixture.tensor("ciou.grad_a"), limit);
    check_relative(kind + "ciou.grad_b", b.grad(), fixture.tensor("ciou.grad_b"), limit);
  }
}

TEST_CASE("the loss of distributions and the distances it leads to are the reference's", "[yolov8_losses]") {
  const Fixture fixture = load_fixture();
  check_dfl(fixture, torch::kFloat64, kUnit);
  check_dfl(fixture, torch::kFloat32, kUnit32);
  check_relative("bins.distance_unclamped", distances_to(fixture.tensor("bins.anchor"), fixture.tensor("bins.box")),
                 fixture.tensor("bins.distance_unclamped"), kUnit);
}

TEST_CASE("the box terms of assigned anchors and their gradient are the reference's", "[yolov8_losses]") {
  const Fixture fixture = load_fixture();
  const nlohmann::json& expected = fixture.json["boxloss"];
  const Tensor raw = (uniform_by_key("boxloss.dist", {1, 6, 64}) * 6 - 3).requires_grad_();
  const Tensor chosen = torch::tensor(expected["foreground"].get<std::vector<std::int64_t>>(), torch::kInt64);
  const Tensor sides = raw[0].index_select(0, chosen).unflatten(1, {4, 16});
  const Tensor points = fixture.tensor("boxloss.anchor").index_select(0, chosen);
  const Tensor wanted = fixture.tensor("boxloss.target_box")[0].index_select(0, chosen);
  const Tensor score = fixture.tensor("boxloss.target_score").index_select(0, chosen);
  const Tensor distances = distances_of(sides, torch::arange(16, torch::kFloat64));
  const double normalizer = expected["normalizer"];
  const Tensor overlap = ((1 - complete_iou(boxes_around(points, distances), wanted)) * score).sum() / normalizer;
  const Tensor dfl = (distance_loss(sides, distances_to(points, wanted)) * score).sum() / normalizer;
  check_number("iou_term", overlap.item<double>(), expected["iou_term"], kUnit);
  check_number("dfl_term", dfl.item<double>(), expected["dfl_term"], kUnit);
  (7.5 * overlap + 1.5 * dfl).backward();
  check_relative("boxloss.grad_dist", raw.grad()[0], fixture.tensor("boxloss.grad_dist"), kUnit);
}

}  // namespace rtdetr::test
