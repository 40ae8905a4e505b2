// D-FINE's distributions of a box's sides, and the decoder's modules around them.
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/tensor/distribution_box.h"
#include "models/heads/detr/decoder_layer.h"
#include "models/heads/detr/location_quality.h"
#include "tests/parity/module_case.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kFdr = 1e-12;        // tests/fixtures/README.md §3
constexpr double kFdrTargets = 1e-9;  // of bin + share
const std::vector<LevelShape> kFdrLevels = {{8, 6}, {4, 3}};

Tensor uniform(const std::string& key, const std::vector<std::int64_t>& shape) { return uniform_by_key(key, shape); }

void check_bins(const Fixture& fixture) {
  for (const auto& [name, entry] : fixture.json["weighting"].items()) {
    const DistributionOptions options{entry["reg_max"], entry["up"], entry["reg_scale"]};
    check_relative(name, deviations_of_bins(options), fixture.tensor(name), kFdr);
  }
}

void check_mean(const Fixture& fixture, int scale) {
  const std::string name = "integral_" + std::to_string(scale), key = "fdr.integral" + std::to_string(scale);
  DistributionOptions options;
  options.scale = scale;
  const Tensor corners = (uniform(key + ".x", {2, 7, 132}) * 8 - 4).set_requires_grad(true);
  const Tensor mean = mean_deviations(shares_of_bins(corners, options), deviations_of_bins(options));
  check_relative(name + ".out", mean, fixture.tensor(name + ".out"), kFdr);
  mean.backward(uniform(key + ".up", {2, 7, 4}) * 2 - 1);
  check_relative(name + ".grad", corners.grad(), fixture.tensor(name + ".grad"), kFdr);
}

void check_boxes(const Fixture& fixture, int scale) {
  const std::string name = "distance2bbox_" + std::to_string(scale);
  const Tensor reference = fixture.tensor(name + ".points").clone().set_requires_grad(true);
  const Tensor deviations = fixture.tensor(name + ".distance").clone().set_requires_grad(true);
  const Tensor boxes = deviated_boxes(reference, deviations, scale);
  check_relative(name + ".out", boxes, fixture.tensor(name + ".out"), kFdr);
  boxes.backward(uniform("fdr.d2b" + std::to_string(scale) + ".up", {2, 7, 4}) * 2 - 1);
  check_relative(name + ".grad_points", reference.grad(), fixture.tensor(name + ".grad_points"), kFdr);
  check_relative(name + ".grad_distance", deviations.grad(), fixture.tensor(name + ".grad_distance"), kFdr);
}

void check_targets(const Fixture& fixture, int scale) {
  const std::string name = "bbox2distance_" + std::to_string(scale);
  DistributionOptions options;
  options.scale = scale;
  const DistributionTargets targets = distribution_targets(
      fixture.tensor(name + ".points"), fixture.tensor(name + ".boxes_xyxy"), deviations_of_bins(options), scale);
  CHECK(targets.bin.min().item<std::int64_t>() >= 0);
  CHECK(targets.bin.max().item<std::int64_t>() < options.steps);
  const Tensor bin = fixture.tensor(name + ".index").floor();  // the reference writes 31.9 for what lies beyond
  check_absolute(name, targets.bin + targets.upper_share, bin + fixture.tensor(name + ".weight_right"), kFdrTargets);
}

void check_quality(const Fixture& fixture) {
  LocationQuality quality(Activation::kRelu);
  const auto with = [&](const Tensor& scores, const Tensor& corners) {
    return scores + quality(shares_of_bins(corners, {}), torch::kFloat64);
  };
  const Tensor scores = centred("lqe", "scores", {2, 5, 3}).set_requires_grad(true);
  const Tensor corners = (uniform("mod.lqe.corners", {2, 5, 132}) * 8 - 4).set_requires_grad(true);
  const ModuleCase test{"lqe", quality.ptr(), {scores, corners}, [&](const auto& in) { return with(in[0], in[1]); }};
  fill_module(test);
  check_pass(fixture, test, "out", kFdr);
  const auto zeros = [](std::int64_t last) { return torch::zeros({1, 1, last}, torch::kFloat64); };
  check_relative("lqe.uniform", with(zeros(3), zeros(132)), fixture.tensor("lqe.uniform"), kFdr);
}

void check_gate(const Fixture& fixture) {
  Gateway gate(8);
  const Tensor x = centred("gate", "x1", {2, 5, 8}).set_requires_grad(true);
  const Tensor seen = centred("gate", "x2", {2, 5, 8}).set_requires_grad(true);
  const ModuleCase test{"gate", gate.ptr(), {x, seen}, [&](const auto& in) { return gate(in[0], in[1]); }};
  fill_module(test);
  check_pass(fixture, test, "out", kFdr);
}

DeformableAttentionOptions attention_options() {
  DeformableAttentionOptions options{32, 4, {3, 6}};
  options.projections = false;
  options.points_scale_buffer = true;
  return options;
}

void check_attention(const Fixture& fixture) {
  DeformableAttention attention(attention_options());
  const Tensor query = centred("cross_attn", "query", {2, 6, 32}).set_requires_grad(true);
  const Tensor reference = uniform("mod.cross_attn.reference", {2, 6, 1, 4}).set_requires_grad(true);
  const Tensor memory = centred("cross_attn", "memory", {2, 60, 32}).set_requires_grad(true);
  const ModuleCase test{"cross_attn", attention.ptr(), {query, reference, memory}, [&](const auto& in) {
                          return attention(in[0], in[1].squeeze(2), in[2], kFdrLevels);
                        }};
  fill_module(test);
  check_pass(fixture, test, "out", kFdr);
}

void check_layer(const Fixture& fixture, const std::string& tag, Activation activation) {
  DecoderLayerOptions options;
  options.attention = attention_options();
  options.ffn_dim = 48;
  options.activation = activation;
  options.gate = options.clamp_output = true;
  DecoderLayer layer(options);
  const Tensor target = centred(tag, "target", {2, 6, 32}).set_requires_grad(true);
  const Tensor reference = uniform("mod." + tag + ".reference", {2, 6, 1, 4}).set_requires_grad(true);
  const Tensor memory = centred(tag, "memory", {2, 60, 32}).set_requires_grad(true);
  const Tensor position = centred(tag, "position", {2, 6, 32}).set_requires_grad(true);
  const Tensor mask =
      torch::zeros({6, 6}, torch::kFloat64).masked_fill_(fixture.tensor("layer.mask").to(torch::kBool), -HUGE_VAL);
  const ModuleCase test{tag, layer.ptr(), {target, reference, memory, position}, [&](const auto& in) {
                          return layer(in[0], in[3], in[1].squeeze(2), in[2], kFdrLevels, mask);
                        }};
  fill_module(test);
  check_pass(fixture, test, "out", kFdr);
}

}  // namespace

TEST_CASE("distributions of a box's sides and their modules are the reference's", "[fdr]") {
  const Fixture fixture = load_fixture();
  check_bins(fixture);
  for (const int scale : {4, 8}) {
    check_mean(fixture, scale);
    check_boxes(fixture, scale);
    check_targets(fixture, scale);
  }
  check_quality(fixture);
  check_gate(fixture);
  check_attention(fixture);
  check_layer(fixture, "layer_relu", Activation::kRelu);
  check_layer(fixture, "layer_silu", Activation::kSilu);
}

}  // namespace rtdetr::test
