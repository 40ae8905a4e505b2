#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "models/heads/detr/best_pairs.h"

using rtdetr::best_pairs;
using rtdetr::Detections;
using rtdetr::PictureSize;
using rtdetr::Prediction;
using torch::Tensor;

namespace {

/// Two queries, two classes: the second query may be either class.
Prediction two_queries() {
  return {torch::tensor({-2.0, -1.0, 3.0, 2.0}).view({1, 2, 2}),
          torch::tensor({0.5, 0.5, 0.2, 0.4, 0.9, 0.1, 0.4, 0.2}).view({1, 2, 4})};
}

const std::vector<PictureSize> kSize = {{200, 100}};

}  // namespace

TEST_CASE("detections are the best query-class pairs, in pixels of the picture") {
  const Detections found = best_pairs(two_queries(), kSize, {.max_detections = 3}).at(0);
  CHECK(torch::equal(found.labels, torch::tensor({0, 1, 1}, torch::kInt64)));
  CHECK(torch::allclose(found.scores, torch::tensor({3.0F, 2.0F, -1.0F}).sigmoid()));
  CHECK(torch::allclose(found.boxes_xyxy[0], torch::tensor({140.0F, 0.0F, 220.0F, 20.0F})));  // not clipped
  CHECK(torch::allclose(found.boxes_xyxy[2], torch::tensor({80.0F, 30.0F, 120.0F, 70.0F})));
}

TEST_CASE("boxes can be kept inside the picture") {
  const Detections found = best_pairs(two_queries(), kSize, {.clip = true}).at(0);
  CHECK(found.boxes_xyxy.size(0) == 4);  // all pairs: fewer than 300
  CHECK(torch::allclose(found.boxes_xyxy[0], torch::tensor({140.0F, 0.0F, 200.0F, 20.0F})));
}

TEST_CASE("half predictions become float32 detections") {
  Prediction half = two_queries();
  half.logits = half.logits.to(torch::kBFloat16);
  half.boxes_cxcywh = half.boxes_cxcywh.to(torch::kFloat16);
  const Detections found = best_pairs(half, kSize).at(0);
  CHECK(found.scores.scalar_type() == torch::kFloat32);
  CHECK(found.boxes_xyxy.scalar_type() == torch::kFloat32);
}

TEST_CASE("a picture without a size is refused") {
  CHECK_THROWS_AS(best_pairs(two_queries(), {}), rtdetr::InternalError);
}
