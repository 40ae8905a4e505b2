// DINO's layers alone, and the tables that they read.
#include <torch/nn/module.h>
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/tensor/box_ops.h"
#include "models/heads/detr/decoder_layer.h"
#include "models/heads/detr/encoder_layer.h"
#include "models/heads/detr/query_selection.h"
#include "models/heads/detr/token_positions.h"
#include "models/layers/module_tree.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

/// What a part is computed in, and how far it may be from the reference in float64 (tests/fixtures/README.md §6;
/// float32: docs/parity.md).
struct PartNumbers {
  torch::ScalarType type = torch::kFloat64;
  double limit = 1e-12;
  const char* name = "";  ///< before the names of what is compared

  void check(const std::string& what, const Tensor& actual, const Tensor& expected) const {
    check_relative(name + what, actual, expected, limit);
  }
};
const PartNumbers kPartDouble, kPartSingle{torch::kFloat32, 1e-5, "float32 "};

std::vector<LevelShape> levels_in(const nlohmann::json& shapes) {
  std::vector<LevelShape> levels;
  for (const auto& shape : shapes) levels.push_back({shape[0], shape[1]});
  return levels;
}

Tensor drawn(const PartNumbers& in, const std::string& key, const std::vector<std::int64_t>& shape) {
  return (uniform_by_key("dino." + key, shape) * 2 - 1).to(in.type).set_requires_grad(true);
}

void fill_layer(const PartNumbers& in, torch::nn::Module& layer, const std::string& name) {
  const torch::NoGradGuard no_grad;
  layer.to(in.type);
  for (auto& [key, tensor] : named_state(layer))
    tensor.copy_(value_by_key("dino." + name + "." + key, tensor.sizes().vec()));
}

void check_gradients_of(const PartNumbers& in, const Fixture& fixture, const std::string& name,
                        const torch::nn::Module& layer) {
  const auto parameters = layer.named_parameters();
  for (const auto& entry : fixture.json["cases"][name]["keys"]) {
    const std::string key = entry[0];
    REQUIRE(parameters.find(key));
    in.check(name + ".grad." + key, parameters[key].grad(), fixture.tensor(name + ".grad." + key));
  }
  CHECK(parameters.size() == fixture.json["cases"][name]["keys"].size());
}

DeformableAttentionOptions attention_of(const Fixture& fixture) {
  DeformableAttentionOptions options;
  options.dim = fixture.json["dim"];
  options.heads = fixture.json["heads"];
  options.points.assign(fixture.json["shapes_hw"].size(), fixture.json["points"].get<std::int64_t>());
  return options;
}

/// Tokens of the file's pictures.
std::vector<std::int64_t> token_shape(const Fixture& fixture) { return fixture.tensor("encoder.output").sizes().vec(); }

void check_encoder_layer(const PartNumbers& in, const Fixture& fixture, const std::string& name) {
  EncoderLayer layer(EncoderLayerOptions{attention_of(fixture), fixture.json["ffn"].get<std::int64_t>()});
  fill_layer(in, *layer, name);
  const Tensor source = drawn(in, name + ".source", token_shape(fixture));
  const Tensor position = drawn(in, name + ".position", token_shape(fixture));
  const auto levels = levels_in(fixture.json["shapes_hw"]);
  const Tensor points = fixture.tensor(name + ".reference").to(in.type);
  const auto mask = fixture.tensors.find(name + ".mask");
  const Tensor hidden = mask == fixture.tensors.end() ? Tensor() : mask->second.to(torch::kBool);
  if (!hidden.defined()) in.check(name + ".reference", token_points(levels, levels, in.type).expand_as(points), points);
  const Tensor output = layer(source, position, points, levels, hidden);
  in.check(name + ".output", output, fixture.tensor(name + ".output"));
  output.backward(drawn(in, name + ".upstream", token_shape(fixture)).detach());
  in.check(name + ".grad_source", source.grad(), fixture.tensor(name + ".grad_source"));
  in.check(name + ".grad_position", position.grad(), fixture.tensor(name + ".grad_position"));
  check_gradients_of(in, fixture, name, *layer);
}

