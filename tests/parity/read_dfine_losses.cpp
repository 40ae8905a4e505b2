// Loss terms of D-FINE and DEIM for given predictions and pairs.
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "losses/criterion.h"
#include "losses/distribution_loss.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kDfineLoss = 1e-12;  // tests/fixtures/README.md §3
constexpr std::int64_t kLossImages = 3, kLossQueries = 12, kLossClasses = 6, kLossCorners = 132;

std::vector<std::int64_t> listed(const Tensor& tensor) {
  return {tensor.const_data_ptr<std::int64_t>(), tensor.const_data_ptr<std::int64_t>() + tensor.numel()};
}

std::vector<Match> pairs_of(const Fixture& fixture, const std::string& kind) {
  std::vector<Match> pairs;
  for (std::int64_t image = 0; image < kLossImages; ++image) {
    const std::string key = "in." + kind + "." + std::to_string(image) + ".";
    pairs.push_back({listed(fixture.tensor(key + "query")), listed(fixture.tensor(key + "target"))});
  }
  return pairs;
}

/// Every query of the pictures with boxes, all with the first of these.
std::vector<Match> all_pairs(const BatchTargets& targets) {
  std::vector<Match> pairs(static_cast<std::size_t>(kLossImages));
  for (std::int64_t image = 0; image < kLossImages; ++image) {
    for (std::int64_t query = 0; query < kLossQueries && targets.count(image) > 0; ++query) {
      pairs[image].queries.push_back(query);
      pairs[image].targets.push_back(0);
    }
  }
  return pairs;
}

QueryCounts queries_of(const std::vector<Match>& pairs) {
  const auto paired = static_cast<double>(count_pairs(pairs));
  return {paired, kLossImages * kLossQueries - paired};
}

BatchTargets targets_in(const Fixture& fixture) {
  std::vector<Target> targets;
  for (std::int64_t image = 0; image < kLossImages; ++image) {
    const std::string key = "in.target." + std::to_string(image) + ".";
    targets.push_back({fixture.tensor(key + "labels"), fixture.tensor(key + "boxes")});
  }
  return collect_targets(targets, fixture.tensor("in.boxes"), kLossClasses);
}

void check_term(const nlohmann::json& terms, const std::string& name, const Tensor& value, const std::string& of_case) {
  if (!terms.contains(name)) return;
  const double expected = terms[name], found = value.item<double>();
  check_number(of_case + " " + name, found, expected, kDfineLoss);
}

/// Class and box terms, whose options a name like "mal_gamma2_alphaNone" tells.
void check_plain(const Fixture& fixture, const std::string& name, const nlohmann::json& terms) {
  const bool joint = name == "boxes_go";
  CriterionOptions options = CriterionOptions::dfine();
  options.loss_bbox = options.loss_giou = 1;
  if (fixture.stem == "deim_losses") options.vfl_gamma = 1.5;
  if (name.starts_with("mal")) options.class_loss = ClassLoss::kMal;
  if (name.find("gamma2") != std::string::npos) options.mal_gamma = 2;
  if (name.find("alpha0.75") != std::string::npos) options.mal_alpha = 0.75;
  const Tensor logits = fixture.tensor("in.logits").clone().set_requires_grad(true);
  const Tensor boxes = fixture.tensor("in.boxes").clone().set_requires_grad(true);
  const double divisor = fixture.json[joint ? "num_boxes_go" : "num_boxes"];
  const Tensor losses = losses_of_matches(logits.unsqueeze(0), boxes.unsqueeze(0), targets_in(fixture),
                                          {{pairs_of(fixture, joint ? "go" : "match")}, {divisor}}, options);
  check_term(terms, name.starts_with("mal") ? "loss_mal" : "loss_vfl", losses[0][0], name);
  check_term(terms, "loss_bbox", losses[1][0], name);
  check_term(terms, "loss_giou", losses[2][0], name);
  if (joint) {
    (losses[1][0] + losses[2][0]).backward();
    check_relative(name + " boxes", boxes.grad(), fixture.tensor(name + ".grad_boxes"), kDfineLoss);
  } else {
    losses[0][0].backward();
    check_relative(name + " logits", logits.grad(), fixture.tensor(name + ".grad_logits"), kDfineLoss);
    CHECK(boxes.grad().abs().max().item<double>() == 0);
  }
}

