// Non-maximum suppression: the rows that Ultralytics keeps, of a model's predictions and of hard cases.
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/ops/suppression.h"
#include "core/tensor/box_ops.h"
#include "tests/parity/fixture.h"

namespace rtdetr::test {
namespace {

SuppressionOptions suppression_of(const nlohmann::json& of_case) {
  SuppressionOptions options;
  options.least_score = of_case["conf_thres"];
  options.iou = of_case["iou_thres"];
  options.max_kept = of_case["max_det"];
  options.max_candidates = of_case.value("max_nms", options.max_candidates);
  options.every_class = of_case["multi_label"];
  options.classes = of_case.value("classes", options.classes);
  options.rivals =
      of_case.value("agnostic", false) ? SuppressionOptions::Rivals::kAll : SuppressionOptions::Rivals::kShiftedClass;
  return options;
}

std::span<const float> numbers_of(const Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

}  // namespace

TEST_CASE("suppression keeps the reference's rows in its order", "[yolov8_nms]") {
  const Fixture fixture = load_fixture();
  CHECK(fixture.json["cases"].size() == 20);
  for (const auto& [name, of_case] : fixture.json["cases"].items()) {
    const std::string input = of_case["input"];
    const Tensor boxes = cxcywh_to_xyxy(fixture.tensor(input + ".boxes_cxcywh")).contiguous();
    const Tensor scores = fixture.tensor(input + ".scores").contiguous();
    const SuppressionOptions options = suppression_of(of_case);
    const std::vector<Candidate> candidates = find_candidates(numbers_of(scores), scores.size(1), options);
    if (options.classes.empty())  // the reference counts before it filters
      check_none(name + ".candidates",
                 std::abs(static_cast<std::int64_t>(candidates.size()) - of_case["candidates"].get<std::int64_t>()));
    const std::vector<Candidate> kept = suppress(numbers_of(boxes), candidates, options);
    std::vector<std::int64_t> rows, labels;
    std::vector<float> values;
    for (const Candidate& candidate : kept) {
      rows.push_back(candidate.box);
      labels.push_back(candidate.label);
      values.push_back(candidate.score);
    }
    const Tensor& expected = fixture.tensor(name + ".detections");  // [n, 6] x0 y0 x1 y1 score class
    const Tensor row = torch::tensor(rows, torch::kInt64);
    check_equal(name + ".anchor", row, fixture.tensor(name + ".anchor"));
    check_equal(name + ".class", torch::tensor(labels, torch::kInt64), expected.select(1, 5));
    check_absolute(name + ".score", torch::tensor(values, torch::kFloat), expected.select(1, 4), 0);
    check_absolute(name + ".box", boxes.index_select(0, row), expected.slice(1, 0, 4), 1e-4);
  }
}

}  // namespace rtdetr::test
