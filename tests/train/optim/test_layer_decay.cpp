#include "train/optim/layer_decay.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "tests/support/fixtures.h"

namespace rtdetr {
namespace {

std::vector<ParameterGroup> one_group_of(const std::vector<std::string>& names) {
  ParameterGroup group{"weights", 1e-4, 0.1, {}};
  for (const std::string& name : names) group.parameters.push_back({name, torch::ones({1})});
  return {group};
}

std::map<std::string, double> rates_by_name(const std::vector<ParameterGroup>& groups) {
  std::map<std::string, double> rates;
  for (const ParameterGroup& group : groups)
    for (const NamedParameter& parameter : group.parameters) rates[parameter.name] = group.lr;
  return rates;
}

std::vector<std::string> transformer_names(std::int64_t depth) {
  std::vector<std::string> names{"backbone.net.pos_embed", "backbone.net.patch_embed.proj.weight",
                                 "backbone.simfp_4.0.weight", "decoder.layers.0.weight",
                                 "backbone.other.blocks.0.conv.weight"};
  for (std::int64_t k = 0; k < depth; ++k) {
    const std::string block = "backbone.net.blocks." + std::to_string(k) + ".";
    for (const char* part : {"attn.qkv.weight", "attn.rel_pos_h", "norm1.bias", "residual.conv1.weight"})
      names.push_back(block + part);
  }
  return names;
}

}  // namespace

TEST_CASE("a vision transformer's layers learn at the reference's shares of the rate") {
  std::ifstream file(test::kFixtures / "vitdet_mae_keys.json");
  REQUIRE(file);
  const nlohmann::json scales = nlohmann::json::parse(file)["learning_rate_scale"];
  REQUIRE(scales.size() == 3);
  for (const auto& [size, expected] : scales.items()) {
    const std::vector<std::string> names = transformer_names(expected["layers"]);
    const auto rates = rates_by_name(decay_by_layer(one_group_of(names), names, expected["decay"]));
    REQUIRE(rates.size() == names.size());
    const auto check = [&](const std::string& name, double scale) {
      INFO(size << " " << name);
      CHECK(rates.at(name) == Approx(1e-4 * scale).epsilon(1e-12));
    };
    check("backbone.net.pos_embed", expected["pos_embed"]);
    check("backbone.net.patch_embed.proj.weight", expected["patch_embed.proj.weight"]);
    for (std::size_t k = 0; k < expected["blocks"].size(); ++k) {
      const std::string block = "backbone.net.blocks." + std::to_string(k) + ".";
      for (const char* part : {"attn.qkv.weight", "attn.rel_pos_h", "norm1.bias"})
        check(block + part, expected["blocks"][k]);
      check(block + "residual.conv1.weight", 1);
    }
    for (const char* name :
         {"backbone.simfp_4.0.weight", "decoder.layers.0.weight", "backbone.other.blocks.0.conv.weight"})
      check(name, 1);
  }
}

TEST_CASE("each group is split by layer, the slowest first, and keeps its weight decay") {
  const std::vector<std::string> names = transformer_names(2);
  std::vector<ParameterGroup> groups = one_group_of({"backbone.net.pos_embed", "decoder.layers.0.weight"});
  groups.push_back({"rest", 1, 0, {{"backbone.net.blocks.1.norm1.bias", torch::ones({1})}}});
  const auto split = decay_by_layer(groups, names, 0.5);
  REQUIRE(split.size() == 3);
  CHECK(split[0].label == "weights, 3 from the end");
  CHECK(split[0].lr == Approx(1e-4 / 8));
  CHECK(split[0].weight_decay == 0.1);
  CHECK(split[1].label == "weights");
  CHECK(split[1].lr == 1e-4);
  CHECK(split[2].label == "rest, 1 from the end");
  CHECK(split[2].lr == 0.5);
  CHECK(split[2].weight_decay == 0);
}

TEST_CASE("a decay of 1 leaves the groups, and a model without a transformer has no layers to slow") {
  const std::vector<std::string> names{"backbone.res_layers.0.blocks.0.conv.weight"};
  CHECK(decay_by_layer(one_group_of(names), names, 1).size() == 1);
  CHECK_THROWS_WITH(decay_by_layer(one_group_of(names), names, 0.7), Catch::Contains("no vision transformer"));
}

}  // namespace rtdetr
