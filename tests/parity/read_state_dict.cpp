#include <torch/types.h>

#include <catch2/catch.hpp>
#include <set>

#include "core/base/text.h"
#include "models/deploy/size.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "tests/parity/fixture.h"

namespace rtdetr::test {
namespace {

constexpr double kOperations = 2e-4;  ///< relative; the tokens of DINO's fourth level are 1 % of all
// What DINO's reference counts and count_gflops does not: six layers' products of 900 queries with each other, and what
// five layers predict, which nobody asks for.
constexpr double kDinoAttention = 6.0 * 2 * 900 * 900 * 256;
constexpr double kDinoEarlierHeads = 5.0 * 900 * (2 * 256 * 256 + 256 * 4 + 256 * 91);

/// "key [2, 3] float32"
using Entries = std::set<std::string>;

std::string entry_text(const std::string& key, const std::vector<std::int64_t>& shape, const std::string& type) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(std::to_string(size));
  return key + " [" + join(sizes, ", ") + "] " + type;
}

std::string type_text(torch::ScalarType type) {
  return type == torch::kFloat32 ? "float32" : type == torch::kInt64 ? "int64" : torch::toString(type);
}

/// Computed by our decoder, neither stored nor required.
bool is_computed(const std::string& key) { return key == "decoder.anchors" || key == "decoder.valid_mask"; }

/// Of a decoder layer behind the first `layers`.
bool is_behind(std::int64_t layers, const std::string& key) {
  const std::string dotted = "." + key;
  for (const std::string list : {".decoder.layers.", ".dec_score_head.", ".dec_bbox_head.", ".decoder.lqe_layers.",
                                 ".bbox_embed.", ".class_embed."}) {
    const std::size_t at = dotted.find(list);
    if (at != std::string::npos) return std::stoll(dotted.substr(at + list.size())) >= layers;
  }
  return false;
}

Entries entries_of(const DetectionModel& model) {
  Entries entries;
  for (const auto& [key, tensor] : named_state(*model))
    entries.insert(entry_text(key, tensor.sizes().vec(), type_text(tensor.scalar_type())));
  return entries;
}

Entries difference(const Entries& one, const Entries& other) {
  Entries result;
  for (const std::string& entry : one) {
    if (!other.contains(entry)) result.insert(entry);
  }
  return result;
}

}  // namespace

TEST_CASE("state has the reference's keys, shapes, types and parameter count", "[state_dict]") {
  const Fixture fixture = load_fixture();
  const std::string kind = "state_dict_", name = std::string(fixture.stem).erase(fixture.stem.find(kind), kind.size());
  BuildOptions options;
  options.initial_weights = false;
  DetectionModel model = build_model(load_model_spec(model_file_of(name)), options);

  const Entries actual = entries_of(model);
  Entries expected;
  for (const auto& entry : fixture.json["state_dict"]) {
    if (!is_computed(entry[0])) expected.insert(entry_text(entry[0], entry[1], entry[2]));
  }
  CHECK(difference(expected, actual) == Entries{});
  CHECK(difference(actual, expected) == Entries{});

  std::int64_t parameters = 0, trainable = 0;
  for (const Tensor& parameter : model->parameters()) {
    parameters += parameter.numel();
    trainable += parameter.requires_grad() ? parameter.numel() : 0;
  }
  check_none("keys",
             static_cast<std::int64_t>((difference(expected, actual).size() + difference(actual, expected).size())));
  check_none("parameters", std::abs(parameters - fixture.json["parameters"].get<std::int64_t>()));
  check_none("trainable", std::abs(trainable - fixture.json["trainable_parameters"].get<std::int64_t>()));
  if (fixture.json.contains("flops")) {
    const nlohmann::json& flops = fixture.json["flops"];
    const double ours = count_gflops(model, flops["input"][2], flops["input"][3]) / 2 * 1e9;
    check_number("multiply-adds", ours + kDinoAttention + kDinoEarlierHeads, flops["multiply_adds"]["total"],
                 kOperations);
  }
  if (!fixture.json.contains("deploy")) return;
  const nlohmann::json& deploy = fixture.json["deploy"];
  const std::int64_t deployed =
      deploy["parameters"].get<std::int64_t>() - deploy["denoising_embedding"].get<std::int64_t>();
  check_none("deployed parameters", std::abs(count_deployed_parameters(*model) - deployed));
}

TEST_CASE("a model built with k decoder layers has the reference's entries but those of later layers", "[state_dict]") {
  const Fixture fixture = load_fixture();
  const std::string kind = "state_dict_", name = std::string(fixture.stem).erase(fixture.stem.find(kind), kind.size());
  constexpr std::int64_t kLayers = 2;
  Entries expected;
  std::int64_t cut = 0;
  for (const auto& entry : fixture.json["state_dict"]) {
    if (is_behind(kLayers, entry[0]))
      ++cut;
    else if (!is_computed(entry[0]))
      expected.insert(entry_text(entry[0], entry[1], entry[2]));
  }
  CHECK(cut > 0);
  BuildOptions options;
  options.initial_weights = false;
  options.decoder_layers = kLayers;
  const Entries actual = entries_of(build_model(load_model_spec(model_file_of(name)), options));
  CHECK(difference(expected, actual) == Entries{});
  CHECK(difference(actual, expected) == Entries{});
}

}  // namespace rtdetr::test
