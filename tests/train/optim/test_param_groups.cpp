#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "models/graph/model_files.h"
#include "tests/models/small_model.h"
#include "tests/support/captured_stderr.h"
#include "train/loop/experiment.h"
#include "train/optim/freeze.h"
#include "train/optim/param_groups.h"

namespace rtdetr {
namespace {

std::vector<NamedParameter> parameters() {
  std::vector<NamedParameter> list;
  for (const char* name : {"backbone.conv.weight", "backbone.norm.weight", "encoder.norm.bias", "decoder.fc.weight"}) {
    const bool vector = std::string(name).find("norm") != std::string::npos;
    list.push_back({name, vector ? torch::ones({3}) : torch::ones({3, 3})});
  }
  return list;
}

std::vector<std::string> names(const ParameterGroup& group) {
  std::vector<std::string> list;
  for (const NamedParameter& parameter : group.parameters) list.push_back(parameter.name);
  return list;
}

}  // namespace

TEST_CASE("rules take their parameters in order and the rest gets the defaults") {
  const auto groups = group_by_rules(
      parameters(), {{"^(?=.*backbone)(?!.*norm).*$", 1e-5, {}}, {"^(?=.*(encoder|decoder))(?=.*norm).*$", {}, 0.0}},
      {.lr = 1e-4, .weight_decay = 1e-3});
  REQUIRE(groups.size() == 3);
  CHECK(names(groups[0]) == std::vector<std::string>{"backbone.conv.weight"});
  CHECK(groups[0].lr == 1e-5);
  CHECK(groups[0].weight_decay == 1e-3);
  CHECK(names(groups[1]) == std::vector<std::string>{"encoder.norm.bias"});
  CHECK(groups[1].lr == 1e-4);
  CHECK(groups[1].weight_decay == 0);
  CHECK(names(groups[2]) == std::vector<std::string>{"backbone.norm.weight", "decoder.fc.weight"});
}

TEST_CASE("a recipe's rules find backbone and encoder in rows without a path") {
  const ModelSpec spec = parse_model_spec(test::small_yaml("variant: ultralytics"), "small.yaml");
  Settings settings;
  settings.lr0 = 1e-3;
  settings.param_groups = {{.match = "backbone", .lr_scale = 0.1}, {.match = "encoder"}, {.match = "^decoder"}};
  const auto groups = make_groups(settings, build_model(spec));
  const auto of_rows = [](const ParameterGroup& group, int first, int last) {
    REQUIRE_FALSE(group.parameters.empty());
    for (const NamedParameter& parameter : group.parameters) {
      const int row = std::stoi(parameter.name.substr(std::string("model.").size()));
      CHECK((row >= first && row <= last));
    }
  };
  of_rows(groups[0], 0, 2);
  CHECK(groups[0].lr == 1e-4);
  of_rows(groups[1], 3, 6);
  for (const NamedParameter& parameter : groups[2].parameters) CHECK(parameter.name.starts_with("decoder."));
  CHECK(groups[3].parameters.empty());  // the rest
}

TEST_CASE("a rule that matches nothing is warned of with its place, one that matches what is frozen is not") {
  DetectionModel model = build_model(parse_model_spec(test::small_yaml("variant: ultralytics"), "small.yaml"));
  freeze_parameters(*model, "^decoder");
  Settings settings;
  settings.param_groups = {{.match = "backbnoe", .where = "r.yaml:3"}, {.match = "^decoder", .where = "r.yaml:4"}};
  const std::string said = test::stderr_of([&] { make_groups(settings, model); });
  CHECK_THAT(
      said, Catch::Contains("r.yaml:3: no parameter of this model matches 'backbnoe'") && !Catch::Contains("r.yaml:4"));
}

TEST_CASE("without rules biases and norms are not decayed") {
  const auto groups = group_by_shape(parameters(), {.lr = 1e-4, .weight_decay = 1e-3});
  REQUIRE(groups.size() == 2);
  CHECK(names(groups[0]) == std::vector<std::string>{"backbone.conv.weight", "decoder.fc.weight"});
  CHECK(groups[0].weight_decay == 1e-3);
  CHECK(names(groups[1]) == std::vector<std::string>{"backbone.norm.weight", "encoder.norm.bias"});
  CHECK(groups[1].weight_decay == 0);
}

TEST_CASE("biases whose warm-up begins at a rate of their own leave their groups, and keep rate and decay") {
  const GroupDefaults defaults{.lr = 1e-2, .weight_decay = 5e-4};
  const auto groups = warm_biases(group_by_shape(parameters(), defaults), 0.1);
  REQUIRE(groups.size() == 3);
  CHECK(names(groups[0]) == std::vector<std::string>{"backbone.conv.weight", "decoder.fc.weight"});
  CHECK(names(groups[1]) == std::vector<std::string>{"backbone.norm.weight"});
  CHECK(names(groups[2]) == std::vector<std::string>{"encoder.norm.bias"});
  CHECK(groups[0].weight_decay == 5e-4);
  CHECK(groups[2].weight_decay == 0);
  for (const ParameterGroup& group : groups) CHECK(group.lr == 1e-2);
  // As the warm-up begins, at its half with half of the schedule's fall, and behind it.
  CHECK(groups[0].rate({0, 0}) == 0);
  CHECK(groups[2].rate({0, 0}) == 0.1);
  CHECK(groups[0].rate({0.25, 0.5}) == Approx(0.0025));
  CHECK(groups[2].rate({0.25, 0.5}) == Approx(0.05 + 0.0025));
  CHECK(groups[2].rate(0.5) == Approx(0.005));
  CHECK(warm_biases(group_by_shape(parameters(), defaults), 0).size() == 2);
}

TEST_CASE("a parameter that two rules match is refused, both named") {
  CHECK_THROWS_WITH(
      group_by_rules(parameters(), {{"backbone", {}, {}}, {"norm", {}, {}}}, {}),
      Catch::Contains("'backbone'") && Catch::Contains("'norm'") && Catch::Contains("backbone.norm.weight"));
}

TEST_CASE("a pattern that is no regular expression is refused") {
  CHECK_THROWS_AS(group_by_rules(parameters(), {{"(backbone", {}, {}}}, {}), ConfigError);
}

}  // namespace rtdetr
