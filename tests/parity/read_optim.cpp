// Parameter groups of the recipes, and the official EMA decay, warm-up, MultiStepLR and clipped AdamW steps.
#include <torch/types.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <iterator>
#include <vector>

#include "models/graph/model_files.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"
#include "train/config/settings_parser.h"
#include "train/loop/experiment.h"
#include "train/optim/adamw.h"
#include "train/optim/ema.h"
#include "train/optim/lr_schedule.h"

namespace rtdetr::test {
namespace {

constexpr double kExact = 1e-15, kAdamW = 1e-12;  // relative

std::vector<std::string> sorted_names(const ParameterGroup& group) {
  std::vector<std::string> names;
  for (const NamedParameter& parameter : group.parameters) names.push_back(parameter.name);
  std::sort(names.begin(), names.end());
  return names;
}

/// @param all  of the reference: its rules that match nothing have a group, too
void check_groups(const std::vector<ParameterGroup>& groups, const nlohmann::json& all) {
  nlohmann::json expected = nlohmann::json::array();
  std::copy_if(all.begin(), all.end(), std::back_inserter(expected), [](const auto& g) { return !g["keys"].empty(); });
  REQUIRE(groups.size() == expected.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::string group = "group " + std::to_string(g);
    check_number(group + " lr", groups[g].lr, expected[g]["lr"], kExact);
    check_number(group + " weight decay", groups[g].weight_decay, expected[g]["weight_decay"], kExact);
    auto keys = expected[g]["keys"].get<std::vector<std::string>>();
    std::sort(keys.begin(), keys.end());
    std::vector<std::string> different;
    const std::vector<std::string> names = sorted_names(groups[g]);
    std::set_symmetric_difference(names.begin(), names.end(), keys.begin(), keys.end(), std::back_inserter(different));
    CHECK(different == std::vector<std::string>{});
    check_none(group + " keys", static_cast<std::int64_t>(different.size()));
  }
}

torch::Tensor to_tensor(const nlohmann::json& value) {
  if (!value[0].is_array()) return torch::tensor(value.get<std::vector<double>>(), torch::kFloat64);
  std::vector<torch::Tensor> rows;
  for (const auto& row : value) rows.push_back(to_tensor(row));
  return torch::stack(rows);
}

}  // namespace

TEST_CASE("a recipe's parameter groups are the official ones", "[optim_groups]") {
  const Fixture fixture = load_fixture();
  const std::string kind = "optim_groups_";
  const std::string name = model_file_of(std::string(fixture.stem).erase(fixture.stem.find(kind), kind.size()));
  const std::string recipe = std::string(RTDETR_SOURCE_DIR) + "/configs/recipes/" + name;
  const std::vector<std::string> words{"train", "cfg=" + recipe, "data=unused.yaml"};
  const Settings settings = parse_command_line(words);
  BuildOptions options;
  options.initial_weights = false;
  const DetectionModel model = build_model(load_model_spec(settings.model), options);
  nlohmann::json groups = fixture.json["groups"];
  if (fixture.stem.starts_with("dino")) std::reverse(groups.begin(), groups.end());  // what is in no rule comes first
  check_groups(make_groups(settings, model), groups);
  CHECK(settings.clip_norm == fixture.json["clip_max_norm"].get<double>());
}

TEST_CASE("EMA decay, warm-up and MultiStepLR are the official ones", "[optim]") {
  const Fixture fixture = load_fixture();
  for (const auto& entry : fixture.json["ema"]["decay"]) {
    check_number("ema decay", ema_decay({}, entry[0]), entry[1], kExact);
  }
  const LrSchedule warmup{.warmup_steps = fixture.json["v2_warmup"]["duration"]};
  for (const auto& entry : fixture.json["v2_warmup"]["values"]) {
    check_number("warm-up", 1e-4 * warmup.factor({.step = entry[0]}), entry[1], kExact);
  }
  const auto& multistep = fixture.json["multistep"];
  const LrSchedule steps{.shape = LrSchedule::Shape::kMultiStep,
                         .milestones = multistep["milestones"],
                         .gamma = multistep["gamma"],
                         .warmup_steps = 0};
  for (std::size_t epoch = 0; epoch < multistep["lr_in_epoch"].size(); ++epoch) {
    check_number("multistep", 1e-4 * steps.factor({.epoch = static_cast<std::int64_t>(epoch)}),
                 multistep["lr_in_epoch"][epoch], kExact);
  }
}

TEST_CASE("clipping and AdamW are the official ones", "[optim]") {
  const Fixture fixture = load_fixture();
  const auto& adamw = fixture.json["adamw"];
  const torch::Tensor w = to_tensor(adamw["start"]["w"]).requires_grad_(),
                      z = to_tensor(adamw["start"]["z"]).requires_grad_();
  AdamW optimizer({{"", 1e-3, 0, {{"w", w}}}, {"", 1e-2, 0.1, {{"z", z}}}});
  for (std::size_t step = 0; step < adamw["after_step"].size(); ++step) {
    const auto& expected = adamw["after_step"][step];
    w.mutable_grad() = uniform_by_key("adamw.w." + std::to_string(step), {4}) - 0.5;
    z.mutable_grad() = (uniform_by_key("adamw.z." + std::to_string(step), {2, 2}) - 0.5) * 10;
    const torch::Tensor norm = optimizer.gradient_norm();
    check_number("norm before clip", norm.item<double>(), expected["norm_before_clip"], kAdamW);
    clip_gradients(optimizer, norm, 0.1);
    optimizer.step(1);
    check_relative("w", w, to_tensor(expected["w"]), kAdamW);
    check_relative("z", z, to_tensor(expected["z"]), kAdamW);
  }
}

}  // namespace rtdetr::test
