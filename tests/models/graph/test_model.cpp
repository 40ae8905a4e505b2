#include <torch/types.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "core/base/error.h"
#include "models/deploy/size.h"
#include "models/graph/model.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "tests/support/two_layer_head.h"

namespace rtdetr {
namespace {

using Catch::Contains;

const char* kTiny =
    "nc: 3\n"
    "backbone:\n"
    "  - [-1, 1, Conv, [8, 3, 4], backbone.stem]\n"
    "  - [-1, 1, Conv, [16, 3, 2], backbone.body]\n"
    "head:\n"
    "  - [-1, 1, nn.Upsample, [None, 2, nearest]]\n"
    "  - [[-1, 0], 1, Concat, [1]]\n"
    "  - [-1, 2, RepC3, [16], encoder.neck]\n"
    "  - [[4, 1], 1, RTDETRDecoder, [nc, 16, 7, 4, 2, 2, 32], decoder]\n";

DetectionModel tiny(BuildOptions options = {}) { return build_model(parse_model_spec(kTiny, "tiny.yaml"), options); }

std::map<std::string, Tensor> state_of(DetectionModel& model) {
  std::map<std::string, Tensor> state;
  for (auto& [key, tensor] : named_state(*model)) state[key] = tensor;
  return state;
}

}  // namespace

TEST_CASE("rows run in order and give predictions for each query") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = tiny();
  model->eval();
  const ModelOutput output = model->forward(torch::rand({2, 3, 32, 64}));
  REQUIRE(output.layers.size() == 1);
  CHECK(output.layers[0].logits.sizes().vec() == std::vector<std::int64_t>{2, 7, 3});
  CHECK(output.layers[0].boxes_cxcywh.sizes().vec() == std::vector<std::int64_t>{2, 7, 4});
  CHECK(model->stride() == 8);
  CHECK(model->num_decoder_layers() == 2);
}

TEST_CASE("modules are registered under the paths of their rows") {
  DetectionModel model = tiny();
  const auto state = state_of(model);
  CHECK(state.contains("backbone.stem.conv.weight"));
  CHECK(state.contains("encoder.neck.m.1.conv2.bn.running_var"));
  CHECK(state.contains("decoder.dec_bbox_head.1.layers.2.bias"));
  CHECK(state.at("encoder.neck.cv1.bn.num_batches_tracked").scalar_type() == torch::kInt64);
}

TEST_CASE("a path that ends in a dot puts a row's parts beside those of others") {
  std::string text = kTiny;
  const auto put = [&](const std::string& known, const std::string& other) {
    text.replace(text.find(known), known.size(), other);
  };
  put("Conv, [8, 3, 4], backbone.stem]", "ConvNorm, [8, 3, 4, relu, {keys: torchvision}], backbone.body.]");
  put("Conv, [16, 3, 2], backbone.body]",
      "PResNetStage, [basic, 16, 2, {variant: b, keys: torchvision}], backbone.body.layer1]");
  put("2, 32], decoder]", "2, 32], .]");
  DetectionModel model = build_model(parse_model_spec(text, "open.yaml"));
  const auto state = state_of(model);
  CHECK(state.contains("backbone.body.conv1.weight"));
  CHECK(state.contains("backbone.body.bn1.running_var"));
  CHECK(state.contains("backbone.body.layer1.0.bn2.weight"));
  CHECK(state.contains("backbone.body.layer1.0.downsample.1.weight"));
  CHECK(state.contains("dec_bbox_head.1.layers.2.bias"));
  CHECK(state.at("backbone.body.bn1.weight").eq(1).all().item<bool>());  // initial values reach guests' parts
  CHECK(model->rows().front().places == std::vector<std::string>{"backbone.body.conv1", "backbone.body.bn1"});

  const torch::NoGradGuard no_grad;
  const Tensor images = torch::rand({1, 3, 64, 64});
  model->eval();
  const Tensor before = model->forward(images).layers.back().boxes_cxcywh;
  model->fuse();
  CHECK_FALSE(state_of(model).contains("backbone.body.bn1.weight"));
  CHECK(state_of(model).contains("backbone.body.conv1.bias"));
  CHECK_FALSE(state_of(model).contains("denoising_class_embed.weight"));
  CHECK(torch::allclose(model->forward(images).layers.back().boxes_cxcywh, before, 1e-4, 1e-5));

  put("{keys: torchvision}], backbone.body.]", "{keys: torchvision}], .]");
  put("backbone.body.layer1", "conv1");
  CHECK_THROWS_WITH(build_model(parse_model_spec(text, "open.yaml")), Contains("conv1"));
}

