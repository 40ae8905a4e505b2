#include "models/blocks/vit.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "models/graph/head.h"
#include "models/graph/model.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "tests/support/fill.h"

namespace rtdetr {
namespace {

using Catch::Contains;

/// Two blocks on patches of 8 pixels, three levels, a decoder; strides 4, 8, 16.
std::string vit_yaml(const std::string& options, const std::string& top = "") {
  return "nc: 3\n" + top + "backbone:\n  - [-1, 1, ViT, [16, 2, 2, {patch: 8, window: 3, global: [1], grid: 6, " +
         options +
         "}], backbone.net]\n"
         "  - [0, 1, PyramidLevel, [16, 2], backbone.simfp_3]\n"
         "  - [0, 1, PyramidLevel, [16, 1], backbone.simfp_4]\n"
         "  - [0, 1, PyramidLevel, [16, 0.5], backbone.simfp_5]\n"
         "head:\n"
         "  - [[1, 2, 3], 1, RTDETRDecoder, [nc, {variant: v2, dim: 16, queries: 10, heads: 2, layers: 1, ffn: 16, "
         "denoising: 0}], decoder]\n";
}

DetectionModel vit_model(const std::string& options, const std::string& top = "") {
  DetectionModel model = build_model(parse_model_spec(vit_yaml(options, top), "vit.yaml"));
  model->to(torch::kFloat64);
  test::fill_by_rule(*model);
  return model;
}

Tensor vit_pictures(std::int64_t count) { return test::images_by_key("vit", {count, 3, 64, 96}); }

/// The backbone's last level in a pass in training.
Tensor trained_map(DetectionModel& model, const Tensor& images, std::uint64_t seed, const BatchShare& share = {}) {
  MapProbe probe;
  ForwardOptions options;
  options.generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  options.share = share;
  options.probe = &probe;
  model->train();
  model->forward(images, options);
  return probe.backbone.back().detach();
}

Tensor evaluated_map(DetectionModel& model, const Tensor& images) {
  MapProbe probe;
  ForwardOptions options;
  options.probe = &probe;
  model->eval();
  model->forward(images, options);
  return probe.backbone.back().detach();
}

}  // namespace

TEST_CASE("the same seed leaves out the same branches, another one others, and evaluation none", "[vit]") {
  DetectionModel model = vit_model("drop_path: 0.5"), whole = vit_model("drop_path: 0");
  const Tensor images = vit_pictures(8);
  const Tensor first = trained_map(model, images, 1);
  CHECK(torch::equal(first, trained_map(model, images, 1)));
  CHECK_FALSE(torch::equal(first, trained_map(model, images, 2)));
  CHECK(torch::allclose(trained_map(whole, images, 1), evaluated_map(whole, images), 0, 1e-12));
  CHECK(torch::equal(evaluated_map(model, images), evaluated_map(whole, images)));
}

TEST_CASE("branches are left out of each picture by itself, and those kept are enlarged", "[vit]") {
  VitBlock block(VitBlockOptions{.dim = 4, .heads = 1, .hidden = 8, .relative_positions = false, .drop_path = 0.25});
  const torch::NoGradGuard no_grad;
  test::fill_by_rule(*block);
  const Tensor cells = test::uniform_by_key("cells", {2, 3, 3, 4}).to(torch::kFloat32);
  block->draw_paths(torch::tensor({{0.2, 0.25}, {0.1, 0.9}}));  // of attention, then mlp: below 0.25 is left out
  const Tensor found = block(cells);
  CHECK(torch::equal(found[0], cells[0]));
  block->keep(torch::tensor({{0.0, 1 / 0.75}, {0.0, 1 / 0.75}}));
  CHECK(torch::allclose(found[1], block(cells)[1]));
  CHECK_FALSE(torch::allclose(found[1], cells[1]));
}

TEST_CASE("two processes leave out of their pictures what one leaves out of all", "[vit]") {
  DetectionModel model = vit_model("drop_path: 0.5");
  const Tensor images = vit_pictures(4), joint = trained_map(model, images, 7);
  for (const std::int64_t rank : {0, 1}) {
    const Tensor own = trained_map(model, images.slice(0, rank, std::nullopt, 2), 7, {.rank = rank, .world = 2});
    CHECK(torch::allclose(own, joint.slice(0, rank, std::nullopt, 2), 0, 1e-12));
  }
}

TEST_CASE("a pass in training without a generator is refused where branches are left out", "[vit]") {
  DetectionModel model = vit_model("drop_path: 0.5");
  model->train();
  CHECK_THROWS_WITH(model->forward(vit_pictures(1)), Contains("needs a generator"));
}

TEST_CASE("tables that evaluation keeps follow their weights", "[vit]") {
  DetectionModel model = vit_model("drop_path: 0");
  const Tensor images = vit_pictures(1);
  const torch::NoGradGuard no_grad;
  const Tensor before = evaluated_map(model, images);
  CHECK(torch::equal(before, evaluated_map(model, images)));
  for (const char* name :
       {"backbone.net.pos_embed", "backbone.net.blocks.1.attn.rel_pos_h", "backbone.net.blocks.0.attn.rel_pos_w"}) {
    INFO(name);
    Tensor weight = model->named_parameters()[name];
    weight.mul_(-1);
    const Tensor kept = evaluated_map(model, images);
    CHECK_FALSE(torch::allclose(before, kept));
    const torch::AutoGradMode with_gradients(true);  // makes its tables anew
    CHECK(torch::allclose(kept, evaluated_map(model, images), 0, 1e-12));
    const torch::NoGradGuard none;
    weight.mul_(-1);
  }
}

TEST_CASE("a model with mean and std takes pictures in [0, 1] and normalises them", "[vit]") {
  const torch::NoGradGuard no_grad;
  DetectionModel plain = vit_model("drop_path: 0"),
                 normed = vit_model("drop_path: 0", "mean: [0.5, 0.25, 0.125]\nstd: [0.5, 2, 4]\n");
  const Tensor images = vit_pictures(2);
  const auto column = [](const std::vector<double>& values) {
    return torch::tensor(values, torch::kFloat64).view({3, 1, 1});
  };
  const Tensor expected = evaluated_map(plain, (images - column({0.5, 0.25, 0.125})) / column({0.5, 2, 4}));
  CHECK(torch::allclose(evaluated_map(normed, images), expected, 0, 1e-12));
  CHECK_FALSE(torch::allclose(evaluated_map(plain, images), expected));
  CHECK(normed->spec().text.find("mean:") != std::string::npos);
}

TEST_CASE("rows and keys of a plain backbone that cannot be are refused", "[vit]") {
  const auto refused = [](const std::string& yaml) {
    try {
      build_model(parse_model_spec(yaml, "vit.yaml"));
    } catch (const ModelError& error) {
      return std::string(error.what());
    }
    return std::string("nothing");
  };
  const auto with = [](std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  };
  const std::string good = vit_yaml("drop_path: 0");
  CHECK(refused(good) == "nothing");
  CHECK_THAT(refused(with(good, "[16, 2, 2,", "[16, 2, 3,")), Contains("multiple of the 3 heads"));
  CHECK_THAT(refused(with(good, "global: [1]", "global: [2]")), Contains("blocks from 0 to 1, found 2"));
  CHECK_THAT(refused(with(good, "[16, 0.5]", "[16, 3]")), Contains("expected 4, 2, 1 or 0.5"));
  CHECK_THAT(refused(with(good, "patch: 8", "patch: 1")), Contains("multiples of 2"));
  CHECK_THAT(refused("mean: [0, 0, 0]\n" + good), Contains("go together"));
  CHECK_THAT(refused("mean: [0, 0]\nstd: [1, 1, 1]\n" + good), Contains("a list of 3 numbers"));
  CHECK_THAT(refused("mean: [0, 0, 0]\nstd: [1, 0, 1]\n" + good), Contains("key 'std'"));
  DetectionModel model = build_model(parse_model_spec(good, "vit.yaml"));
  CHECK_THROWS_WITH(model->forward(torch::zeros({1, 3, 64, 72})), Contains("multiples of 16"));
}

TEST_CASE("a vision transformer begins with narrow weights, and positions that say nothing", "[vit]") {
  DetectionModel model = build_model(parse_model_spec(vit_yaml("residual: [0]"), "vit.yaml"));
  const auto state = model->named_parameters();
  const auto deviation = [&](const char* name) { return state[name].std().item<double>(); };
  for (const char* name :
       {"backbone.net.pos_embed", "backbone.net.blocks.0.attn.qkv.weight", "backbone.net.blocks.1.mlp.fc2.weight"})
    CHECK(deviation(name) == Approx(0.02).epsilon(0.2));
  for (const char* name : {"backbone.net.blocks.0.attn.rel_pos_h", "backbone.net.blocks.1.mlp.fc1.bias",
                           "backbone.net.blocks.0.residual.norm3.weight"})
    CHECK(state[name].abs().max().item<double>() == 0);
}

}  // namespace rtdetr
