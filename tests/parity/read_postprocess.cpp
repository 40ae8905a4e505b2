#include <torch/types.h>

#include <catch2/catch.hpp>

#include "models/heads/detr/best_pairs.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kScore = 1e-6, kPixels = 1e-3;  // float32: one or two units in the last place

struct StoredPass {
  Prediction prediction;
  Tensor sizes_wh;  ///< [B, 2]
};

/// D-FINE's are the first picture's of its forward pass, DINO's by rule.
StoredPass inputs_of(const Fixture& fixture) {
  if (fixture.stem.starts_with("dino")) {
    const Tensor logits = uniform_by_key("dino.post.logits1", {2, 900, 91}) * 8 - 8;
    const Tensor boxes = uniform_by_key("dino.post.boxes", {2, 900, 4});
    return {{logits.to(torch::kFloat32), boxes.to(torch::kFloat32)}, fixture.tensor("in.sizes_hw").flip(1)};
  }
  if (!fixture.stem.starts_with("dfine"))
    return {{fixture.tensor("in.logits"), fixture.tensor("in.boxes")}, fixture.tensor("in.sizes_wh")};
  const Fixture pass = load_fixture("dfine_forward_s");
  return {{pass.tensor("pred_logits").unsqueeze(0), pass.tensor("pred_boxes").unsqueeze(0)},
          torch::tensor({{640, 480}}, torch::kInt64)};
}

struct Stacked {
  Tensor scores, labels, boxes;
};

Stacked run(const Fixture& fixture, const PostprocessOptions& options) {
  std::vector<PictureSize> sizes;
  const auto [prediction, wh] = inputs_of(fixture);
  for (std::int64_t b = 0; b < wh.size(0); ++b) sizes.push_back({wh[b][0].item<int>(), wh[b][1].item<int>()});
  std::vector<Tensor> scores, labels, boxes;
  for (const Detections& found : best_pairs(prediction, sizes, options)) {
    scores.push_back(found.scores);
    labels.push_back(found.labels);
    boxes.push_back(found.boxes_xyxy);
  }
  return {torch::stack(scores), torch::stack(labels), torch::stack(boxes)};
}

void check(const std::string& name, const Stacked& ours, const Stacked& expected) {
  check_absolute(name + ".scores", ours.scores, expected.scores, kScore);
  check_equal(name + ".labels", ours.labels, expected.labels);
  check_absolute(name + ".boxes", ours.boxes, expected.boxes, kPixels);
}

Stacked stored(const Fixture& fixture, const std::string& name) {
  Stacked of{fixture.tensor(name + ".scores"), fixture.tensor(name + ".labels"), fixture.tensor(name + ".boxes")};
  if (of.scores.dim() == 1) of = {of.scores.unsqueeze(0), of.labels.unsqueeze(0), of.boxes.unsqueeze(0)};
  return of;
}

}  // namespace

TEST_CASE("detections equal the reference's", "[postprocess]") {
  const Fixture fixture = load_fixture();
  if (fixture.stem.starts_with("postprocess_ultralytics")) {
    const Stacked expected = {fixture.tensor("out.scores"), fixture.tensor("out.labels"),
                              fixture.tensor("out.xyxy_pixels")};
    check("out", run(fixture, {}), expected);
    return;
  }
  check("out", run(fixture, {}), stored(fixture, "out"));
  if (fixture.stem.starts_with("dino")) return;
  check("out_top50", run(fixture, {.max_detections = 50}), stored(fixture, "out_top50"));
  if (fixture.tensors.contains("out_top1000.scores"))
    check("out_top1000", run(fixture, {.max_detections = 1000}), stored(fixture, "out_top1000"));
}

}  // namespace rtdetr::test
