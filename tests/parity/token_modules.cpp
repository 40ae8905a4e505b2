#include "tests/parity/token_modules.h"

#include <torch/types.h>

#include <catch2/catch.hpp>

#include "models/heads/detr/decoder_layer.h"
#include "tests/parity/module_case.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kTokens = 1e-12;  // tests/fixtures/README.md §3
const std::vector<LevelShape> kLevels = {{8, 6}, {4, 3}};

Tensor tokens(const std::string& tag, const std::string& name, const std::vector<std::int64_t>& shape = {2, 5, 8}) {
  return centred(tag, name, shape).set_requires_grad(true);
}

/// Width 32, 4 heads, a feed-forward part of 48 / 2.
ModuleCase layer_case(const std::string& tag, bool gate) {
  DecoderLayerOptions options;
  options.attention = {32, 4, {4, 2}};
  options.attention.projections = false;
  options.attention.points_scale_buffer = true;
  options.ffn_dim = 48;
  options.swish = options.clamp_output = true;
  options.norm = TokenNormKind::kRms;
  options.gate = gate;
  DecoderLayer layer(options);
  const Tensor reference = uniform_by_key("mod." + tag + ".reference", {2, 6, 1, 4}).set_requires_grad(true);
  const std::vector<Tensor> inputs{tokens(tag, "target", {2, 6, 32}), reference, tokens(tag, "memory", {2, 60, 32}),
                                   tokens(tag, "position", {2, 6, 32})};
  return {tag, layer.ptr(), inputs,
          [layer](const auto& in) mutable { return layer(in[0], in[3], in[1].squeeze(2), in[2], kLevels, Tensor()); }};
}

ModuleCase module_case(const std::string& tag) {
  if (tag == "v2_rmsnorm") {
    RmsNorm norm(8);
    return {tag, norm.ptr(), {tokens(tag, "x")}, [norm](const auto& in) mutable { return norm(in[0]); }};
  }
  if (tag == "v2_swiglu") {
    SwishFeedForward ffn(8, 6);
    return {tag, ffn.ptr(), {tokens(tag, "x")}, [ffn](const auto& in) mutable { return ffn(in[0]); }};
  }
  if (tag == "v2_gate") {
    Gateway gate(8, TokenNormKind::kRms);
    return {tag, gate.ptr(), {tokens(tag, "x1"), tokens(tag, "x2")}, [gate](const auto& in) mutable {
              return gate(in[0], in[1]);
            }};
  }
  REQUIRE((tag == "v2_layer_gate" || tag == "v2_layer_plain"));
  return layer_case(tag, tag == "v2_layer_gate");
}

}  // namespace

void check_token_module(const Fixture& fixture, const std::string& tag) {
  const ModuleCase test = module_case(tag);
  fill_module(test);
  check_pass(fixture, test, "out", kTokens);
}

}  // namespace rtdetr::test
