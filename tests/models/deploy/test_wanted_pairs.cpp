#include "models/deploy/wanted_pairs.h"

#include <torch/types.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/base/error.h"
#include "core/image/picture.h"
#include "models/deploy/detector.h"
#include "models/heads/detr/best_pairs.h"
#include "models/weights/checkpoint.h"
#include "tests/models/tiny_model.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Contains;

namespace {

/// Two queries of three classes.
Prediction prediction() {
  return {torch::tensor({3.0, 2.0, -1.0, 0.0, 1.0, -2.0}).view({1, 2, 3}), torch::full({1, 2, 4}, 0.5, torch::kDouble)};
}

/// {label, logit}
using Pair = std::vector<double>;

/// The best pairs with a score above 0.
std::vector<Pair> pairs_of(const WantedPairs& wanted, std::int64_t most = 300) {
  const std::vector<PictureSize> size{{10, 10}};
  const Detections found = best_pairs(keep_wanted(prediction(), wanted), size, {.max_detections = most}).at(0);
  std::vector<Pair> pairs;
  for (std::int64_t i = 0; i < found.scores.size(0); ++i)
    if (const double score = found.scores[i].item<double>(); score > 0)
      pairs.push_back({found.labels[i].item<double>(), std::round(std::log(score / (1 - score)))});
  return pairs;
}

Picture grain() {
  Picture picture(80, 60);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<std::uint8_t>(i * 7);
  return picture;
}

bool same_detections(const std::vector<Detection>& a, const std::vector<Detection>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Detection& x, const Detection& y) {
    return x.x0 == y.x0 && x.y0 == y.y0 && x.x1 == y.x1 && x.score == y.score && x.label == y.label;
  });
}

}  // namespace

TEST_CASE("all pairs are wanted by default, and the prediction is the same") {
  CHECK(pairs_of({}) == std::vector<Pair>{{0, 3}, {1, 2}, {1, 1}, {0, 0}, {2, -1}, {2, -2}});
  CHECK(keep_wanted(prediction(), {}).logits.equal(prediction().logits));
}

TEST_CASE("classes that are not wanted take no place among the detections") {
  CHECK(pairs_of({.classes = {2, 1}}, 3) == std::vector<Pair>{{1, 2}, {1, 1}, {2, -1}});
  CHECK(pairs_of({.classes = {2}}) == std::vector<Pair>{{2, -1}, {2, -2}});
  CHECK_THROWS_AS(pairs_of({.classes = {3}}), InternalError);
}

TEST_CASE("a query gives its best class alone, of those that are wanted") {
  CHECK(pairs_of({.one_class_per_query = true}) == std::vector<Pair>{{0, 3}, {1, 1}});
  CHECK(pairs_of({.classes = {0, 2}, .one_class_per_query = true}) == std::vector<Pair>{{0, 3}, {0, 0}});
}

TEST_CASE("of equal best classes a query gives the first alone, in any number type") {
  const torch::ScalarType type = GENERATE(torch::kFloat32, torch::kBFloat16, torch::kFloat16);
  const torch::Tensor logits = torch::tensor({1.0, 2.0, 2.0, 0.5, 0.5, 0.5}).view({1, 2, 3}).to(type);
  const Prediction kept = keep_wanted({logits, prediction().boxes_cxcywh}, {.one_class_per_query = true});
  const torch::Tensor stay = torch::tensor({0, 1, 0, 1, 0, 0}, torch::kBool).view({1, 2, 3});
  CHECK(kept.logits.scalar_type() == type);
  CHECK(kept.logits.isfinite().equal(stay));
  CHECK(kept.logits.masked_select(stay).equal(logits.masked_select(stay)));
}

TEST_CASE("every layer that predicts is narrowed, and what is not there stays away") {
  ModelOutput output;
  output.layers = {prediction(), Prediction{}};
  output = keep_wanted(std::move(output), {.classes = {1}});
  CHECK(output.layers[0].logits.isinf().sum().item<std::int64_t>() == 4);
  CHECK_FALSE(output.layers[1].logits.defined());
  CHECK_FALSE(output.encoder.logits.defined());
}

TEST_CASE("a detector finds the wanted pairs of those that it finds without", "[devices]") {
  const test::TemporaryFolder folder;
  const Detector all(test::save_tiny_model(folder / "tiny.safetensors"), {.min_score = 0});
  const Picture picture = grain();
  const std::vector<Detection> every = all.detect(picture);
  REQUIRE(every.size() == 30);  // 10 queries of 3 classes

  std::vector<Detection> of_b, best_of_each;
  for (const Detection& object : every) {
    if (object.label == 1) of_b.push_back(object);
    const auto is_same_query = [&](const Detection& other) { return other.x0 == object.x0 && other.y0 == object.y0; };
    if (std::ranges::none_of(best_of_each, is_same_query)) best_of_each.push_back(object);
  }
  CHECK(same_detections(Detector(all, {.min_score = 0, .classes = {1}}).detect(picture), of_b));
  const bool engine = GENERATE(true, false);
  const Detector each(all, {.min_score = 0, .one_class_per_query = true, .engine = engine});
  CHECK(each.detect(picture).size() == 10);
  if (engine) CHECK(same_detections(each.detect(picture), best_of_each));
  CHECK_THROWS_WITH(Detector(all, {.classes = {0, 3}}), Contains("classes = 3: must be from 0 to 2"));
}

TEST_CASE("a detector with fewer queries finds at most so many objects, with the engine and without") {
  const test::TemporaryFolder folder;
  const auto file = test::save_tiny_model(folder / "tiny.safetensors");
  const Picture picture = grain();
  LoadedModel cut = load_model(file, {.num_queries = 4});
  const bool engine = GENERATE(true, false);
  const Detector few(file, {.min_score = 0, .num_queries = 4, .engine = engine});
  const auto found = few.detect(picture);
  CHECK(found.size() == 12);
  CHECK(same_detections(found, Detector(std::move(cut), {.min_score = 0, .engine = engine}).detect(picture)));
  CHECK(Detector(few, {.min_score = 0, .max_detections = 3, .engine = engine}).detect(picture).size() == 3);
  CHECK_THROWS_WITH(Detector(few, {.num_queries = 5}), Contains("num_queries = 5: the model that is open has 4"));
}
