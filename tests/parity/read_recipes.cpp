// The recipes that come along against the merged configurations of D-FINE, DEIM and DEIMv2.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "tests/parity/fixture.h"
#include "train/config/options.h"
#include "train/config/settings_parser.h"

namespace rtdetr::test {
namespace {

constexpr double kRate = 1e-12;  // relative: scales are written in decimals

using Json = nlohmann::json;

/// Recipe of ours by the reference's name of its own, nullopt for what does not come along: training on Objects365.
std::optional<std::string> recipe_name(const std::string& family, const std::string& name) {
  static const std::regex kForm("(?:([a-z0-9]+)_)?([nsmlx])");
  std::smatch match;
  if (!std::regex_match(name, match, kForm)) return std::nullopt;
  const std::string kind = match[1], size = match[2], plain = family + "-" + size;
  if (kind.empty()) return plain;
  if (kind == "custom") return size == "l" || size == "x" ? plain : plain + "_custom";
  return kind == "obj365" ? std::nullopt : std::optional(plain + "_finetune");
}

Settings settings_of(const std::string& recipe) {
  const std::string file = std::string(RTDETR_SOURCE_DIR) + "/configs/recipes/" + recipe + ".yaml";
  const std::vector<std::string> words{"train", "cfg=" + file, "data=unused.yaml"};
  return parse_command_line(words);
}

/// D-FINE n, s, m have a rule that matches nothing.
bool matches_nothing(const Json& group) { return group["params"] == "^(?=.*backbone)(?=.*norm|bn).*$"; }

void check_groups(const Settings& settings, const Json& recipe) {
  std::vector<Json> groups;
  std::copy_if(recipe["groups"].begin(), recipe["groups"].end(), std::back_inserter(groups),
               [](const Json& group) { return !matches_nothing(group); });
  REQUIRE(settings.param_groups.size() == groups.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const ParamGroupRule& rule = settings.param_groups[i];
    CHECK(rule.match == groups[i]["params"]);
    check_number("rate of a group", rule.lr_scale * settings.lr0, groups[i].value("lr", settings.lr0), kRate);
    CHECK(rule.weight_decay.value_or(settings.weight_decay) == groups[i].value("weight_decay", settings.weight_decay));
  }
}

void check_windows(const Settings& settings, const Json& recipe) {
  const Json& policy = recipe["policy_epoch"];
  CHECK(settings.strong_until == (policy.is_array() ? policy[2] : policy));
  CHECK(settings.strong_from == (policy.is_array() ? policy[0].get<double>() : 0));
  CHECK(settings.last_stage == recipe["collate"]["stop_epoch"]);
  CHECK(settings.last_stage_retry);
  CHECK(settings.mosaic == (recipe["mosaic_prob"].is_null() ? 0 : recipe["mosaic_prob"].get<double>()));
  const Json& collate = recipe["collate"];
  CHECK(settings.mixup == collate.value("mixup_prob", 0.0));
  CHECK(settings.copy_blend == collate.value("copyblend_prob", 0.0));
  if (!policy.is_array()) return;
  CHECK(settings.mosaic_kind == "deim");
  CHECK(settings.mosaic_from == policy[0]);
  CHECK(settings.mosaic_until == policy[1]);
  const Json window({policy[0], policy[1]});
  if (settings.mixup > 0) {
    CHECK(settings.mixup_kind == "deim");
    CHECK(collate["mixup_epochs"] == window);
  }
  if (settings.copy_blend > 0) CHECK(collate["copyblend_epochs"] == window);
}

void check_sizes(const Settings& settings, const Json& recipe) {
  const Json& collate = recipe["collate"];
  if (collate["base_size_repeat"].is_null() || collate.contains("scales")) {  // r18vd: scales that are none
    CHECK(settings.multi_scale == 0);
    return;
  }
  CHECK(settings.multi_scale_repeat == collate["base_size_repeat"]);
  CHECK(settings.multi_scale_until == collate["stop_epoch"]);
  CHECK(settings.multi_scale == 0.25);
  if (!recipe.contains("scales")) return;
  auto sides = multi_scale_sides(640, settings.multi_scale, 32, settings.multi_scale_repeat);
  auto expected = recipe["scales"].get<std::vector<std::int64_t>>();
  std::sort(sides.begin(), sides.end());
  std::sort(expected.begin(), expected.end());
  CHECK(sides == expected);
}

void check_schedule(const Settings& settings, const Json& recipe) {
  CHECK(settings.ema_decay == recipe["ema"]["decay"]);
  CHECK(settings.ema_ramp == recipe["ema"]["warmups"]);
  if (!recipe.contains("lrsheduler")) {  // spelt so
    CHECK(settings.schedule == "constant");
    CHECK(settings.warmup == "linear");
    CHECK(settings.warmup_steps == recipe["warmup_duration"]);
    return;
  }
  CHECK(settings.schedule == "flat_cosine");
  CHECK(settings.warmup == "quadratic");
  CHECK(settings.warmup_steps == recipe["warmup_iter"]);
  CHECK(settings.flat_until == recipe["flat_epoch"]);
  CHECK(settings.tail_from == settings.epochs - recipe["no_aug_epoch"].get<std::int64_t>());
  CHECK(settings.lrf == recipe["lr_gamma"]);
}

/// Probabilities of the operations, which no recipe changes.
void check_operations(const Settings& settings, const Json& recipe) {
  if (!recipe.contains("ops")) return;
  for (const Json& op : recipe["ops"]) {
    if (op["type"] == "RandomPhotometricDistort") CHECK(settings.photometric == op["p"]);
    if (op["type"] == "RandomIoUCrop") CHECK(settings.iou_crop == op["p"]);
    if (op["type"] != "Mosaic") continue;
    CHECK(op["output_size"].get<int>() * 2 == settings.imgsz.width);
    CHECK(op["scaling_range"] == Json({1 - settings.mosaic_scale, 1 + settings.mosaic_scale}));
    CHECK(op["translation_range"] == Json({settings.mosaic_translate, settings.mosaic_translate}));
  }
}

void check_criterion(Settings settings, const Json& recipe) {
  if (!recipe.contains("criterion")) return;
  const Json& expected = recipe["criterion"];
  settle_criterion({"dfine"}, settings);
  const CriterionOptions criterion = criterion_options(settings);
  const bool mal = expected["losses"][0] == "mal";
  CHECK(criterion.class_loss == (mal ? ClassLoss::kMal : ClassLoss::kVarifocal));
  CHECK((mal ? criterion.mal_gamma : criterion.vfl_gamma) == expected["gamma"]);
  if (!mal) CHECK(criterion.vfl_alpha == expected["alpha"]);
  const Json& weights = expected["weight_dict"];
  CHECK(criterion.loss_class == weights[mal ? "loss_mal" : "loss_vfl"]);
  CHECK(criterion.loss_bbox == weights["loss_bbox"]);
  CHECK(criterion.loss_giou == weights["loss_giou"]);
  const bool distributions = expected["losses"].back() == "local";
  CHECK(criterion.loss_fgl == (distributions ? weights["loss_fgl"].get<double>() : 0));
  CHECK(criterion.loss_ddf == (distributions ? weights["loss_ddf"].get<double>() : 0));
  CHECK(criterion.joint_pairs == expected.value("use_uni_set", true));
  CHECK(criterion.overlap_costs_from == expected["matcher"].value("matcher_change_epoch", 0));
  const Json& costs = expected["matcher"]["weight_dict"];
  CHECK(criterion.cost_class == costs["cost_class"]);
  CHECK(criterion.cost_bbox == costs["cost_bbox"]);
  CHECK(criterion.cost_giou == costs["cost_giou"]);
  CHECK(criterion.cost_alpha == expected["matcher"]["alpha"]);
  CHECK(criterion.cost_gamma == expected["matcher"]["gamma"]);
}

void check_recipe(const std::string& name, const Json& recipe) {
  INFO(name << " and " << recipe["config"].get<std::string>());
  const Settings settings = settings_of(name);
  CHECK(settings.epochs == recipe["epochs"]);
  CHECK(settings.batch == recipe["batch"]);
  CHECK(settings.lr0 == recipe["lr"]);
  CHECK(settings.weight_decay == recipe["weight_decay"]);
  CHECK(settings.clip_norm == recipe.value("clip_max_norm", 0.1));
  check_groups(settings, recipe);
  check_windows(settings, recipe);
  check_sizes(settings, recipe);
  check_schedule(settings, recipe);
  check_operations(settings, recipe);
  check_criterion(settings, recipe);
}

}  // namespace

TEST_CASE("recipes of D-FINE and DEIM have the official numbers", "[schedules][deim_schedules]") {
  const Fixture fixture = load_fixture();
  const std::string family = fixture.stem.substr(0, fixture.stem.find('_'));
  int checked = 0;
  for (const auto& [name, recipe] : fixture.json["recipes"].items()) {
    const auto ours = recipe_name(family, name);
    if (!ours) continue;
    check_recipe(*ours, recipe);
    ++checked;
  }
  CHECK(checked == (family == "deim" ? 5 : 19));
}

TEST_CASE("DEIMv2's recipes have the official numbers", "[deim_schedules]") {
  const auto recipes = load_fixture().json["recipes_v2"];
  for (const char* size : {"n", "pico", "femto", "atto"}) {
    const std::string ours = std::string("deimv2-") + size;
    const Json& recipe = recipes.at(size);
    check_recipe(ours, recipe);
    CHECK(settings_of(ours).imgsz.width == recipe["collate"]["base_size"]);
  }
}

TEST_CASE("DEIM's recipes for RT-DETRv2 have the official numbers", "[deim_schedules]") {
  const auto recipes = load_fixture().json["recipes_rtdetrv2"];
  CHECK(recipes.size() == 5);
  for (const auto& [name, recipe] : recipes.items()) {
    const std::string ours = "deim_rtdetrv2_" + name.substr(0, name.rfind('_'));
    check_recipe(ours, recipe);
    CHECK(settings_of(ours).class_loss == "mal");  // no criterion is recorded for them
  }
}

}  // namespace rtdetr::test
