#include "models/weights/backbone_weights.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/io/file.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "models/weights/checkpoint.h"
#include "models/weights/key_tables.h"
#include "tests/models/tiny_model.h"
#include "tests/support/fill.h"
#include "tests/support/fixtures.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {
namespace {

using test::TemporaryFolder;

DetectionModel unset_model(const std::string& yaml) {
  BuildOptions options;
  options.initial_weights = false;
  return build_model(load_model_spec(yaml), options);
}

/// A file of the peer's: its names and shapes, with the values of the names that they have here.
TensorMap peer_file(const std::string& keys, const KeyLayout& layout) {
  std::ifstream file(test::kFixtures / "interop" / (keys + ".json"));
  REQUIRE(file);
  const nlohmann::json content = nlohmann::json::parse(file);
  TensorMap tensors;
  for (const auto& entry : content["keys"]) {
    const std::string name = entry[0];
    const auto ours = our_key(layout, name);
    REQUIRE(ours);
    const auto type = entry[2] == "int64" ? torch::kInt64 : torch::kFloat32;
    const auto shape = entry[1].get<std::vector<std::int64_t>>();
    tensors.emplace(name, test::value_by_key(ours->key.empty() ? name : ours->key, shape).to(type));
  }
  return tensors;
}

BackboneReport take(DetectionModel& model, const TensorMap& tensors) {
  const TemporaryFolder folder;
  save_tensors(folder / "a.safetensors", tensors, {});
  return take_backbone_weights(*model, folder / "a.safetensors");
}

/// How many of the backbone's tensors were compared with the rule, all equal.
int compare_with_rule(const DetectionModel& model, const std::string& prefix = "backbone.") {
  int compared = 0;
  for (const auto& [key, value] : named_state(*model)) {
    if (!key.starts_with(prefix)) continue;
    INFO(key);
    CHECK(torch::equal(value.detach(), test::value_by_key(key, value.sizes().vec()).to(value.scalar_type())));
    ++compared;
  }
  return compared;
}

/// PResNet-50 in variant b, which torchvision has.
constexpr const char* kVariantB = R"(nc: 3
norm_eps: 1.0e-5
backbone:
  - [-1, 1, ConvNorm, [64, 7, 2, relu], backbone.conv1.conv1_1]
  - [-1, 1, nn.MaxPool2d, [3, 2, 1]]
  - [-1, 3, PResNetStage, [bottleneck, 64, 1, {variant: b}], backbone.res_layers.0]
  - [-1, 4, PResNetStage, [bottleneck, 128, 2, {variant: b}], backbone.res_layers.1]
  - [-1, 6, PResNetStage, [bottleneck, 256, 2, {variant: b}], backbone.res_layers.2]
  - [-1, 3, PResNetStage, [bottleneck, 512, 2, {variant: b}], backbone.res_layers.3]
head:
  - [[3, 4, 5], 1, RTDETRDecoder, [nc, {variant: v1, dim: 16, queries: 10, heads: 2, layers: 1, ffn: 32}], decoder]
)";

}  // namespace

TEST_CASE("timm's ResNet-50-D and HGNetv2-B4 give the official backbones every tensor, exactly") {
  DetectionModel resnet = unset_model("rtdetr_r50vd.yaml");
  BackboneReport report = take(resnet, peer_file("keys_timm_resnet50d", timm_resnetd_layout()));
  CHECK(report.read_as == "timm's ResNet-D");
  CHECK(report.taken == compare_with_rule(resnet));
  CHECK(report.made == 0);
  CHECK(report.rescaled == 0);

  DetectionModel hgnet = unset_model("rtdetrv2_hgnetv2_l.yaml");
  report = take(hgnet, peer_file("keys_timm_hgnetv2_b4", timm_hgnetv2_layout()));
  CHECK(report.read_as == "timm's HGNetv2");
  CHECK(report.taken == compare_with_rule(hgnet));
  CHECK(describe(report, "b4.pth").find("not used, e.g. ") != std::string::npos);
}

