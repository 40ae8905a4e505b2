#include <torch/nn/module.h>
#include <torch/types.h>

#include <catch2/catch.hpp>
#include <set>

#include "models/blocks/rep.h"
#include "models/graph/model.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "tests/support/fill.h"

namespace rtdetr {
namespace {

double fusing_difference(Block& block, const Tensor& x) {
  const torch::NoGradGuard no_grad;
  block.to(torch::kFloat64);
  test::fill_by_rule(block);
  block.eval();
  const Tensor before = block.forward(x);
  fuse_modules(block);
  return (block.forward(x) - before).abs().max().item<double>();
}

std::set<std::string> keys_of(const torch::nn::Module& module) {
  std::set<std::string> keys;
  for (const auto& [key, tensor] : named_state(module)) keys.insert(key);
  return keys;
}

Tensor picture(std::int64_t channels) { return torch::rand({2, channels, 9, 7}, torch::kFloat64); }

}  // namespace

TEST_CASE("a convolution takes in its BatchNorm") {
  ConvNormAct block(conv_unit(6, 10, 3, 2, Activation::kSilu, {}));
  CHECK(fusing_difference(*block, picture(6)) < 1e-12);
  CHECK(keys_of(*block) == std::set<std::string>{"conv.weight", "conv.bias"});
  for (const Tensor& parameter : block->parameters()) CHECK_FALSE(parameter.requires_grad());
}

TEST_CASE("what fusing makes of a row on an open path is part of the model's state") {
  const auto model_at = [](const std::string& path) {
    DetectionModel model =
        build_model(parse_model_spec("nc: 3\nbackbone:\n  - [-1, 1, Conv, [8, 3, 8]]\n  - [-1, 1, RepConv, [8]" + path +
                                         "]\nhead:\n  - [[1], 1, RTDETRDecoder, [nc, 16, 5, 4, 2, 1, 16]]\n",
                                     "rep.yaml"));
    model->eval();
    model->fuse();
    return model;
  };
  const std::set<std::string> open = keys_of(*model_at(", backbone.rep.")),
                              closed = keys_of(*model_at(", backbone.rep"));
  CHECK(open == closed);
  CHECK(open.contains("backbone.rep.conv.weight"));
}

TEST_CASE("a large kernel is folded part by part") {
  ConvNormAct block(conv_unit(96, 80, 3, 1, Activation::kNone, {}));  // three parts
  CHECK(fusing_difference(*block, picture(96)) < 1e-12);
}

TEST_CASE("a kernel is folded in its own memory, unless somebody else has that, too") {
  ConvNormAct block(conv_unit(6, 10, 3, 2, Activation::kSilu, {}));
  test::fill_by_rule(*block);
  const auto weight = [&] { return block->named_parameters()["conv.weight"].detach(); };
  const void* const before = weight().const_data_ptr();
  SECTION("alone") {
    fuse_modules(*block);
    CHECK(weight().const_data_ptr() == before);
  }
  SECTION("shared") {
    const Tensor shared = weight(), values = shared.clone();
    fuse_modules(*block);
    CHECK(weight().const_data_ptr() != before);
    CHECK(torch::equal(shared, values));
  }
}

TEST_CASE("a depthwise convolution takes in its BatchNorm") {
  ConvNormActOptions options = conv_unit(6, 6, 5, 1, Activation::kNone, {});
  options.conv.groups = 6;
  ConvNormAct block(options);
  CHECK(fusing_difference(*block, picture(6)) < 1e-12);
}

TEST_CASE("a frozen BatchNorm is folded like a trained one") {
  ConvNormAct block(conv_unit(4, 4, 1, 1, Activation::kRelu, {1e-5, 0.1, true}));
  CHECK(fusing_difference(*block, picture(4)) < 1e-12);
  CHECK(keys_of(*block) == std::set<std::string>{"conv.weight", "conv.bias"});
}

TEST_CASE("RepConv becomes one kernel, with identity branch and groups too") {
  const bool identity = GENERATE(false, true);
  const std::int64_t groups = GENERATE(1, 2, 4);
  RepConv block(RepConvOptions{.in = 8, .out = 8, .groups = groups, .identity = identity});
  CHECK(fusing_difference(*block, picture(8)) < 1e-12);
  CHECK(keys_of(*block) == std::set<std::string>{"conv.weight", "conv.bias"});
}

TEST_CASE("fusing twice is fusing once") {
  RepConv block(RepConvOptions{.in = 4, .out = 6, .stride = 2});
  const Tensor x = picture(4);
  CHECK(fusing_difference(*block, x) < 1e-12);
  const torch::NoGradGuard no_grad;
  const Tensor once = block->forward(x);
  fuse_modules(*block);
  CHECK(torch::equal(block->forward(x), once));
}

TEST_CASE("a whole model gives the same after fusing") {
  const torch::NoGradGuard no_grad;
  const std::string file = GENERATE("rtdetr-n.yaml", "rtdetr_r18vd.yaml", "rtdetrv2_r18vd.yaml", "rtdetr-l.yaml");
  BuildOptions options;
  options.initial_weights = false;
  DetectionModel model = build_model(load_model_spec(file), options);
  model->to(torch::kFloat64);
  test::fill_by_rule(*model);
  model->eval();
  const Tensor images = test::images_by_key("images", {1, 3, 128, 128});
  ForwardOptions all;
  all.all_layers = true;
  const ModelOutput before = model->forward(images, all);
  model->fuse();
  CHECK(model->fused());
  const ModelOutput after = model->forward(images, all);

  INFO(file);
  REQUIRE(torch::equal(before.topk_indices, after.topk_indices));
  REQUIRE(before.layers.size() == after.layers.size());
  for (std::size_t k = 0; k < before.layers.size(); ++k) {
    CHECK((before.layers[k].logits - after.layers[k].logits).abs().max().item<double>() < 1e-10);
    CHECK((before.layers[k].boxes_cxcywh - after.layers[k].boxes_cxcywh).abs().max().item<double>() < 1e-10);
  }
  for (const std::string& key : keys_of(*model)) {
    CHECK(key.find("running_mean") == std::string::npos);
    CHECK(key.find("denoising_class_embed") == std::string::npos);
  }
}

}  // namespace rtdetr
