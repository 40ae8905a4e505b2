#include <torch/types.h>

#include <catch2/catch.hpp>

#include "losses/hungarian_matcher.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kCostLimit = 1e-12;
constexpr int kTied = 17;  // equal columns: only the total is determined

std::string problem_name(int i) { return (i < 10 ? "p0" : "p") + std::to_string(i); }

/// Logits of more than 100 queries are stored as 8 rows, the rest follows the rule in the JSON.
Tensor logits_of(const Fixture& inputs, int i, std::int64_t queries, std::int64_t classes) {
  const Tensor u = uniform_by_key("match." + std::to_string(i) + ".logits", {queries, classes});
  const Tensor logits = (u * 8 - 6) * (i == 13 ? 6 : 1);
  const Tensor stored = inputs.tensor(problem_name(i) + ".logits");
  REQUIRE(torch::equal(logits.slice(0, 0, stored.size(0)), stored));
  return logits;
}

Tensor as_tensor(const std::vector<std::int64_t>& values) { return torch::tensor(values, torch::kInt64); }

/// Whose costs the file has; DEIMv2's are those of its last epochs.
CriterionOptions costs_of(const Fixture& fixture) {
  if (fixture.stem.ends_with("ultralytics")) return CriterionOptions::ultralytics();
  CriterionOptions options;
  options.overlap_costs = options.clamp_sides = fixture.stem.starts_with("deim_v2");
  return options;
}

void check_problem(const Fixture& inputs, const Fixture& fixture, const nlohmann::json& problem) {
  const int i = problem["i"].get<int>();
  const std::string name = problem_name(i);
  const CriterionOptions options = costs_of(fixture);
  const bool ultralytics = fixture.stem.ends_with("ultralytics");
  const double offset = ultralytics ? options.cost_giou : 0;  // of each pair: 1 - GIoU instead of -GIoU

  const Tensor logits = logits_of(inputs, i, problem["queries"], inputs.json["problems"][i]["classes"]);
  const Tensor boxes = inputs.tensor(name + ".boxes");
  const Target target{inputs.tensor(name + ".labels"), inputs.tensor(name + ".target_boxes")};
  const BatchTargets targets = collect_targets(std::vector{target}, boxes, logits.size(1));
  const Tensor costs =
      matching_costs(logits.unsqueeze(0).unsqueeze(0), boxes.unsqueeze(0).unsqueeze(0), targets, options);
  const Tensor cost_rows = costs[0].t() + offset;  // [Q, N]

  const Match match = match_queries(costs, targets, {1})[0][0];
  if (targets.count(0) == 0) {
    CHECK(match.queries.empty());
    return;
  }
  if (!options.overlap_costs)
    check_relative(name + ".cost_rows4", cost_rows.slice(0, 0, 4), fixture.tensor(name + ".cost_rows4"), kCostLimit);
  const Tensor queries = as_tensor(match.queries), matched = as_tensor(match.targets);
  if (i != kTied &&
      problem.value("pairs_of_zero_cost", 0) == 0) {  // without overlap all queries cost a target the same
    check_equal(name + ".query", queries, fixture.tensor(name + ".query"));
    check_equal(name + ".target", matched, fixture.tensor(name + ".target"));
  }
  check_number(name + " total cost", cost_rows.index({queries, matched}).sum().item<double>(), problem["total_cost"],
               kCostLimit);
}

}  // namespace

TEST_CASE("the matcher gives the reference's costs and pairs", "[matcher]") {
  const Fixture fixture = load_fixture(), inputs = load_fixture("matcher_v1");
  for (const auto& problem : fixture.json["problems"]) check_problem(inputs, fixture, problem);
}

}  // namespace rtdetr::test