TEST_CASE("a probe shows the maps of its pass") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = tiny();
  model->eval();
  MapProbe probe;
  for (int pass = 0; pass < 2; ++pass) {
    model->forward(torch::rand({1, 3, 32, 32}), {.probe = &probe});
    REQUIRE(probe.backbone.size() == 2);
    CHECK(probe.backbone[1].sizes().vec() == std::vector<std::int64_t>{1, 16, 4, 4});
    REQUIRE(probe.encoder.size() == 2);
    CHECK(probe.encoder[0].size(2) == 8);
  }
}

TEST_CASE("a picture size that the strides do not divide is refused") {
  DetectionModel model = tiny();
  CHECK_THROWS_WITH(model->forward(torch::rand({1, 3, 32, 36})),
                    Contains("H and W multiples of 8") && Contains("[1, 3, 32, 36]"));
  CHECK_THROWS_AS(model->forward(torch::rand({1, 1, 32, 32})), ConfigError);
  CHECK_THROWS_AS(model->forward(torch::rand({3, 32, 32})), ConfigError);
}

TEST_CASE("padded pictures are refused by a head that cannot leave the padding out") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = tiny();
  model->eval();
  const std::vector<PictureSize> sizes{{32, 32}};
  CHECK_THROWS_WITH(model->forward(torch::rand({1, 3, 32, 64}), {.valid_sizes = sizes}), Contains("whole pictures"));
}

TEST_CASE("a picture that is said to be whole has the predictions of one of which nothing is said") {
  const torch::NoGradGuard no_grad;
  std::string text = kTiny;
  const std::string known = "[nc, 16, 7, 4, 2, 2, 32]";
  text.replace(text.find(known), known.size(), "[nc, {variant: v2, dim: 16, queries: 7, heads: 2, encoder_layers: 2}]");
  DetectionModel model = build_model(parse_model_spec(text, "encoder.yaml"));
  model->eval();
  const Tensor picture = torch::rand({1, 3, 64, 64});
  const std::vector<PictureSize> whole{{64, 64}}, part{{40, 64}};
  const Tensor plain = model->forward(picture).layers.back().boxes_cxcywh;
  CHECK(torch::allclose(model->forward(picture, {.valid_sizes = whole}).layers.back().boxes_cxcywh, plain, 1e-5, 1e-6));
  const Tensor cut = model->forward(picture, {.valid_sizes = part}).layers.back().boxes_cxcywh;
  CHECK_FALSE(torch::allclose(cut, plain, 1e-2, 1e-2));
}

TEST_CASE("every picture size that the strides divide is taken") {
  const torch::NoGradGuard no_grad;
  const auto [height, width] = GENERATE(table<int, int>({{32, 32}, {32, 160}, {96, 64}, {224, 352}}));
  DetectionModel model = build_model(load_model_spec("rtdetr-n.yaml"));
  model->eval();
  const Prediction found = model->forward(torch::rand({1, 3, height, width})).layers.back();
  INFO(height << " x " << width);
  CHECK(found.boxes_cxcywh.size(1) == std::min(100, height * width / 64 * 21 / 16));  // queries, or all the tokens
  CHECK(torch::isfinite(found.logits).all().item<bool>());
  CHECK((found.boxes_cxcywh >= 0).logical_and(found.boxes_cxcywh <= 1).all().item<bool>());
}

TEST_CASE("initial weights are a function of seed and key alone") {
  BuildOptions seven;
  seven.seed = 7;
  DetectionModel one = tiny(), same = tiny(), other = tiny(seven);
  const auto a = state_of(one), b = state_of(same), c = state_of(other);
  for (const auto& [key, tensor] : a) CHECK(torch::equal(tensor, b.at(key)));
  CHECK_FALSE(torch::equal(a.at("backbone.stem.conv.weight"), c.at("backbone.stem.conv.weight")));

  // The same keys in a model that has one row less.
  std::string text = kTiny;
  text.replace(text.find("  - [-1, 2, RepC3, [16], encoder.neck]\n"), 39, "  - [-1, 1, nn.Identity, []]\n");
  DetectionModel smaller = build_model(parse_model_spec(text, "smaller.yaml"));
  CHECK(torch::equal(state_of(smaller).at("backbone.body.conv.weight"), a.at("backbone.body.conv.weight")));
}

TEST_CASE("overrides are written into the text that a checkpoint keeps") {
  BuildOptions options;
  options.num_classes = 5;
  options.num_queries = 4;
  options.decoder_layers = 1;
  DetectionModel model = tiny(options);
  DetectionModel again = build_model(parse_model_spec(model->spec().text, "checkpoint"));
  const auto a = state_of(model), b = state_of(again);
  REQUIRE(a.size() == b.size());
  for (const auto& [key, tensor] : a) CHECK(torch::equal(tensor, b.at(key)));
  CHECK(again->num_classes() == 5);
  CHECK(again->num_decoder_layers() == 1);
  again->eval();
  const torch::NoGradGuard no_grad;
  CHECK(again->forward(torch::rand({1, 3, 32, 32})).layers[0].logits.size(1) == 4);
  CHECK(tiny()->spec().text == kTiny);
}

