#include "core/ops/suppression.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "core/base/error.h"

namespace rtdetr {
namespace {

using Rivals = SuppressionOptions::Rivals;

struct Scene {
  std::vector<float> boxes, scores;
  std::int64_t classes = 0;
};

/// Boxes of which many overlap, with scores of which some are equal.
Scene crowded_scene(std::size_t count, std::int64_t classes, unsigned seed) {
  std::mt19937 draw(seed);
  const auto number = [&](int below) { return static_cast<float>(draw() % static_cast<unsigned>(below)); };
  Scene scene{{}, {}, classes};
  for (std::size_t i = 0; i < count; ++i) {
    const float x = number(160), y = number(120), width = 20 + number(60), height = 20 + number(60);
    scene.boxes.insert(scene.boxes.end(), {x, y, x + width, y + height});
    for (std::int64_t c = 0; c < classes; ++c) scene.scores.push_back(number(97) / 97);
  }
  return scene;
}

std::vector<Candidate> kept_of(const Scene& scene, const SuppressionOptions& options) {
  return suppress(scene.boxes, find_candidates(scene.scores, scene.classes, options), options);
}

double overlap_of(const Scene& scene, const Candidate& a, const Candidate& b) {
  const auto side = [&](const Candidate& c, std::size_t k) {
    return static_cast<double>(scene.boxes[4 * static_cast<std::size_t>(c.box) + k]);
  };
  const auto area = [&](const Candidate& c) { return (side(c, 2) - side(c, 0)) * (side(c, 3) - side(c, 1)); };
  const double width = std::min(side(a, 2), side(b, 2)) - std::max(side(a, 0), side(b, 0));
  const double height = std::min(side(a, 3), side(b, 3)) - std::max(side(a, 1), side(b, 1));
  const double common = std::max(width, 0.0) * std::max(height, 0.0);
  return common / (area(a) + area(b) - common);
}

/// The same by its definition: all candidates sorted, each compared with all that stayed.
std::vector<Candidate> kept_by_definition(const Scene& scene, const SuppressionOptions& options) {
  std::vector<Candidate> all;
  for (std::size_t i = 0; i < scene.scores.size(); ++i) {
    const auto box = static_cast<std::int32_t>(i) / static_cast<std::int32_t>(scene.classes);
    const auto label = static_cast<std::int32_t>(i) % static_cast<std::int32_t>(scene.classes);
    if (scene.scores[i] > static_cast<float>(options.least_score)) all.push_back({scene.scores[i], box, label});
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  std::vector<Candidate> kept;
  for (const Candidate& candidate : all) {
    const bool stays = std::none_of(kept.begin(), kept.end(), [&](const Candidate& better) {
      return (options.rivals == Rivals::kAll || better.label == candidate.label) &&
             overlap_of(scene, better, candidate) > options.iou;
    });
    if (stays && static_cast<std::int64_t>(kept.size()) < options.max_kept) kept.push_back(candidate);
  }
  return kept;
}

TEST_CASE("suppression keeps what its definition keeps") {
  const Scene scene = crowded_scene(700, 5, GENERATE(1U, 2U, 3U));
  SuppressionOptions options{.least_score = 0.1, .iou = 0.5471, .max_kept = 900};
  options.rivals = GENERATE(Rivals::kOwnClass, Rivals::kAll);
  const std::vector<Candidate> kept = kept_of(scene, options);
  CHECK(kept.size() > 100);
  CHECK((kept == kept_by_definition(scene, options)));
}

TEST_CASE("moved by their class, boxes of whole coordinates keep what separate classes keep") {
  const Scene scene = crowded_scene(400, 7, 4);
  SuppressionOptions options{.least_score = 0.2, .iou = 0.5, .max_kept = 500};
  const std::vector<Candidate> own = kept_of(scene, options);
  options.rivals = Rivals::kShiftedClass;
  CHECK((kept_of(scene, options) == own));
}

TEST_CASE("of a box the best class alone is a candidate if not every one is, the lowest of equal ones") {
  const std::vector<float> scores{0.2F, 0.9F, 0.9F, 0.6F, 0.5F, 0.1F};
  const std::vector<Candidate> best = find_candidates(scores, 3, {.every_class = false});
  CHECK((best == std::vector<Candidate>{{0.9F, 0, 1}, {0.6F, 1, 0}}));
  const std::vector<Candidate> wanted = find_candidates(scores, 3, {.every_class = false, .classes = {2, 0}});
  CHECK((wanted == std::vector<Candidate>{{0.6F, 1, 0}}));
  CHECK((find_candidates(scores, 3, {.classes = {2}}) == std::vector<Candidate>{{0.9F, 0, 2}}));
  CHECK(find_candidates(scores, 3, {.least_score = 0.6}).size() == 2);  // strictly above
}

TEST_CASE("only the best candidates take part, and no more are kept than wanted") {
  const std::vector<float> boxes{0, 0, 1, 1, 2, 0, 3, 1, 4, 0, 5, 1}, scores{0.5F, 0.7F, 0.6F};
  const std::vector<Candidate> all = find_candidates(scores, 1, {});
  CHECK((suppress(boxes, all, {.max_candidates = 2}) == std::vector<Candidate>{{0.7F, 1, 0}, {0.6F, 2, 0}}));
  CHECK((suppress(boxes, all, {.max_kept = 1}) == std::vector<Candidate>{{0.7F, 1, 0}}));
  CHECK(suppress(boxes, all, {.max_kept = 0}).empty());
}

TEST_CASE("a box that overlaps by just the limit stays, and boxes without area suppress nobody") {
  const std::vector<float> boxes{0, 0, 2, 2, 0, 0, 2, 1, 5, 5, 5, 5, 5, 5, 5, 5}, scores{0.9F, 0.8F, 0.7F, 0.6F};
  CHECK(suppress(boxes, find_candidates(scores, 1, {}), {.iou = 0.5}).size() == 4);
  CHECK(suppress(boxes, find_candidates(scores, 1, {}), {.iou = 0.49}).size() == 3);
}

TEST_CASE("without candidates nothing is kept, and scores that are not numbers are none") {
  CHECK(find_candidates({}, 80, {}).empty());
  CHECK(suppress({}, {}, {}).empty());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const bool every : {true, false}) {
    CHECK_THROWS_AS(find_candidates(std::array{nan, nan}, 2, {.every_class = every}), DivergedError);
    CHECK_THROWS_AS(find_candidates(std::array{0.9F, 0.1F, 0.2F, nan}, 2, {.every_class = every}), DivergedError);
  }
}

TEST_CASE("candidates of scores in broken rows or of classes that are not there are refused") {
  const std::vector<float> scores{0.5F, 0.5F, 0.5F};
  CHECK_THROWS_AS(find_candidates(scores, 2, {}), InternalError);
  CHECK_THROWS_AS(find_candidates(scores, 3, {.classes = {3}}), InternalError);
}

}  // namespace
}  // namespace rtdetr
