#include "models/deploy/hugging_face_files.h"

#include <torch/types.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/io/file.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "tests/models/tiny_model.h"
#include "tests/support/fill.h"
#include "tests/support/fixtures.h"

namespace rtdetr {

using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

const std::filesystem::path kFolder = test::kFixtures / "interop";

std::string yaml_of(const std::string& name) { return read_text_file(kFolder / (name + ".yaml")); }

DetectionModel built(const std::string& text) {
  BuildOptions options;
  options.initial_weights = false;
  return build_model(parse_model_spec(text, "model.yaml"), options);
}

std::string with(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

ModelInfo lettered(std::int64_t classes) {
  ModelInfo info;
  for (std::int64_t i = 0; i < classes; ++i)
    info.names.push_back("class " + (classes <= 26 ? std::string(1, static_cast<char>('a' + i)) : std::to_string(i)));
  return info;
}

std::string obstacles_of(const std::string& yaml) {
  std::string all;
  for (const std::string& obstacle : hugging_face_obstacles(built(yaml))) all += obstacle + "\n";
  return all;
}

/// A whole number and the same as a real one are alike.
bool alike(const json& a, const json& b) {
  return a.is_number() && b.is_number() ? a.get<double>() == b.get<double>() : a == b;
}

}  // namespace

TEST_CASE("a model beside a folder that transformers wrote gives its config and every tensor of its file") {
  for (const std::string name : {"hf_v1_basic", "hf_v2_bottleneck"}) {
    INFO(name);
    DetectionModel model = built(yaml_of(name));
    test::fill_by_rule(*model);
    CHECK(hugging_face_obstacles(model).empty());
    const HuggingFaceFiles files = hugging_face_files(model, lettered(model->num_classes()), name);
    // What they write and read without: versions, losses, initial values.
    const json theirs = json::parse(read_text_file(kFolder / name / "config.json")), ours = json::parse(files.config);
    for (const auto& [key, value] : ours.items()) {
      INFO(key << ": " << value << " and " << theirs[key]);
      if (key == "num_denoising") continue;  // the YAML beside the folder does not say it
      CHECK(alike(value, theirs[key]));
    }
    const json preprocessing = json::parse(read_text_file(kFolder / name / "preprocessor_config.json"));
    const json our_preprocessing = json::parse(files.preprocessor);
    for (const auto& [key, value] : our_preprocessing.items()) {
      INFO(key);
      CHECK(alike(value, preprocessing[key]));
    }
    const TensorFile written = load_tensors(kFolder / name / "model.safetensors");
    CHECK(files.tensors.size() == written.tensors.size());
    for (const auto& [key, tensor] : written.tensors) {
      INFO(key);
      REQUIRE(files.tensors.contains(key));
      CHECK(files.tensors.at(key).equal(tensor));
    }
  }
}

TEST_CASE("the tensors of a folder come back as they went out, those of every published model too") {
  for (const std::string model_name : {"rtdetr_r18vd", "rtdetrv2_r50vd", "rtdetr_r101vd", "rtdetrv2_r18vd_dsp"}) {
    INFO(model_name);
    BuildOptions options;
    options.initial_weights = false;
    DetectionModel model = build_model(load_model_spec(model_name), options);
    CHECK(hugging_face_obstacles(model).empty());
    test::fill_by_rule(*model);
    const HuggingFaceFiles files = hugging_face_files(model, lettered(model->num_classes()), model_name);
    const TensorMap back = tensors_of_hugging_face(model, files.tensors, model_name);
    for (const auto& [key, tensor] : named_state(*model)) {
      INFO(key);
      REQUIRE(back.contains(key));
      CHECK(back.at(key).equal(tensor));
    }
    CHECK(json::parse(files.config).value("decoder_method", "default") ==
          (model_name.ends_with("_dsp") ? "discrete" : "default"));
  }
}

TEST_CASE("the number type of a folder is in its config and its tensors") {
  DetectionModel model = built(yaml_of("hf_v1_basic"));
  test::fill_by_rule(*model);
  ModelInfo info = lettered(3);
  info.number_type = Precision::kFloat16;
  const HuggingFaceFiles files = hugging_face_files(model, info, "model");
  CHECK(json::parse(files.config)["torch_dtype"] == "float16");
  CHECK(files.tensors.at("model.enc_score_head.weight").scalar_type() == torch::kFloat16);
}

TEST_CASE("what no config of Hugging Face says is refused by the row or option that says it here") {
  const std::string v1 = yaml_of("hf_v1_basic"), v2 = yaml_of("hf_v2_bottleneck");
  const std::string fusion = "- [-1, 3, CSPRepLayer, [16, 0.5], encoder.fpn_blocks.1]";
  CHECK_THAT(obstacles_of(with(v1, fusion, "- [-1, 2, CSPRepLayer, [16, 0.5], encoder.fpn_blocks.1]")),
             Contains("row 19 is ") && Contains("CSPRepLayer"));
  CHECK_THAT(obstacles_of(with(v1, "TransformerEncoder, [32, 4]", "TransformerEncoder, [32, 4, {act: relu}]")),
             Contains("row 11 is "));
  CHECK_THAT(obstacles_of(with(v1, "basic, 12, 2", "basic, 8, 2")), Contains("shortcuts are pooled elsewhere"));
  CHECK_THAT(obstacles_of(with(v1, "norm_eps: 1.0e-5", "norm_eps: 1.0e-3")), Contains("norm_eps is 0.001"));
  CHECK_THAT(obstacles_of(with(v1, "points: 2", "points: [2, 2, 4]")), Contains("other numbers of points"));
  CHECK_THAT(obstacles_of(with(v1, "layers: 2", "layers: 2, two_stage: false")), Contains("two_stage: false"));
  CHECK_THAT(obstacles_of(with(v1, "layers: 2", "layers: 2, eval_idx: 0")), Contains("decoder_layers=1 exports"));
  CHECK_THAT(obstacles_of(with(v2, "layers: 2", "layers: 1")), Contains("one decoder layer"));
  CHECK_THAT(obstacles_of(with(v2, "layers: 2", "layers: 2, anchors: fixed")), Contains("anchors: fixed"));
  CHECK_THAT(obstacles_of(with(v2, "layers: 2", "layers: 2, select: one2many")), Contains("one2many"));
  CHECK_THAT(obstacles_of(with(v2, "layers: 2", "layers: 2, mlp_act: silu")), Contains("mlp_act is not relu"));
  CHECK_THAT(obstacles_of(with(v2, "variant: v2", "variant: dfine")), Contains("RT-DETR v1 and v2 alone are written"));
  CHECK(obstacles_of(with(v2, "layers: 2", "layers: 2, sampling: discrete, padding: zero")).empty());
  CHECK_THAT(obstacles_of(yaml_of("ultralytics_rtdetr-tiny_stripped")),
             Contains("the only ones that transformers has"));
  CHECK_THAT(obstacles_of(read_text_file(std::string(RTDETR_SOURCE_DIR) + "/configs/models/rtdetrv2_hgnetv2_l.yaml")),
             Contains("its graph has") && Contains("official-pth may hold it"));
  DetectionModel fused = built(v1);
  fused->eval();
  fused->fuse();
  CHECK_THAT(hugging_face_obstacles(fused).front(), Contains("it is fused"));
}

}  // namespace rtdetr