TEST_CASE("a head of the calling program's own ends a model") {
  test::TwoLayerHead::offer();
  const ModelSpec spec = parse_model_spec(test::TwoLayerHead::kYaml, "two_layers.yaml");
  DetectionModel model = build_model(spec);
  CHECK(model->num_decoder_layers() == 2);
  CHECK(model->stride() == 32);
  CHECK(model->forward(torch::rand({1, 3, 32, 64})).layers.back().logits[0][0][0].item<float>() == 2);
  // What the head has no argument for cannot be overridden.
  CHECK_THROWS_WITH(build_model(spec, {.decoder_layers = 1}),
                    Contains("decoder_layers=: a model that ends in TwoLayerHead has none to override"));
  CHECK_THROWS_WITH(build_model(spec, {.num_queries = 9}), Contains("num_queries="));
  const char* headless = "nc: 2\nbackbone:\n  - [-1, 1, Conv, [8]]\nhead:\n  - [-1, 1, Conv, [8]]\n";
  CHECK_THROWS_WITH(build_model(parse_model_spec(headless, "x.yaml")),
                    Contains("the last row must be Detect or RTDETRDecoder or TwoLayerHead"));
}

TEST_CASE("the row table adds up to the model") {
  DetectionModel model = tiny();
  std::int64_t rows = 0, all = 0;
  for (const auto& row : model->rows()) rows += row.parameters;
  for (const Tensor& parameter : model->parameters()) all += parameter.numel();
  CHECK(rows == all);
  const auto table = model->rows();
  CHECK(table[0].part == "backbone");
  CHECK(table[4].part == "encoder");
  CHECK(table[4].repeats == 2);
  CHECK(table[5].part == "decoder");
  CHECK(table[3].from == "[-1, 0]");
  CHECK(table[2].arguments == "[None, 2, nearest]");
}

TEST_CASE("operations of the published models are the published ones") {
  const auto [file, gflops] =
      GENERATE(table<std::string, double>({{"rtdetr_r18vd.yaml", 60.06}, {"rtdetr_r50vd.yaml", 133.13}}));
  BuildOptions options;
  options.shapes_only = true;
  DetectionModel model = build_model(load_model_spec(file), options);
  model->fuse();
  CHECK(count_gflops(model, 640, 640) == Approx(gflops).margin(0.005));
}

TEST_CASE("a model without memory has the shapes, rows and sizes of a real one, fused and not") {
  BuildOptions options;
  options.shapes_only = true;
  for (const bool fused : {false, true}) {
    DetectionModel shapes = tiny(options), real = tiny();
    if (fused) shapes->fuse(), real->fuse();
    const auto a = named_state(*shapes), b = named_state(*real);
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      INFO(b[i].first);
      CHECK(a[i].first == b[i].first);
      CHECK(a[i].second.is_meta());
      CHECK(a[i].second.sizes() == b[i].second.sizes());
      CHECK(a[i].second.scalar_type() == b[i].second.scalar_type());
    }
    CHECK(count_parameters(*shapes) == count_parameters(*real));
    CHECK(count_deployed_parameters(*shapes) == count_deployed_parameters(*real));
    CHECK(count_gflops(shapes, 64, 32) == count_gflops(real, 64, 32));
  }
}

TEST_CASE("operations are counted for every module that a model file may name") {
  // One row of each of those that no published model of test_zoo has.
  const std::string text =
      "nc: 3\nbackbone:\n"
      "  - [-1, 1, Conv, [16, 3, 4]]\n"
      "  - [-1, 1, ResNetLayer, [16, 8, 1, False, 1]]\n"
      "  - [-1, 1, C2f, [16, True]]\n"
      "  - [-1, 1, SPPF, [16, 5]]\n"
      "  - [-1, 1, Bottleneck, [16]]\n"
      "  - [-1, 1, RepConv, [16, 3, 1, 1, 1, True, True]]\n"
      "head:\n"
      "  - [-1, 1, AIFI, [32, 2]]\n"
      "  - [[-1, 5], 1, RTDETRDecoder, [nc, 16, 7, 4, 2, 2, 32, {select: one2many, sampling: discrete}]]\n";
  CHECK(count_gflops(build_model(parse_model_spec(text, "all.yaml")), 64, 64) > 0.001);
}

TEST_CASE("two images in a batch give what each gives alone") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = tiny();
  model->eval();
  const Tensor images = torch::rand({2, 3, 64, 32});
  const Prediction both = model->forward(images).layers.back();
  for (int b = 0; b < 2; ++b) {
    const Prediction alone = model->forward(images.narrow(0, b, 1)).layers.back();
    CHECK(torch::allclose(alone.boxes_cxcywh[0], both.boxes_cxcywh[b], 1e-4, 1e-5));
  }
}

}  // namespace rtdetr
