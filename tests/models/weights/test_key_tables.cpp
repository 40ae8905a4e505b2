#include "models/weights/key_tables.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "core/base/error.h"
#include "models/weights/key_conversion.h"
#include "tests/support/fill.h"
#include "tests/support/fixtures.h"

namespace rtdetr {
namespace {

using nlohmann::json;

json interop_json(const std::string& name) {
  std::ifstream file(test::kFixtures / "interop" / name);
  REQUIRE(file);
  return json::parse(file);
}

/// What rules.json says of a key: the first pattern that fits all of it.
std::optional<RenamedKey> recorded_answer(const json& rules, const std::string& key) {
  for (const json& rule : rules) {
    const std::regex pattern(rule[0].get<std::string>());
    if (!std::regex_match(key, pattern)) continue;
    if (rule[1].is_null()) return RenamedKey{""};
    const std::string part = rule.size() > 2 ? rule[2].get<std::string>() : "";
    const Third third = part == "q"   ? Third::kQueries
                        : part == "k" ? Third::kKeys
                        : part == "v" ? Third::kValues
                                      : Third::kWhole;
    return RenamedKey{std::regex_replace(key, pattern, rule[1].get<std::string>()), third};
  }
  return std::nullopt;
}

std::string shown(const std::optional<RenamedKey>& key) {
  return key ? key->key + " " + std::to_string(static_cast<int>(key->third)) : "unknown";
}

/// Tensors of a peer's names and shapes, which take no memory.
TensorMap shapes_of(const json& keys) {
  TensorMap tensors;
  for (const json& entry : keys) {
    const bool counter = entry[2] == "int64";
    tensors.emplace(
        entry[0],
        torch::zeros({}, counter ? torch::kInt64 : torch::kFloat32).expand(entry[1].get<std::vector<std::int64_t>>()));
  }
  return tensors;
}

struct Peer {
  std::string keys, rules;
  const KeyLayout& layout;
};

/// By what a fixture is called: "v2_…".
const KeyLayout& hugging_face_layout_for(const std::string& name) {
  if (name.starts_with("dfine_")) return hugging_face_dfine_layout();
  return hugging_face_layout(name.starts_with("v2_") ? OfficialVersion::kV2 : OfficialVersion::kV1);
}

/// Every list of a peer's keys with the rules that it goes through.
std::vector<Peer> all_peers() {
  const KeyLayout& v1 = hugging_face_layout(OfficialVersion::kV1);
  const KeyLayout& v2 = hugging_face_layout(OfficialVersion::kV2);
  return {
      {"keys_hf_v1_r18vd", "hf_to_v1", v1},
      {"keys_hf_v1_r50vd", "hf_to_v1", v1},
      {"keys_hf_v1_r101vd", "hf_to_v1", v1},
      {"keys_hf_v2_r18vd", "hf_to_v2", v2},
      {"keys_hf_v2_r50vd", "hf_to_v2", v2},
      {"keys_hf_dfine_n", "hf_to_dfine", hugging_face_dfine_layout()},
      {"keys_hf_dfine_x", "hf_to_dfine", hugging_face_dfine_layout()},
      {"keys_timm_resnet18d", "timm_resnetd_to_presnet_d", timm_resnetd_layout()},
      {"keys_timm_resnet50d", "timm_resnetd_to_presnet_d", timm_resnetd_layout()},
      {"keys_timm_hgnetv2_b4", "timm_hgnetv2_to_official", timm_hgnetv2_layout()},
      {"keys_torchvision_resnet18", "torchvision_resnet_to_presnet_b", torchvision_resnet_layout()},
      {"keys_torchvision_resnet50", "torchvision_resnet_to_presnet_b", torchvision_resnet_layout()},
      {"keys_torchvision_resnet50", "torchvision_resnet_to_ultralytics", torchvision_to_ultralytics_layout()},
  };
}

/// Frozen norms have none.
bool is_counter(const std::string& key) { return key.ends_with("num_batches_tracked"); }

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

/// A model of ours by its fixture: what its state is called, with shapes.
Shapes state_of(const std::string& name) {
  const std::string file_name =
      name.starts_with("dfine_") ? "dfine_state_dict_" + name.substr(6) : "state_dict_" + name;
  std::ifstream file(test::kFixtures / (file_name + ".json"));
  REQUIRE(file);
  Shapes state;
  const json content = json::parse(file);
  for (const json& entry : content["state_dict"]) state.emplace(entry[0], entry[1].get<std::vector<std::int64_t>>());
  return state;
}

/// The entries that only one side has, or that differ.
std::vector<std::string> differences(const Shapes& a, const Shapes& b) {
  std::vector<std::string> names;
  for (const auto& [name, shape] : a)
    if (!b.contains(name) || b.at(name) != shape) names.push_back(name);
  for (const auto& [name, shape] : b)
    if (!a.contains(name)) names.push_back(name);
  return names;
}

Shapes shapes_in(const TensorMap& tensors) {
  Shapes shapes;
  for (const auto& [name, tensor] : tensors) shapes.emplace(name, tensor.sizes().vec());
  return shapes;
}

}  // namespace

TEST_CASE("every key of every peer is called as the recorded rules say") {
  const json rules = interop_json("rules.json");
  for (const Peer& peer : all_peers()) {
    INFO(peer.keys << " by " << peer.rules);
    const json keys = interop_json(peer.keys + ".json")["keys"];
    CHECK(keys.size() > 100);
    for (const json& entry : keys) {
      const std::string key = entry[0];
      INFO(key);
      CHECK(shown(our_key(peer.layout, key)) == shown(recorded_answer(rules[peer.rules], key)));
    }
  }
}

TEST_CASE("the way back gives the peer's keys and shapes") {
  for (const Peer& peer : all_peers()) {
    INFO(peer.keys << " by " << peer.rules);
    TensorMap theirs = shapes_of(interop_json(peer.keys + ".json")["keys"]);
    const ConvertedTensors ours = to_our_keys(peer.layout, theirs, peer.keys);
    CHECK(ours.unexpected.empty());
    const ConvertedTensors back = to_their_keys(peer.layout, ours.tensors, peer.keys);
    CHECK(back.unexpected.empty());
    CHECK(back.dropped.empty());
    for (const std::string& key : ours.dropped) theirs.erase(key);
    CHECK_THAT(differences(shapes_in(back.tensors), shapes_in(theirs)), Catch::Equals(std::vector<std::string>{}));
  }
}

TEST_CASE("a Hugging Face model has the state of the official one, but for the counters of frozen norms") {
  for (const std::string name : {"v1_r18vd", "v1_r50vd", "v1_r101vd", "v2_r18vd", "v2_r50vd", "dfine_n", "dfine_x"}) {
    INFO(name);
    const TensorMap theirs = shapes_of(interop_json("keys_hf_" + name + ".json")["keys"]);
    auto expected = state_of(name);
    std::erase_if(expected, [](const auto& item) {
      const std::string& key = item.first;
      return key.ends_with(".anchors") || key.ends_with(".valid_mask") ||
             (key.starts_with("backbone.") && is_counter(key)) || key == "decoder.up" || key == "decoder.reg_scale";
    });
    CHECK_THAT(differences(shapes_in(to_our_keys(hugging_face_layout_for(name), theirs, name).tensors), expected),
               Catch::Equals(std::vector<std::string>{}));
  }
}

TEST_CASE("official HGNetv2 models have the keys of Ultralytics' graph, by the recorded rules and back") {
  const json rules = interop_json("rules.json");
  for (const std::string size : {"l", "x"}) {
    INFO(size);
    const KeyLayout& layout = hgnetv2_to_ultralytics_layout(size == "x" ? UltralyticsSize::kX : UltralyticsSize::kL);
    const json& recorded = rules["v2_hgnetv2_" + size + "_to_ultralytics_rtdetr-" + size];
    const auto graph = state_of("ultralytics_rtdetr-" + size);
    std::size_t kept = 0;
    for (const auto& [key, shape] : state_of("v2_hgnetv2_" + size)) {
      INFO(key);
      const auto ours = our_key(layout, key);
      CHECK(shown(ours) == shown(recorded_answer(recorded, key)));
      if (!ours || ours->key.empty()) continue;
      if (!is_counter(key)) ++kept;
      REQUIRE(graph.count(ours->key) == 1);
      const bool padded_row = key == "decoder.denoising_class_embed.weight";
      CHECK((padded_row || graph.at(ours->key) == shape));
      const auto back = their_keys(layout, ours->key);
      REQUIRE(back);
      REQUIRE(back->size() == 1);
      CHECK(back->front().key == key);
    }
    const auto counters =
        std::count_if(graph.begin(), graph.end(), [](const auto& item) { return is_counter(item.first); });
    CHECK(kept == graph.size() - static_cast<std::size_t>(counters));
  }
}

TEST_CASE("v1 and v2 of the official code, and their stored backbones, are called as the recorded rules say") {
  const json rules = interop_json("rules.json");
  const KeyLayout& versions = v1_beside_v2_layout();
  for (const auto& [key, shape] : state_of("v1_r50vd"))
    CHECK(shown(our_key(versions, key)) == shown(recorded_answer(rules["v1_to_v2"], key)));
  for (const auto& [key, shape] : state_of("v2_r50vd")) {
    const auto back = their_keys(versions, key);
    REQUIRE(back);
    const RenamedKey one = back->empty() ? RenamedKey{""} : back->front();
    CHECK(shown(one) == shown(recorded_answer(rules["v2_to_v1"], key)));
    if (!key.starts_with("backbone.")) continue;
    const std::string stored = key.substr(std::string("backbone.").size());
    CHECK(shown(our_key(storage_backbone_layout(), stored)) ==
          shown(recorded_answer(rules["storage_backbone_to_official"], stored)));
    CHECK(their_keys(storage_backbone_layout(), key)->front().key == stored);
  }
}

TEST_CASE("every tensor of the Hugging Face miniatures is the rule's after conversion, exactly, and goes back") {
  for (const std::string name :
       {"hf_v1_basic", "hf_v2_bottleneck", "hf_v1_basic_transformers5", "hf_dfine_projected", "hf_dfine_two_maps"}) {
    INFO(name);
    const KeyLayout& layout = hugging_face_layout_for(name.substr(3));
    const TensorMap theirs = load_tensors(test::kFixtures / "interop" / name / "model.safetensors").tensors;
    const ConvertedTensors ours = to_our_keys(layout, theirs, name);
    CHECK(ours.unexpected.empty());
    std::size_t compared = 0;
    for (const auto& [key, tensor] : ours.tensors) {
      INFO(key);
      const torch::Tensor expected = test::value_by_key(key, tensor.sizes().vec());
      if (!expected.defined()) continue;
      CHECK(torch::equal(tensor, expected.to(torch::kFloat32).to(tensor.scalar_type())));
      ++compared;
    }
    CHECK(compared > 100);
    const ConvertedTensors back = to_their_keys(layout, ours.tensors, name);
    CHECK(back.tensors.size() == theirs.size());
    if (name == "hf_dfine_two_maps") continue;  // has names of memory, and those that are written are the published
    if (name.ends_with("transformers5")) {      // what is written are the published names
      const TensorMap published = load_tensors(test::kFixtures / "interop/hf_v1_basic/model.safetensors").tensors;
      CHECK_THAT(differences(shapes_in(back.tensors), shapes_in(published)), Catch::Equals(std::vector<std::string>{}));
      continue;
    }
    for (const auto& [key, tensor] : back.tensors) {
      INFO(key);
      REQUIRE(theirs.contains(key));
      CHECK(torch::equal(tensor, theirs.at(key)));
    }
  }
}

TEST_CASE("a backbone that timm lent is read through both layouts") {
  const KeyLayout& layout = hugging_face_layout(OfficialVersion::kV1);
  const json rules = interop_json("rules.json");
  const json keys = interop_json("keys_timm_resnet50d.json")["keys"];
  for (const json& entry : keys) {
    const std::string key = entry[0];
    CHECK(shown(our_key(layout, "model.backbone.model._backbone." + key)) ==
          shown(recorded_answer(rules["timm_resnetd_to_presnet_d"], key)));
  }
}

TEST_CASE("a missing third, copies that differ and thirds that do not fit are refused by name") {
  const KeyLayout& layout = hugging_face_layout(OfficialVersion::kV1);
  const std::string at = "model.decoder.layers.0.self_attn.";
  TensorMap theirs{{at + "q_proj.bias", torch::ones({4})}, {at + "v_proj.bias", torch::ones({4})}};
  CHECK_THROWS_WITH(to_our_keys(layout, theirs, "a.safetensors"),
                    Catch::Contains("a.safetensors") && Catch::Contains("not '" + at + "k_proj.bias'"));
  theirs.emplace(at + "k_proj.bias", torch::ones({3}));
  CHECK_THROWS_WITH(to_our_keys(layout, theirs, "a.safetensors"), Catch::Contains("k_proj.bias' [3]"));
  theirs.at(at + "k_proj.bias") = torch::zeros({4});
  const TensorMap ours = to_our_keys(layout, theirs, "a.safetensors").tensors;
  CHECK(torch::equal(ours.at("decoder.decoder.layers.0.self_attn.in_proj_bias"),
                     torch::cat({torch::ones({4}), torch::zeros({4}), torch::ones({4})})));

  TensorMap copies{{"class_embed.0.bias", torch::ones({4})}, {"model.decoder.class_embed.0.bias", torch::ones({4})}};
  CHECK(to_our_keys(layout, copies, "a.bin").tensors.size() == 1);
  copies.at("class_embed.0.bias") = torch::zeros({4});
  CHECK_THROWS_WITH(to_our_keys(layout, copies, "a.bin"), Catch::Contains("two copies of one tensor"));

  const TensorMap uneven{{"decoder.decoder.layers.0.self_attn.in_proj_bias", torch::ones({4})}};
  CHECK_THROWS_WITH(to_their_keys(layout, uneven, "ours"), Catch::Contains("three equal parts"));
}

TEST_CASE("a key that no rule knows is unexpected, and what the other side has not is dropped") {
  const KeyLayout& layout = hugging_face_layout(OfficialVersion::kV1);
  for (const std::string key :
       {"model.decoder.layers.x.fc1.weight", "model.decoder.layers.0.fc1.weigh", "model.decoder.layers.0.fc1.weightx",
        "", "model.decoder.layers.99999999999999999999.fc1.weight", "model.decoder.layers.00.fc1.weight"}) {
    INFO(key);
    CHECK_FALSE(our_key(layout, key));
  }
  const TensorMap theirs{{"lm_head.weight", torch::ones({1})},
                         {"model.decoder.layers.0.encoder_attn.n_points_scale", torch::ones({1})}};
  const ConvertedTensors ours = to_our_keys(layout, theirs, "a.safetensors");
  CHECK(ours.tensors.empty());
  CHECK(ours.unexpected == std::vector<std::string>{"lm_head.weight"});
  CHECK(ours.dropped == std::vector<std::string>{"model.decoder.layers.0.encoder_attn.n_points_scale"});
  const TensorMap tables{{"decoder.anchors", torch::ones({1})}, {"nobody.weight", torch::ones({1})}};
  const ConvertedTensors back = to_their_keys(layout, tables, "ours");
  CHECK(back.dropped == std::vector<std::string>{"decoder.anchors"});
  CHECK(back.unexpected == std::vector<std::string>{"nobody.weight"});
}

}  // namespace rtdetr
