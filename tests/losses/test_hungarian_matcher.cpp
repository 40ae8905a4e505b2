#include "losses/hungarian_matcher.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "losses/box_loss.h"
#include "tests/losses/random_batch.h"

namespace rtdetr {
namespace {

using test::Draws;

std::vector<std::vector<Match>> match(const Tensor& logits, const Tensor& boxes, const std::vector<Target>& targets,
                                      std::int64_t repeats = 1) {
  const BatchTargets batch = collect_targets(targets, boxes, logits.size(-1));
  return match_queries(matching_costs(logits, boxes, batch, {}), batch,
                       std::vector<std::int64_t>(logits.size(0), repeats));
}

TEST_CASE("a query at the place and of the class of a target is matched to it") {
  Draws draws(1);
  const Target target = draws.target(3, 5);
  Tensor logits = torch::full({1, 1, 20, 5}, -6.0, torch::kFloat64), boxes = draws.boxes({1, 1, 20});
  const std::vector<std::int64_t> queries{4, 9, 17};
  for (std::int64_t i = 0; i < 3; ++i) {
    boxes[0][0][queries[2 - i]] = target.boxes_cxcywh[i];
    logits[0][0][queries[2 - i]][target.labels[i].item<std::int64_t>()] = 4.0;
  }
  const auto matches = match(logits, boxes, {target});
  CHECK(matches[0][0].queries == queries);
  CHECK(matches[0][0].targets == std::vector<std::int64_t>{2, 1, 0});
}

TEST_CASE("the cost is the formula written out, with each of its weights and constants") {
  Draws draws(8);
  const Tensor logits = draws.logits({2, 1, 9, 4}), boxes = draws.boxes({2, 1, 9});
  const Target target = draws.target(3, 4);
  CriterionOptions options;
  options.cost_class = 3, options.cost_bbox = 7, options.cost_giou = 11;
  options.cost_alpha = 0.4, options.cost_gamma = 1.5;
  const Tensor costs = matching_costs(logits, boxes, collect_targets(std::vector{target}, boxes, 4), options);
  REQUIRE(costs.sizes() == torch::IntArrayRef({2, 3, 9}));
  const Tensor p = torch::sigmoid(logits.squeeze(1));  // [2, 9, 4]
  const Tensor yes = -0.4 * (1 - p).pow(1.5) * (p + 1e-8).log(), no = -0.6 * p.pow(1.5) * (1 - p + 1e-8).log();
  for (std::int64_t t = 0; t < 3; ++t) {
    const Tensor wanted = target.boxes_cxcywh[t].expand({18, 4});
    const BoxLoss box = box_loss(boxes.view({18, 4}), wanted, {});
    const Tensor of_class = (yes - no).select(2, target.labels[t].item<std::int64_t>());
    const Tensor expected = 3 * of_class + (7 * box.l1 - 11 * (1 - box.giou)).view({2, 9});
    CHECK(test::difference(costs.select(1, t), expected) < 1e-12);
  }
}

TEST_CASE("an image without boxes gets an empty match, whatever the others have") {
  Draws draws(2);
  const Tensor logits = draws.logits({2, 3, 8, 4}), boxes = draws.boxes({2, 3, 8});
  const auto matches = match(logits, boxes, {draws.target(0, 4), draws.target(2, 4), draws.target(0, 4)});
  for (const auto& images : matches) {
    CHECK(images[0].queries.empty());
    CHECK(images[1].queries.size() == 2);
    CHECK(images[2].targets.empty());
  }
  const auto nothing = match(logits, boxes, {draws.target(0, 4), draws.target(0, 4), draws.target(0, 4)});
  CHECK(nothing[1][2].queries.empty());
}

TEST_CASE("with more targets than queries every query is matched") {
  Draws draws(3);
  const auto matches = match(draws.logits({1, 1, 5, 4}), draws.boxes({1, 1, 5}), {draws.target(12, 4)});
  CHECK(matches[0][0].queries == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  CHECK(matches[0][0].targets.size() == 5);
}

TEST_CASE("images and output sets are matched independently of each other") {
  Draws draws(4);
  const Tensor logits = draws.logits({3, 2, 30, 6}), boxes = draws.boxes({3, 2, 30});
  const std::vector<Target> targets{draws.target(7, 6), draws.target(4, 6)};
  const auto together = match(logits, boxes, targets);
  for (std::int64_t set = 0; set < 3; ++set) {
    for (std::int64_t image = 0; image < 2; ++image) {
      const auto alone = match(logits.slice(0, set, set + 1).slice(1, image, image + 1),
                               boxes.slice(0, set, set + 1).slice(1, image, image + 1), {targets[image]});
      CHECK(alone[0][0].queries == together[set][image].queries);
      CHECK(alone[0][0].targets == together[set][image].targets);
    }
  }
}

TEST_CASE("permuted queries are matched to the same targets") {
  Draws draws(5);
  const Tensor logits = draws.logits({1, 1, 40, 6}), boxes = draws.boxes({1, 1, 40});
  const std::vector<Target> targets{draws.target(9, 6)};
  const Tensor order = draws.uniform({40}).argsort();  // row i of the permuted input is row order[i]
  const Match plain = match(logits, boxes, targets)[0][0];
  const Match permuted = match(logits.index_select(2, order), boxes.index_select(2, order), targets)[0][0];
  std::map<std::int64_t, std::int64_t> target_of_query, target_of_permuted;
  for (std::size_t i = 0; i < 9; ++i) {
    target_of_query[plain.queries[i]] = plain.targets[i];
    target_of_permuted[order[permuted.queries[i]].item<std::int64_t>()] = permuted.targets[i];
  }
  CHECK(target_of_query == target_of_permuted);
}

TEST_CASE("costs of overlap are the score times the fourth power of the IoU, whatever the other weights are") {
  const Tensor boxes = torch::tensor({0.5F, 0.5F, 0.4F, 0.4F,  // the target
                                      0.5F, 0.4F, 0.4F, 0.2F,  // its upper half
                                      0.1F, 0.1F, 0.1F, 0.1F})
                           .view({1, 1, 3, 4});
  const Tensor logits = torch::tensor({-2.0F, 1.0F, 3.0F}).view({1, 1, 3, 1}).repeat({1, 1, 1, 2});
  const std::vector<Target> targets{{torch::tensor({1}, torch::kInt64), boxes[0][0].slice(0, 0, 1)}};
  const BatchTargets batch = collect_targets(targets, boxes[0], 2);
  CriterionOptions options;
  options.overlap_costs = true;
  options.cost_bbox = 100;
  const Tensor costs = matching_costs(logits, boxes, batch, options);
  const Tensor expected = -logits.select(-1, 1).sigmoid() * torch::tensor({1.0F, 0.0625F, 0.0F});
  CHECK(torch::allclose(costs, expected, 1e-5, 1e-6));
}

TEST_CASE("repeated targets get as many queries each, as far as the queries go") {
  Draws draws(6);
  const Tensor logits = draws.logits({1, 1, 20, 6}), boxes = draws.boxes({1, 1, 20});
  const std::vector<Target> targets{draws.target(3, 6)};
  const Match four = match(logits, boxes, targets, 4)[0][0];
  CHECK(four.queries.size() == 12);
  for (std::int64_t i = 0; i < 3; ++i) CHECK(std::count(four.targets.begin(), four.targets.end(), i) == 4);
  CHECK(match(logits, boxes, targets, 9)[0][0].queries.size() == 20);
}

TEST_CASE("costs are finite for the most extreme finite predictions") {
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    const Tensor logits = torch::tensor({-1e4, 1e4, -30., 30.}, type).view({1, 1, 4, 1});
    const Tensor boxes = torch::tensor({0., 0., 0., 0., 1., 1., 1., 1., .5, .5, 0., 1., 1., 0., 1e-30, 1e-30}, type);
    const Target target{torch::zeros({2}, torch::kInt64), torch::tensor({{.5, .5, 0., 0.}, {.5, .5, 1., 1.}}, type)};
    const BatchTargets batch = collect_targets(std::vector{target}, boxes, 1);
    CHECK(torch::isfinite(matching_costs(logits, boxes.view({1, 1, 4, 4}), batch, {})).all().item<bool>());
  }
}

TEST_CASE("predictions that are not numbers are matched somehow") {
  Draws draws(7);
  const Tensor logits = draws.logits({1, 1, 6, 3}), boxes = torch::full({1, 1, 6, 4}, NAN, torch::kFloat64);
  CHECK(match(logits, boxes, {draws.target(2, 3)})[0][0].queries.size() == 2);
}

TEST_CASE("a label outside the classes is refused with image, label and the model's classes") {
  const Target target{torch::tensor({0, 80}, torch::kInt64), torch::full({2, 4}, 0.5)};
  const std::vector<Target> targets{Target{torch::zeros({0}, torch::kInt64), torch::zeros({0, 4})}, target};
  CHECK_THROWS_WITH(collect_targets(targets, torch::zeros({1}), 80),
                    "image 1 of the batch: label 80 of box 1 is outside 0 ... 79; the model was built for 80 classes");
  const Target negative{torch::tensor({-1}, torch::kInt64), torch::full({1, 4}, 0.5)};
  CHECK_THROWS_WITH(collect_targets(std::vector{negative}, torch::zeros({1}), 80),
                    Catch::Contains("label -1 of box 0"));
  CHECK_THROWS_AS(collect_targets(std::vector{Target{target.labels, torch::zeros({3, 4})}}, torch::zeros({1}), 81),
                  InternalError);
}

}  // namespace
}  // namespace rtdetr