void check_decoder_layer(const PartNumbers& in, const Fixture& fixture) {
  DecoderLayerOptions options;
  options.attention = attention_of(fixture);
  options.ffn_dim = fixture.json["ffn"];
  options.cross_norm_first = true;
  DecoderLayer layer(options);
  fill_layer(in, *layer, "decoder");
  const auto shape = fixture.tensor("decoder.output").sizes().vec();
  const Tensor target = drawn(in, "decoder.target", shape), position = drawn(in, "decoder.query_position", shape);
  const Tensor memory = drawn(in, "decoder.memory", token_shape(fixture));
  const Tensor reference = fixture.tensor("decoder.reference").to(in.type, false, true).set_requires_grad(true);
  const Tensor blocked = fixture.tensor("decoder.attn_mask").to(torch::kBool);
  const Tensor mask = torch::zeros({shape[1], shape[1]}, in.type).masked_fill(blocked, -INFINITY);
  const auto levels = levels_in(fixture.json["shapes_hw"]);
  const Tensor output = layer(target, position, reference, memory, levels, mask);
  in.check("decoder.output", output, fixture.tensor("decoder.output"));
  output.backward(drawn(in, "decoder.upstream", shape).detach());
  in.check("decoder.grad_target", target.grad(), fixture.tensor("decoder.grad_target"));
  in.check("decoder.grad_query_position", position.grad(), fixture.tensor("decoder.grad_query_position"));
  in.check("decoder.grad_memory", memory.grad(), fixture.tensor("decoder.grad_memory"));
  in.check("decoder.grad_reference", reference.grad(), fixture.tensor("decoder.grad_reference"));
  check_gradients_of(in, fixture, "decoder", *layer);

  // The same boxes as every level's own.
  const Tensor own = reference.detach().unsqueeze(2).expand({-1, -1, static_cast<std::int64_t>(levels.size()), -1});
  in.check("decoder.output, a box for each level", layer(target, position, own, memory, levels, mask),
           fixture.tensor("decoder.output"));
}

/// [1, D, H, W] of one level
Tensor table_of(const PartNumbers& in, const LevelShape& level, const LevelShape& valid, const SineOptions& options) {
  return sine_positions({level}, {valid}, options, in.type).t().view({1, -1, level.height, level.width});
}

void check_sines(const PartNumbers& in, const Fixture& fixture) {
  const LevelShape level{5, 7}, valid{4, 5};
  const SineOptions published{256, 20, 0}, other{256, 10000, 0}, detrex{256, 10000, -0.5};
  const Tensor both = torch::cat({table_of(in, level, level, published), table_of(in, level, valid, published)});
  in.check("sine.table", both, fixture.tensor("sine.table"));
  in.check("sine.t10000", table_of(in, level, level, other), fixture.tensor("sine.t10000"));
  const Tensor& theirs = fixture.tensor("sine.detrex_t10000_offset");
  in.check("sine.detrex, whole", table_of(in, level, level, detrex), theirs.slice(0, 0, 1));
  const auto inside = [&](const Tensor& table) { return table.slice(2, 0, valid.height).slice(3, 0, valid.width); };
  in.check("sine.detrex, valid pixels", inside(table_of(in, level, valid, detrex)), inside(theirs.slice(0, 1, 2)));
  const Tensor boxes = uniform_by_key("dino.positions.boxes", {6, 1, 4}).squeeze(1).to(in.type);
  in.check("query_sine", sine_of_boxes(boxes, 256), fixture.tensor("query_sine"));
}

void check_positions(const PartNumbers& in, const Fixture& fixture) {
  const auto levels = levels_in(fixture.json["shapes_hw"]), wide = levels_in(fixture.json["wide_shapes_hw"]);
  ValidCells cut;  // the second picture's rows end at three quarters
  for (const LevelShape& level : levels) cut.push_back({(3 * level.height + 3) / 4, level.width});
  const std::vector<ValidCells> valid{levels, cut};
  std::vector<Tensor> masks, ratios, points;
  for (const ValidCells& picture : valid) {
    masks.push_back(padded_tokens(levels, picture));
    ratios.push_back(valid_ratios(levels, picture));
    points.push_back(token_points(levels, picture, in.type));
  }
  check_equal("mask", torch::stack(masks), fixture.tensor("mask"));
  in.check("valid_ratios_wh", torch::stack(ratios), fixture.tensor("valid_ratios_wh"));
  in.check("reference_points", torch::stack(points), fixture.tensor("reference_points"));
  const Anchors anchors = make_anchors_of_padded(levels, {}, in.type, valid);
  check_absolute(in.name + std::string("proposals"), anchors.logits, fixture.tensor("proposals"), in.limit);
  const Tensor blank = fixture.tensor("proposals.memory").eq(0).all(2, /*keepdim=*/true);
  check_equal("proposals.memory", anchors.valid.logical_not(), blank);
  check_absolute(in.name + std::string("proposals_wide"), make_anchors(wide, {}, in.type).logits,
                 fixture.tensor("proposals_wide"), in.limit);
  in.check("inverse_sigmoid", inverse_sigmoid(fixture.tensor("inverse_sigmoid.in").to(in.type), 1e-3),
           fixture.tensor("inverse_sigmoid.out"));
}

}  // namespace

TEST_CASE("DINO's layers give the reference's output and gradients", "[layers]") {
  const Fixture fixture = load_fixture();
  for (const PartNumbers& in : {kPartDouble, kPartSingle}) {
    check_encoder_layer(in, fixture, "encoder");
    check_encoder_layer(in, fixture, "encoder_padded");
    check_decoder_layer(in, fixture);
  }
}

TEST_CASE("DINO's positions, points and proposals are the reference's", "[positions]") {
  const Fixture fixture = load_fixture();
  for (const PartNumbers& in : {kPartDouble, kPartSingle}) {
    check_sines(in, fixture);
    check_positions(in, fixture);
  }
}

}  // namespace rtdetr::test