TEST_CASE("torchvision's ResNet-50 is PResNet's variant b, and not the official models' variant d") {
  const TensorMap tensors = peer_file("keys_torchvision_resnet50", torchvision_resnet_layout());
  BuildOptions options;
  options.initial_weights = false;
  DetectionModel b = build_model(parse_model_spec(kVariantB, "b.yaml"), options);
  const BackboneReport report = take(b, tensors);
  CHECK(report.read_as == "torchvision's ResNet");
  CHECK(report.taken == compare_with_rule(b));
  DetectionModel d = unset_model("rtdetr_r50vd.yaml");
  CHECK_THROWS_WITH(take(d, tensors), Catch::Contains("missing") && Catch::Contains("backbone.conv1.conv1_2") &&
                                          Catch::Contains("variant b") && Catch::Contains("nothing was taken"));
}

TEST_CASE("DINO's backbone is torchvision's ResNet-50") {
  DetectionModel model = unset_model("dino_r50_4scale.yaml");
  const BackboneReport report = take(model, peer_file("keys_torchvision_resnet50", torchvision_to_body_layout()));
  CHECK(report.read_as == "torchvision's ResNet");
  CHECK(report.taken == 265);
  CHECK(report.taken == compare_with_rule(model));
}

TEST_CASE("a ResNet-18 without a projection in its first shortcut gets one that changes nothing") {
  DetectionModel model = unset_model("rtdetr_r18vd.yaml");
  const BackboneReport report = take(model, peer_file("keys_timm_resnet18d", timm_resnetd_layout()));
  CHECK(report.made == 5);
  for (const auto& [key, value] : named_state(*model)) {
    if (!key.starts_with("backbone.") || key.find("res_layers.0.blocks.0.short.") != std::string::npos) continue;
    INFO(key);
    CHECK(torch::equal(value.detach(), test::value_by_key(key, value.sizes().vec()).to(value.scalar_type())));
  }
  const auto module = model->named_modules()["backbone.res_layers.0.blocks.0.short"];
  REQUIRE(module != nullptr);
  std::map<std::string, torch::Tensor> shortcut;
  for (const auto& [key, value] : named_state(*module)) shortcut.emplace(key, value);
  const torch::Tensor x =
      test::images_by_key("images", {1, 3, 32, 32}).to(torch::kFloat32).repeat({1, 22, 1, 1}).slice(1, 0, 64);
  const torch::Tensor y = torch::batch_norm(torch::conv2d(x, shortcut.at("conv.weight")), shortcut.at("norm.weight"),
                                            shortcut.at("norm.bias"), shortcut.at("norm.running_mean"),
                                            shortcut.at("norm.running_var"), false, 0.1, 1e-5, false);
  CHECK((y - x).abs().max().item<double>() < 2e-7);
}

TEST_CASE("the official storage's files have no prefix and no counters, the detectors' backbones have them") {
  DetectionModel source = unset_model("rtdetr_r18vd.yaml");
  test::fill_by_rule(*source);
  TensorMap stored, whole;
  for (const auto& [key, value] : named_state(*source)) {
    whole.emplace(key, value.detach());
    if (key.starts_with("backbone.") && !key.ends_with("num_batches_tracked"))
      stored.emplace(key.substr(std::string("backbone.").size()), value.detach());
  }
  for (const TensorMap* tensors : {&stored, &whole}) {
    BuildOptions options;
    options.seed = 3;
    DetectionModel model = build_model(load_model_spec("rtdetr_r18vd.yaml"), options);
    const BackboneReport report = take(model, *tensors);
    CHECK(report.read_as == (tensors == &stored ? "the official storage's" : "a detector's with the same names"));
    CHECK(compare_with_rule(model) > 100);
    TensorMap begun;
    for (const auto& [key, value] : named_state(*model)) begun.emplace(key, value.detach());
    const std::string other = "decoder.enc_output.0.weight";
    CHECK_FALSE(torch::equal(begun.at(other), whole.at(other)));
  }
}

TEST_CASE("HGNetv2 in Ultralytics' graph is scaled for its eps, which leaves every norm's output") {
  DetectionModel model = unset_model("rtdetr-l.yaml");
  const BackboneReport report = take(model, peer_file("keys_timm_hgnetv2_b4", timm_hgnetv2_layout()));
  CHECK(report.read_as == "timm's HGNetv2-L");
  CHECK(report.rescaled == 80);
  const KeyLayout& graph = hgnetv2_to_ultralytics_layout(UltralyticsSize::kL);
  std::map<std::string, torch::Tensor> state;
  for (const auto& [key, value] : named_state(*model)) state.emplace(key, value.detach());
  int norms = 0;
  for (const auto& [key, value] : state) {
    const auto official = their_keys(graph, key);
    if (!official || official->empty() || !official->front().key.starts_with("backbone.")) continue;
    INFO(key);
    torch::Tensor expected = test::value_by_key(official->front().key, value.sizes().vec());
    if (key.ends_with("bn.weight")) {
      const std::string norm = key.substr(0, key.size() - std::string("weight").size());
      const torch::Tensor var = state.at(norm + "running_var").to(torch::kFloat64);
      const torch::Tensor slope = value.to(torch::kFloat64) / (var + 1e-3).sqrt();
      CHECK(torch::allclose(slope, expected / (var + 1e-5).sqrt(), 2e-7, 0));
      ++norms;
    } else {
      CHECK(torch::equal(value, expected.to(value.scalar_type())));
    }
  }
  CHECK(norms == 80);
}