Tensor by_rule(const std::string& key, std::int64_t last, double scale, double offset) {
  return (uniform_by_key(key, {kLossImages, kLossQueries, last}) * scale + offset);
}

struct DistributionCase {
  std::vector<Match> pairs;
  double divisor = 0, scale = 4;
  bool teacher = true, equal = false;
};

DistributionCase distribution_case(const Fixture& fixture, const std::string& name) {
  DistributionCase test{pairs_of(fixture, "go"), fixture.json["num_boxes_go"], name.ends_with("_4") ? 4.0 : 8.0};
  test.teacher = !name.starts_with("last");
  test.equal = name == "teacher_is_student";
  if (name.starts_with("dn")) {  // of two groups
    test.pairs = pairs_of(fixture, "match");
    test.divisor = 2 * fixture.json["num_boxes"].get<double>();
  }
  if (name == "no_pairs") test.pairs.assign(static_cast<std::size_t>(kLossImages), {});
  if (name.starts_with("all_pairs")) {
    test.pairs = all_pairs(targets_in(fixture));
    test.divisor = 24;
  }
  return test;
}

void check_distributions_of(const Fixture& fixture, const std::string& name, const nlohmann::json& terms) {
  const DistributionCase test = distribution_case(fixture, name);
  const BatchTargets targets = targets_in(fixture);
  std::vector<std::int64_t> rows, wanted;
  for (std::int64_t image = 0; image < kLossImages; ++image) {
    for (const auto query : test.pairs[image].queries) rows.push_back(image * kLossQueries + query);
    for (const auto target : test.pairs[image].targets) wanted.push_back(targets.offsets[image] + target);
  }
  const Tensor student = by_rule("loss.student", kLossCorners, 6, -3).set_requires_grad(true);
  const Tensor teacher = test.equal ? student : by_rule("loss.teacher", kLossCorners, 6, -3);
  DistributionSets sets;
  sets.options.scale = test.scale;
  sets.corners = (test.teacher ? torch::stack({student, teacher}) : student.unsqueeze(0)).flatten(1, 2);
  sets.logits = by_rule("loss.teacher_logits", kLossClasses, 8, -5).flatten(0, 1);
  sets.boxes = fixture.tensor("in.boxes").flatten(0, 1).unsqueeze(0).expand({sets.corners.size(0), -1, -1});
  sets.reference = fixture.tensor("in.ref").flatten(0, 1);
  sets.rows = torch::tensor(rows, torch::kInt64);
  sets.wanted = targets.boxes_cxcywh.index_select(0, torch::tensor(wanted, torch::kInt64));
  const std::string balanced = name.starts_with("dn") ? "go" : "";  // of the call before
  const DistributionLoss loss = distribution_loss(
      sets, queries_of(test.pairs), queries_of(balanced.empty() ? test.pairs : pairs_of(fixture, balanced)),
      CriterionOptions::dfine());
  const Tensor fgl = loss.fgl[0] / test.divisor, ddf = test.teacher ? loss.ddf[0] : torch::zeros_like(fgl);
  check_term(terms, "loss_fgl", fgl, name);
  check_term(terms, "loss_ddf", ddf, name);
  (fgl + ddf).backward();
  const Tensor gradient = student.grad().unflatten(-1, {4, kLossCorners / 4});
  check_relative(name + " gradient", gradient.norm(2, -1), fixture.tensor(name + ".grad_corners_norm"), kDfineLoss);
  const Tensor some =
      torch::stack({student.grad()[0][2], student.grad()[0][7], student.grad()[2][0], student.grad()[1][3]});
  check_relative(name + " gradient rows", some, fixture.tensor(name + ".grad_corners_rows"), kDfineLoss);
}

}  // namespace

TEST_CASE("D-FINE's and DEIM's loss terms of given pairs and their gradients are the reference's", "[dfine_losses]") {
  const Fixture fixture = load_fixture();
  for (const auto& [name, terms] : fixture.json["values"].items()) {
    if (terms.contains("loss_fgl"))
      check_distributions_of(fixture, name, terms);
    else
      check_plain(fixture, name, terms);
  }
}

}  // namespace rtdetr::test
