#include <torch/torch.h>

#include <catch2/catch.hpp>

#include "models/heads/detr/best_pairs.h"
#include "tests/parity/fixture.h"

namespace rtdetr::test {
namespace {

constexpr double kScore = 1e-6, kPixels = 1e-3;  // float32: one or two units in the last place

struct Stacked {
  Tensor scores, labels, boxes;
};

Stacked run(const Fixture& fixture, const PostprocessOptions& options) {
  std::vector<PictureSize> sizes;
  const Tensor wh = fixture.tensor("in.sizes_wh");
  for (std::int64_t b = 0; b < wh.size(0); ++b) sizes.push_back({wh[b][0].item<int>(), wh[b][1].item<int>()});
  std::vector<Tensor> scores, labels, boxes;
  for (const Detections& found :
       best_pairs({fixture.tensor("in.logits"), fixture.tensor("in.boxes")}, sizes, options)) {
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
  return {fixture.tensor(name + ".scores"), fixture.tensor(name + ".labels"), fixture.tensor(name + ".boxes")};
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
  check("out_top50", run(fixture, {.max_detections = 50}), stored(fixture, "out_top50"));
  check("out_top1000", run(fixture, {.max_detections = 1000}), stored(fixture, "out_top1000"));
}

}  // namespace rtdetr::test