TEST_CASE("a detector's backbone with the same names is scaled, too, if its eps is another") {
  const auto interop = test::kFixtures / "interop";
  const std::string eps = "norm_eps: 1.0e-5";
  std::string yaml = read_text_file(interop / "official_v1_basic.yaml");
  REQUIRE(yaml.find(eps) != std::string::npos);
  yaml.replace(yaml.find(eps), eps.size(), "norm_eps: 1.0e-3");
  BuildOptions options;
  options.initial_weights = false;
  DetectionModel model = build_model(parse_model_spec(yaml, "other.yaml"), options);
  const BackboneReport report = take_backbone_weights(*model, interop / "official_v1_basic.pth");
  CHECK(report.read_as == "a detector's with the same names");
  CHECK(report.file_eps == 1e-5);
  CHECK(report.rescaled > 5);
  CHECK_THAT(describe(report, "official.pth"), Catch::Contains("norms are scaled from eps"));
}

TEST_CASE("torchvision's ResNet-50 gives rtdetr-resnet50 initial values, and that is said") {
  DetectionModel model = unset_model("rtdetr-resnet50.yaml");
  const BackboneReport report =
      take(model, peer_file("keys_torchvision_resnet50", torchvision_to_ultralytics_layout()));
  CHECK_THAT(describe(report, "resnet50.pth"), Catch::Contains("initial values only") && Catch::Contains("SiLU"));
  for (const auto& [key, value] : named_state(*model)) {
    if (key != "model.2.layer.0.cv2.conv.weight") continue;
    CHECK(torch::equal(value.detach(), test::value_by_key(key, value.sizes().vec()).to(torch::kFloat32)));
  }
}

TEST_CASE("a backbone with learnt scales gives them to a model whose blocks have them") {
  DetectionModel model = unset_model("dfine-n.yaml");
  TensorMap tensors;
  for (const auto& [key, value] : named_state(*model)) {
    if (!key.starts_with("backbone.") || key.ends_with("num_batches_tracked")) continue;
    tensors.emplace(key.substr(std::string("backbone.").size()),
                    test::value_by_key(key, value.sizes().vec()).to(torch::kFloat32));
  }
  const BackboneReport report = take(model, tensors);
  CHECK(report.read_as == "the official storage's");
  int scales = 0;
  for (const auto& [key, value] : named_state(*model)) {
    if (key.find(".lab.") == std::string::npos) continue;
    INFO(key);
    CHECK(torch::equal(value.detach(), tensors.at(key.substr(std::string("backbone.").size()))));
    ++scales;
  }
  CHECK(scales > 0);
}

TEST_CASE("files that are no backbone of this model are refused, and nothing is taken") {
  BuildOptions options;
  options.seed = 3;
  DetectionModel model = build_model(load_model_spec("rtdetr_r18vd.yaml"), options);
  TensorMap before;
  for (const auto& [key, value] : named_state(*model)) before.emplace(key, value.detach().clone());
  const TensorMap scaled{{"stages.0.blocks.0.layers.0.lab.scale", torch::ones({1})}};
  CHECK_THROWS_WITH(take(model, scaled), Catch::Contains("hgnetv2_b0 to b3"));
  CHECK_THROWS_WITH(take(model, {{"lm_head.weight", torch::ones({1})}}),
                    Catch::Contains("lm_head.weight") && Catch::Contains("backbone.conv1"));
  CHECK_THROWS_WITH(take(model, {}), Catch::Contains("has nothing of this model's backbone"));
  const TensorMap deeper = peer_file("keys_timm_resnet50d", timm_resnetd_layout());
  CHECK_THROWS_WITH(take(model, deeper), Catch::Contains("of another shape"));

  const TemporaryFolder folder;
  DetectionModel tiny = test::tiny_model();
  save_model(folder / "ours.safetensors", tiny, {.names = {"a", "b", "c"}, .category_ids = {1, 2, 3}});
  CHECK_THROWS_WITH(take_backbone_weights(*model, folder / "ours.safetensors"), Catch::Contains("give it as weights="));
  for (const auto& [key, value] : named_state(*model)) CHECK(torch::equal(value, before.at(key)));
}

namespace {

constexpr const char* kPlainTransformer = R"(nc: 3
backbone:
  - [-1, 1, ViT, [8, 2, 2, {window: 3, global: [1], grid: 4, pretrained_grid: 2}], backbone.net]
  - [0, 1, PyramidLevel, [8, 1], backbone.simfp_4]
head:
  - [[1, 1, 1], 1, RTDETRDecoder, [nc, {variant: v1, dim: 16, queries: 4, heads: 2, layers: 1, ffn: 32}], decoder]
)";

/// A file as MAE writes it for the transformer of `model`: its entries without the backbone's prefix, and some more.
TensorMap mae_file(const DetectionModel& model) {
  const std::string net = "backbone.net.";
  TensorMap tensors;
  for (const auto& [key, value] : named_state(*model))
    if (key.starts_with(net) && key.find("rel_pos") == std::string::npos)
      tensors.emplace(key.substr(net.size()), test::value_by_key(key, value.sizes().vec()).to(torch::kFloat32));
  for (const char* name : {"cls_token", "norm.weight", "mask_token", "decoder_blocks.0.attn.qkv.bias"})
    tensors.emplace(name, torch::ones({8}));
  return tensors;
}

}  // namespace

TEST_CASE("MAE's encoder becomes a plain backbone, and what its file lacks stays as it began") {
  DetectionModel model = build_model(parse_model_spec(kPlainTransformer, "vit.yaml"));
  const std::string table = "backbone.net.blocks.1.attn.rel_pos_h", level = "backbone.simfp_4.0.weight";
  const torch::Tensor before = model->named_parameters()[level].detach().clone();
  const TensorMap file = mae_file(model);
  const BackboneReport report = take(model, file);
  CHECK(report.taken == static_cast<std::int64_t>(file.size()) - 4);
  CHECK(report.unused.size() == 4);
  CHECK(report.initial.size() == 4 + 6);
  for (const auto& [name, value] : file) {
    const auto* ours = model->named_parameters().find("backbone.net." + name);
    if (ours) CHECK(torch::equal(ours->detach(), value));
  }
  CHECK(torch::equal(model->named_parameters()[level].detach(), before));
  CHECK(model->named_parameters()[table].abs().max().item<double>() == 0);
  const std::string text = describe(report, "mae.pth");
  CHECK_THAT(text, Catch::Contains("plain vision transformer") && Catch::Contains("10 of the model") &&
                       Catch::Contains("CC BY-NC 4.0"));
}

TEST_CASE("a plain transformer with other patches, another table or other blocks is refused as a whole") {
  DetectionModel model = build_model(parse_model_spec(kPlainTransformer, "vit.yaml"));
  const torch::Tensor before = model->named_parameters()["backbone.net.pos_embed"].detach().clone();
  TensorMap file = mae_file(model);
  const auto with = [&](const std::string& name, const torch::Tensor& value) {
    TensorMap changed = file;
    changed[name] = value;
    return changed;
  };
  CHECK_THROWS_WITH(take(model, with("patch_embed.proj.weight", torch::ones({8, 3, 14, 14}))),
                    Catch::Contains("patch_embed.proj.weight") && Catch::Contains("patches of 14"));
  CHECK_THROWS_WITH(take(model, with("pos_embed", torch::ones({1, 10, 8}))), Catch::Contains("pretrained_grid"));
  CHECK_THROWS_WITH(take(model, with("blocks.0.ls1.gamma", torch::ones({8}))), Catch::Contains("blocks.0.ls1.gamma"));
  file.erase("blocks.1.norm2.weight");
  CHECK_THROWS_WITH(take(model, file), Catch::Contains("missing (1): backbone.net.blocks.1.norm2.weight"));
  CHECK(torch::equal(model->named_parameters()["backbone.net.pos_embed"].detach(), before));
}

}  // namespace rtdetr
