#include "models/weights/architecture.h"

#include <torch/types.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/yaml.h"
#include "core/weights/hugging_face.h"
#include "models/graph/model.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "models/weights/class_names.h"
#include "models/weights/foreign_family.h"
#include "models/weights/norm_eps.h"
#include "models/weights/official_architecture.h"
#include "models/weights/zoo.h"
#include "tests/support/fixtures.h"
#include "tests/support/home_folder.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {

using Catch::Contains;
using test::TemporaryFolder;

namespace {

const std::filesystem::path kMiniatures = test::kFixtures / "interop";

/// Names and shapes alone, as recognition needs no values.
class NamedShapes : public WeightsFile {
 public:
  explicit NamedShapes(const ShapeMap& shapes, FileMetadata texts = {}) {
    std::vector<WeightTensor> tensors;
    for (const auto& [name, shape] : shapes) tensors.push_back({name, TensorType::kF32, shape, 0});
    hold(std::move(tensors));
    add_metadata(std::move(texts));
  }
  const char* format() const override { return "a test's"; }
  void read(const WeightTensor& tensor, std::span<std::byte>) const override { FAIL(tensor.name); }
};

ShapeMap shapes_of_model(const std::string& model) {
  BuildOptions options;
  options.shapes_only = true;
  ShapeMap shapes;
  for (const auto& [key, tensor] : named_state(*build_model(load_model_spec(model), options)))
    shapes.emplace(key, tensor.sizes().vec());
  return shapes;
}

Architecture recognised(const ShapeMap& shapes, const std::string& called = "weights.pth") {
  return recognise_architecture(NamedShapes(shapes), called);
}

ShapeMap shapes_of_list(const std::filesystem::path& file, const char* list) {
  std::ifstream stream(file);
  const nlohmann::json document = nlohmann::json::parse(stream);
  ShapeMap shapes;
  for (const auto& key : document.at(list))
    shapes.emplace(key.at(0).get<std::string>(), key.at(1).get<std::vector<std::int64_t>>());
  return shapes;
}
ShapeMap shapes_in(const std::string& fixture) { return shapes_of_list(kMiniatures / fixture, "keys"); }

ShapeMap with_prefix(const std::string& prefix, const ShapeMap& shapes) {
  ShapeMap longer;
  for (const auto& [key, shape] : shapes) longer.emplace(prefix + key, shape);
  return longer;
}

/// A list of rows, or one of their arguments, as the texts that a pickled model's YAML leaves.
void add_texts(FileMetadata& texts, const std::string& path, const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kScalar) texts.emplace(path, node.scalar);
  for (std::size_t i = 0; i < node.items.size(); ++i) add_texts(texts, path + "." + std::to_string(i), node.items[i]);
}

std::string assumed_by(const Architecture& architecture) {
  std::string text;
  for (const std::string& line : architecture.assumed) text += line + "\n";
  return text;
}

std::string plan_beside(const std::string& fixture, const std::vector<std::string>& ignored = {}) {
  return plan_text(load_model_spec(kMiniatures / (fixture + ".yaml")), ignored);
}

Architecture recognised_file(const std::filesystem::path& path) {
  const std::filesystem::path weights = weights_file_at(path);
  return recognise_architecture(*open_weights(weights), weights);
}

}  // namespace

TEST_CASE("every model that comes along is recognised by the names and shapes of its own weights") {
  const std::vector<std::string> names = {"rtdetr_r18vd",
                                          "rtdetr_r34vd",
                                          "rtdetr_r50vd_m",
                                          "rtdetr_r50vd",
                                          "rtdetr_r101vd",
                                          "rtdetrv2_r18vd",
                                          "rtdetrv2_r18vd_sp1",
                                          "rtdetrv2_r18vd_sp2",
                                          "rtdetrv2_r18vd_sp3",
                                          "rtdetrv2_r34vd",
                                          "rtdetrv2_r50vd_m",
                                          "rtdetrv2_r50vd",
                                          "rtdetrv2_r101vd",
                                          "rtdetrv2_hgnetv2_l",
                                          "rtdetrv2_hgnetv2_x",
                                          "rtdetrv2_hgnetv2_h",
                                          "rtdetr-l",
                                          "rtdetr-x",
                                          "rtdetr-resnet50",
                                          "rtdetr-resnet101",
                                          "dfine-n",
                                          "dfine-s",
                                          "dfine-m",
                                          "dfine-l",
                                          "dfine-x",
                                          "deimv2-n"};
  for (const std::string& name : names) {
    INFO(name);
    const Architecture found = recognised(shapes_of_model(name));
    CHECK(found.spec.name == name);
    CHECK(found.spec.text == load_model_spec(name).text);
    CHECK_THAT(found.sentence, Contains("80 classes") && Contains(name + ".yaml"));
    CHECK(found.names == coco_names());
    CHECK_THAT(assumed_by(found), Contains("300 queries"));
  }
}

TEST_CASE("weights of DEIM on D-FINE are told from D-FINE's by what a file says beside them, and that is said") {
  struct Case {
    std::string model, path, expected, why;
  };
  const std::vector<Case> cases = {
      {"dfine-n", "weights.pth", "dfine-n", "D-FINE's activations, for nothing in the file or its name tells"},
      {"dfine-s", "dfine_s_obj2coco.pth", "dfine-s", "D-FINE's activations, as the file's name says"},
      {"dfine-s", "deim_dfine_hgnetv2_s_coco_120e.pth", "deim-s", "DEIM's activations, as the file's name says"},
      {"dfine-m", "runs/DEIM_hgnetv2_m_coco/best_stg2.pth", "deim-m", "DEIM's activations, as the folder's name says"},
      {"dfine-m", "DEIM/dfine_m_coco.pth", "dfine-m", "as the file's name says"},
      {"dfine-l", "weights.pth", "dfine-l", "the norms of its backbone are frozen"},
      {"deim-l", "weights.pth", "deim-l", "the norms of its backbone are trained"},
      {"deim-x", "deim_dfine_hgnetv2_x_coco_50e.pth", "deim-x", "as the file's name says"},
      {"deim-x", "dfine_with_trained_norms.pth", "dfine-x", "as the file's name says"}};
  for (const Case& one : cases) {
    INFO(one.model << " as " << one.path);
    const Architecture found = recognised(shapes_of_model(one.model), one.path);
    CHECK(found.spec.text == load_model_spec(one.expected).text);
    CHECK_THAT(found.sentence, Contains(one.expected + ".yaml"));
    const std::string twin =
        (one.expected.starts_with("deim") ? "dfine" : "deim") + one.expected.substr(one.expected.find('-'));
    CHECK_THAT(assumed_by(found), Contains(one.why) && Contains("(model=" + twin + ")"));
  }
}

TEST_CASE("a training state tells D-FINE's program from DEIM's, whose schedule has no state") {
  const ShapeMap shapes = shapes_of_model("dfine-s");
  const auto trained = [&](const FileMetadata& beside, const std::string& path) {
    NamedShapes file(shapes);
    file.add_metadata(beside);
    return recognise_architecture(file, path);
  };
  const FileMetadata deim = {{"optimizer.param_groups.0.lr", "0.0004"}, {"last_epoch", "131"}};
  FileMetadata dfine = deim;
  dfine.emplace("lr_scheduler.last_epoch", "131");
  CHECK(trained(deim, "best_stg2.pth").spec.name == "deim-s");
  CHECK_THAT(assumed_by(trained(deim, "best_stg2.pth")), Contains("which trains D-FINE, too"));
  CHECK(trained(deim, "dfine_hgnetv2_s_coco/last.pth").spec.name == "deim-s");
  CHECK(trained(dfine, "deim.pth").spec.name == "dfine-s");
  CHECK_THAT(assumed_by(trained(dfine, "deim.pth")), Contains("D-FINE's program"));
}

TEST_CASE("activations of a given model that are not those which a file's name says are pointed out") {
  const auto assumed_of = [](const std::string& weights, const std::string& given) {
    return assumed_by(recognise_architecture(NamedShapes(shapes_of_model("dfine-n")), weights, load_model_spec(given)));
  };
  CHECK_THAT(assumed_of("deim_dfine_hgnetv2_n_coco_160e.pth", "dfine-n"),
             Contains("they look like DEIM's") && Contains("act: silu, and the model's has act: relu"));
  CHECK_THAT(assumed_of("dfine_n_coco.pth", "deim-n"), Contains("they look like D-FINE's"));
  CHECK_THAT(assumed_of("deim_dfine_hgnetv2_n_coco_160e.pth", "deim-n"), !Contains("look like"));
  CHECK_THAT(assumed_of("weights.pth", "deim-n"), !Contains("look like"));
}

TEST_CASE("DEIM on RT-DETRv2 is refused by its perceptron of positions") {
  ShapeMap shapes = shapes_of_model("rtdetrv2_r18vd");
  shapes["decoder.query_pos_head.layers.0.weight"] = {256, 4};
  shapes["decoder.query_pos_head.layers.1.weight"] = shapes["decoder.query_pos_head.layers.2.weight"] = {256, 256};
  CHECK_THROWS_WITH(recognised(shapes), Contains("DEIM on RT-DETRv2"));
}

TEST_CASE("DEIMv2's small sizes are told by their width, and have as many queries as their files say") {
  const std::map<std::string, std::string> queries{
      {"deimv2-atto", "100 queries"}, {"deimv2-femto", "150 queries"}, {"deimv2-pico", "200 queries"}};
  for (const auto& [name, assumed] : queries) {
    INFO(name);
    ShapeMap shapes = shapes_of_model(name);
    const Architecture found = recognised(shapes);
    CHECK(found.spec.text == load_model_spec(name).text);
    CHECK_THAT(found.sentence, Contains("DEIMv2") && Contains(name + ".yaml"));
    CHECK_THAT(assumed_by(found), Contains(assumed) && !Contains("act: silu"));
    shapes.erase("backbone.stages.0.blocks.0.aggregation.0.conv.weight");
    CHECK_THROWS_WITH(recognised(shapes), Contains("vision transformers"));
  }
}

TEST_CASE("a file of the working folder is no model that comes along, whatever its name") {
  const ShapeMap shapes = shapes_of_model("rtdetr_r18vd");
  const std::string text = load_model_spec("rtdetr_r18vd").text;
  const TemporaryFolder folder;
  std::ofstream(folder / "rtdetr_r18vd.yaml") << "nc: 3\n";
  const test::WorkingFolder inside(folder.path());
  CHECK(recognised(shapes).spec.text == text);
}

TEST_CASE("weights that do not show how they are sampled are taken for the usual model, and that is said") {
  for (const std::string name : {"rtdetrv2_r18vd", "rtdetrv2_r50vd"}) {
    const Architecture found = recognised(shapes_of_model(name + "_dsp"));
    CHECK(found.spec.name == name);
    CHECK_THAT(assumed_by(found), Contains("model=" + name + "_dsp"));
  }
  CHECK_THAT(assumed_by(recognised(shapes_of_model("rtdetr_r50vd_m"))), Contains("the third of its decoder layers"));
  CHECK(recognised(shapes_of_model("rtdetr_r50vd_m")).spec.text.find("eval_idx: 2") != std::string::npos);
}

TEST_CASE("another number of classes is written into the model") {
  ShapeMap shapes = shapes_of_model("rtdetrv2_r18vd");
  for (auto& [key, shape] : shapes) {
    if (key.find("score_head") != std::string::npos) shape[0] = 3;
    if (key.find("denoising_class_embed") != std::string::npos) shape[0] = 4;
  }
  const Architecture found = recognised(shapes);
  CHECK(found.spec.name == "rtdetrv2_r18vd");
  CHECK(found.spec.num_classes == 3);
  CHECK(found.names.empty());
  CHECK_THAT(assumed_by(found), Contains("no names of the classes"));
}

TEST_CASE("weights of a model of the family that does not come along have a YAML of their own") {
  const auto differs = [](const std::string& fixture, const std::string& file, std::vector<std::string> unknown) {
    INFO(fixture);
    const Architecture found = recognised_file(kMiniatures / file);
    CHECK(plan_text(found.spec, unknown) == plan_beside(fixture, unknown));
    return assumed_by(found);
  };
  const std::vector<std::string> v1 = {"nq", "nh", "ndp", "heads"};  // an official file of v1 does not show these
  for (const std::string name : {"official_v1_basic", "official_v1_basic_legacy"})
    CHECK_THAT(differs(name, name + ".pth", v1), Contains("8 attention heads") && Contains("300 queries"));
  CHECK_THAT(differs("official_v2_bottleneck", "official_v2_bottleneck.pth", {"nq", "heads"}),
             Contains("8 attention heads in its encoder"));
  for (const std::string name : {"hf_v1_basic", "hf_v2_bottleneck", "hf_v1_basic_transformers5"})
    CHECK_THAT(differs(name, name, {}), !Contains("queries"));
  for (const std::string name : {"ultralytics_rtdetr-tiny_stripped", "ultralytics_rtdetr-tiny_fused"})
    CHECK_THAT(differs(name, name + ".pt", {}), !Contains("queries"));
}

TEST_CASE("what stands beside the weights of an official model makes its YAML complete") {
  const std::filesystem::path path = kMiniatures / "official_v1_basic.pth";
  const auto file = open_weights(path);
  OfficialHints hints;
  hints.queries = 20;
  hints.decoder_heads = hints.encoder_heads = 4;
  const ForeignPlace place = locate_model(*file, path);
  CHECK(place.prefix == "ema.module.");
  const auto found = official_architecture(shapes_of(reading_at(*file, place, path), path), hints, path);
  CHECK(plan_text(found.spec) == plan_beside("official_v1_basic"));
}

TEST_CASE("models of Hugging Face are recognised by their names for the same tensors") {
  const std::map<std::string, std::string> models = {
      {"keys_hf_v1_r18vd.json", "rtdetr_r18vd"},   {"keys_hf_v1_r50vd.json", "rtdetr_r50vd"},
      {"keys_hf_v1_r101vd.json", "rtdetr_r101vd"}, {"keys_hf_v2_r18vd.json", "rtdetrv2_r18vd"},
      {"keys_hf_v2_r50vd.json", "rtdetrv2_r50vd"}, {"keys_hf_dfine_n.json", "dfine-n"},
      {"keys_hf_dfine_x.json", "dfine-x"}};
  for (const auto& [fixture, name] : models) {
    INFO(fixture);
    const Architecture found = recognised(shapes_in(fixture), "nowhere/model.safetensors");
    CHECK(found.spec.name == name);
    CHECK_THAT(found.sentence, Contains("Hugging Face"));
    CHECK_THAT(assumed_by(found), Contains("config.json"));
  }
}

TEST_CASE("a model of Hugging Face runs every decoder layer, however like one of the zoo it is") {
  ShapeMap shapes = shapes_in("keys_hf_v1_r50vd.json");  // with the thin neck of rtdetr_r50vd_m
  for (auto& [key, shape] : shapes)
    if (key.find("_blocks.") != std::string::npos) std::replace(shape.begin(), shape.end(), 256, 128);
  for (const std::string block : {"fpn_blocks.0", "fpn_blocks.1", "pan_blocks.0", "pan_blocks.1"}) {
    const std::string last = "model.encoder." + block + ".conv3.";
    shapes[last + "conv.weight"] = {256, 128, 1, 1};
    for (const char* part : {"weight", "bias", "running_mean", "running_var"}) shapes[last + "norm." + part] = {256};
  }
  const Architecture found = recognised(shapes, "nowhere/model.safetensors");
  CHECK(found.spec.name == "rtdetr_r50vd_like");
  CHECK_THAT(found.spec.text, !Contains("eval_idx"));
  CHECK_THAT(assumed_by(found), !Contains("the third of its decoder layers"));
  const std::vector<std::string> others = {"norm", "freeze", "eval_idx"};
  CHECK(plan_text(found.spec, others) == plan_text(load_model_spec("rtdetr_r50vd_m"), others));
}

TEST_CASE("names, input size and resampling come from beside the weights") {
  const Architecture hugging_face = recognised_file(kMiniatures / "hf_v2_bottleneck");
  CHECK(hugging_face.names == std::vector<std::string>{"class a", "class b", "class c", "class d"});
  CHECK(hugging_face.size == ImageSize{640, 640});
  CHECK(hugging_face.pictures.resampling == Resampling::kPillowBilinear);
  const Architecture ultralytics = recognised_file(kMiniatures / "ultralytics_rtdetr-tiny_stripped.pt");
  CHECK(ultralytics.names == std::vector<std::string>{"class a", "class b", "class c"});
  CHECK(ultralytics.pictures.resampling == Resampling::kOpencvLinear);
  CHECK_FALSE(ultralytics.fused);
  CHECK(recognised_file(kMiniatures / "ultralytics_rtdetr-tiny_fused.pt").fused);
}

TEST_CASE("labels that Hugging Face writes for want of names are none") {
  const TemporaryFolder folder;
  for (const char* name : {"config.json", "model.safetensors"})
    std::filesystem::copy_file(kMiniatures / "hf_v2_bottleneck" / name, folder / name);
  std::ifstream stream(folder / "config.json");
  nlohmann::json document = nlohmann::json::parse(stream);
  for (int i = 0; i < 4; ++i) document["id2label"][std::to_string(i)] = "LABEL_" + std::to_string(i);
  std::ofstream(folder / "config.json") << document;
  CHECK(recognised_file(folder.path()).names.empty());
}

TEST_CASE("a config of Hugging Face that no YAML can express is refused by the field's name") {
  const auto refuses = [](const std::string& file, const std::string& field, const nlohmann::json& value) {
    const TemporaryFolder folder;
    for (const char* name : {"config.json", "preprocessor_config.json", "model.safetensors"})
      std::filesystem::copy_file(kMiniatures / "hf_v2_bottleneck" / name, folder / name);
    std::ifstream stream(folder / file);
    nlohmann::json document = nlohmann::json::parse(stream);
    nlohmann::json* at = &document;
    for (const std::string& part : split(field, '.')) at = &(*at)[part];
    *at = value;
    std::ofstream(folder / file) << document;
    INFO(field);
    CHECK_THROWS_WITH(recognised_file(folder.path()), Contains(file) && Contains(field + " = "));
    CHECK_THROWS_AS(recognised_file(folder.path()), CheckpointError);
  };
  refuses("config.json", "eval_size", {640, 640});
  refuses("config.json", "anchor_image_size", {640, 640});
  refuses("config.json", "positional_encoding_temperature", 20000);
  refuses("config.json", "encode_proj_layers", {1, 2});
  refuses("config.json", "decoder_offset_scale", 0.25);
  refuses("config.json", "decoder_method", "nearest");
  refuses("config.json", "num_queries", -1);
  refuses("config.json", "num_queries", "many");
  refuses("config.json", "model_type", "d_fine");
  refuses("config.json", "id2label", {{"1", "cat"}});
  refuses("config.json", "id2label", {"cat", "dog"});
  refuses("config.json", "batch_norm_eps", 1e-3);
  refuses("config.json", "num_feature_levels", 4);
  refuses("config.json", "feat_strides", {4, 8, 16});
  refuses("config.json", "layer_norm_eps", 1e-6);
  refuses("config.json", "normalize_before", true);
  refuses("config.json", "with_box_refine", false);
  for (const std::string name : {"activation_function", "encoder_activation_function", "decoder_activation_function",
                                 "backbone_config.hidden_act"})
    refuses("config.json", name, "tanh");
  refuses("config.json", "decoder_n_levels", 4);
  refuses("config.json", "backbone_config.num_channels", 1);
  refuses("config.json", "backbone_config.downsample_in_bottleneck", true);
  refuses("config.json", "backbone_config.downsample_in_first_stage", true);
  refuses("preprocessor_config.json", "do_normalize", true);
  refuses("preprocessor_config.json", "do_resize", false);
  refuses("preprocessor_config.json", "do_rescale", false);
  refuses("preprocessor_config.json", "do_pad", true);
  refuses("preprocessor_config.json", "rescale_factor", 1.0);
  refuses("preprocessor_config.json", "resample", 3);
  refuses("preprocessor_config.json", "size", {{"shortest_edge", 800}});
}

TEST_CASE("a config of D-FINE that no YAML can express, or that is another model's, is refused by the field's name") {
  const nlohmann::json published = {{"model_type", "d_fine"},
                                    {"feat_strides", {16, 32}},
                                    {"num_feature_levels", 2},
                                    {"encode_proj_layers", nlohmann::json::array({1})},
                                    {"num_queries", 300},
                                    {"encoder_attention_heads", 8},
                                    {"decoder_attention_heads", 8},
                                    {"decoder_method", "default"},
                                    {"backbone_config", {{"model_type", "hgnet_v2"}, {"out_indices", {3, 4}}}}};
  const TemporaryFolder folder;
  const NamedShapes weights(shapes_in("keys_hf_dfine_n.json"));
  const auto with = [&](const std::string& field, const nlohmann::json& value) {
    nlohmann::json document = published;
    nlohmann::json* at = &document;
    for (const std::string& part : split(field, '.')) at = &(*at)[part];
    *at = value;
    std::ofstream(folder / "config.json") << document;
    return recognise_architecture(weights, folder / "model.safetensors");
  };
  const Architecture found = with("num_queries", 200);
  CHECK(found.spec.name == "dfine-n");
  CHECK_THAT(found.sentence, Contains("Hugging Face D-FINE with PP-HGNetV2-B0, 3 decoder layers, 80 classes"));
  CHECK_THAT(assumed_by(found), !Contains("queries") && !Contains("activations"));
  const std::vector<std::pair<std::string, nlohmann::json>> refused = {
      {"model_type", "rt_detr_v2"},
      {"feat_strides", {8, 16, 32}},
      {"feat_strides", {4, 8}},
      {"encode_proj_layers", {0, 1}},
      {"num_feature_levels", 3},
      {"eval_idx", 1},
      {"layer_scale", 2},
      {"top_prob_values", 3},
      {"lqe_layers", 3},
      {"decoder_activation_function", "silu"},
      {"backbone_config.model_type", "resnet"},
      {"backbone_config.out_indices", {2, 3}},
      {"backbone_config.stem_strides", {2, 2, 1, 2, 1}},
      {"backbone_config.stage_downsample", {true, true, true, true}},
      {"backbone_config.hidden_act", "gelu"}};
  for (const auto& [field, value] : refused) {
    INFO(field);
    CHECK_THROWS_WITH(with(field, value), Contains("config.json: ") && Contains(" = "));
    CHECK_THROWS_AS(with(field, value), CheckpointError);
  }
  CHECK_THROWS_WITH(with("decoder_attention_heads", 4),
                    Contains("decoder_attention_heads is 4, and the model has 8") && Contains("model=YAML"));
  CHECK_THROWS_WITH(with("decoder_method", "discrete"), Contains("decoder_method is discrete"));
}

TEST_CASE("YOLOv8's detectors are recognised by names and shapes, with their scale") {
  for (const std::string letter : {"n", "s", "m", "l", "x"}) {
    const std::string name = "yolov8" + letter;
    INFO(name);
    const Architecture found = recognised(with_prefix("model.", shapes_of_model(name)));
    CHECK(found.spec.name == name);
    CHECK(found.spec.scale == letter);
    CHECK(found.sentence == "YOLOv8 of Ultralytics, scale " + letter + ", 80 classes: " + name + ".yaml");
    CHECK(found.pictures.resampling == Resampling::kOpencvLinear);
    CHECK(found.names == coco_names());
    CHECK(found.pictures.fit == Fit::kLetterbox);
    CHECK_THAT(assumed_by(found), !Contains("queries"));
  }
  const Architecture reference =
      recognised(shapes_of_list(test::kFixtures / "yolov8_state_dict_m.json", "state_dict"), "m.pt");
  CHECK(reference.spec.name == "yolov8m");
  ShapeMap few = shapes_of_model("yolov8n");
  for (auto& [key, shape] : few)
    if (key == "model.22.cv3.0.2.weight") shape.front() = 7;
  CHECK(recognised(few).spec.num_classes == 7);
}

TEST_CASE("a pickled YOLOv8 is recognised by its YAML, with scales or, as of 2023, with multiples") {
  const YamlNode yaml = parse_yaml(load_model_spec("yolov8s").text, "yolov8.yaml").root;
  FileMetadata texts;
  for (const char* part : {"backbone", "head"}) add_texts(texts, std::string("model.yaml.") + part, *yaml.find(part));
  texts.insert({{"model.yaml.yaml_file", "yolov8s.yaml"}, {"model.names.0", "bolt"}, {"model.names.1", "nut"}});
  FileMetadata scales = texts;
  add_texts(scales, "model.yaml.scales.n", *yaml.find("scales")->find("n"));
  add_texts(scales, "model.yaml.scales.s", *yaml.find("scales")->find("s"));
  scales.emplace("model.yaml.scale", "s");
  texts.insert({{"model.yaml.depth_multiple", "0.33"}, {"model.yaml.width_multiple", "0.5"}});
  const ShapeMap scores = {{"model.model.22.cv3.0.2.weight", {2, 128, 1, 1}}, {"model.model.22.dfl.conv.weight", {1}}};
  for (const FileMetadata& said : {texts, scales}) {
    const Architecture found = recognise_architecture(NamedShapes(scores, said), "yolov8s.pt");
    CHECK(found.spec.name == "yolov8s");
    CHECK(found.spec.scale == "s");
    CHECK(found.spec.num_classes == 2);
    CHECK(found.spec.batch_norm_eps == kUltralyticsNormEps);
    CHECK(found.names == std::vector<std::string>{"bolt", "nut"});
  }
}

TEST_CASE("other YOLOs of Ultralytics are refused by what they are") {
  const auto refuses = [](const std::string& key, const std::string& says, const std::string& gone = "") {
    ShapeMap shapes = shapes_of_model("yolov8n");
    shapes[key] = {24, 3, 3, 3};
    std::erase_if(shapes,
                  [&](const auto& item) { return !gone.empty() && item.first.find(gone) != std::string::npos; });
    CHECK_THROWS_WITH(recognised(shapes), Contains("weights.pth") && Contains(says));
    CHECK_THROWS_AS(recognised(shapes), CheckpointError);
  };
  refuses("model.22.cv4.0.0.conv.weight", "masks, key points");
  refuses("model.22.cv3.0.0.0.conv.weight", "YOLO11");
  refuses("model.22.one2one_cv2.0.0.conv.weight", "without suppression");
  refuses("model.22.cv2.0.0.conv.weight", "no distributions", ".dfl.");
  refuses("model.0.conv.weight", "other than yolov8n to yolov8x");
}

TEST_CASE("DINO's own names are recognised, and its 91 outputs are COCO's category ids") {
  const ShapeMap reference = shapes_of_list(test::kFixtures / "dino_state_dict_r50_4scale.json", "state_dict");
  const Architecture found = recognised(with_prefix("model.", reference), "checkpoint0011_4scale.pth");
  CHECK(found.spec.name == "dino_r50_4scale");
  CHECK(found.spec.num_classes == 91);
  CHECK(found.sentence == "DINO-4scale with ResNet-50, 6 decoder layers, 91 classes: dino_r50_4scale.yaml");
  CHECK(found.size == ImageSize{800, 1333});
  CHECK(found.pictures.fit == Fit::kKeepRatio);
  REQUIRE(found.names.size() == 91);
  CHECK(found.names.at(1) == "person");
  CHECK(found.names.at(12) == "unused 12");
  CHECK(found.names.at(90) == "toothbrush");
  CHECK_THAT(assumed_by(found), Contains("category ids for its 91 outputs") && Contains("shorter side of 800"));
  ShapeMap few = reference;
  few["transformer.enc_out_class_embed.weight"] = {3, 256};
  CHECK_THAT(assumed_by(recognised(few)), Contains("no names of the classes"));
  const auto refuses = [&](const std::string& key, bool more, const std::string& says) {
    ShapeMap shapes = reference;
    if (more)
      shapes[key] = {1};
    else
      shapes.erase(key);
    CHECK_THROWS_WITH(recognised(shapes), Contains("weights of a DINO, but " + says));
    CHECK_THROWS_AS(recognised(shapes), CheckpointError);
  };
  refuses("transformer.tgt_embed.weight", false, "its transformer");
  refuses("input_proj.4.0.weight", true, "it works on another number of maps");
  refuses("backbone.0.body.layer3.5.conv3.weight", false, "its backbone is not ResNet-50");
  refuses("backbone.0.body.layer3.6.conv3.weight", true, "its backbone is not ResNet-50");
  refuses("transformer.encoder.layers.5.linear1.weight", false, "its encoder or its decoder");
  refuses("transformer.decoder.layers.6.linear1.weight", true, "its encoder or its decoder");
}

TEST_CASE("a file or folder without weights of a model of ours is refused by what it is") {
  const auto refuses = [](const ShapeMap& shapes, const std::string& says) {
    CHECK_THROWS_WITH(recognised(shapes), Contains("weights.pth") && Contains(says));
    CHECK_THROWS_AS(recognised(shapes), CheckpointError);
  };
  ShapeMap dfine = shapes_of_model("rtdetrv2_r18vd");
  dfine.emplace("decoder.pre_bbox_head.layers.0.weight", std::vector<std::int64_t>{4, 4});
  refuses(dfine, "D-FINE");
  refuses({{"model.0.conv.weight", {16, 3, 3, 3}}, {"model.22.dfl.conv.weight", {1, 16, 1, 1}}}, "YOLO");
  refuses({{"transformer.encoder.layers.0.linear1.weight", {2048, 256}}, {"query_embed.weight", {100, 256}}}, "DETR");
  refuses({{"conv1.conv1_1.conv.weight", {32, 3, 3, 3}}}, "backbone_weights=");
  refuses({{"layer1.0.conv1.weight", {64, 64, 1, 1}}, {"fc.weight", {1000, 2048}}}, "backbone_weights=");
  refuses({{"embeddings.weight", {30000, 768}}}, "'embeddings.weight'");
  refuses({}, "no RT-DETR");
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(weights_file_at(folder.path()), Contains("without model.safetensors"));
  std::ofstream(folder / "model.safetensors.index.json") << "{}";
  CHECK_THROWS_WITH(recognised_file(folder.path()), Contains("weight_map"));
}

TEST_CASE("names in a file may be as long as they like") {
  const std::string end = ".enc_score_head.weight", many(300'000, 'a');
  const auto alone = [&](const std::string& before) {
    ShapeMap shapes;
    shapes[before + end] = {3, 16};
    return shapes;
  };
  const std::vector<std::string> others = {many, many + ".model.7x", "model.12345", many + "model.7", many + ".model."};
  for (const std::string& before : others)
    CHECK_THROWS_WITH(recognised(alone(before)), Contains("no RT-DETR of the official code"));
  const ForeignPlace place = locate_model(NamedShapes(alone(many + ".model.28")), "weights.pth");
  CHECK(place.family == Family::kUltralytics);
  CHECK(place.prefix == many + ".");
  CHECK(place.head == "28");
}

TEST_CASE("numbers of a file that no model can have are refused before anything is counted or multiplied by them") {
  const std::vector<std::vector<std::int64_t>> impossible = {{1'000'000'000'000, 0}, {65537, 256}, {3, 0}, {3, 256, 1}};
  const auto refuses = [](const ShapeMap& shapes, const std::string& key, const std::optional<ModelSpec>& given) {
    CHECK_THROWS_WITH(recognise_architecture(NamedShapes(shapes), "weights.pth", given),
                      Contains("weights.pth") && Contains(key) && Contains("impossible shape"));
  };
  const std::map<std::string, std::string> heads = {{"rtdetrv2_r18vd", "decoder.enc_score_head.weight"},
                                                    {"rtdetr-l", "model.28.enc_score_head.weight"},
                                                    {"dino_r50_4scale", "transformer.enc_out_class_embed.weight"},
                                                    {"yolov8n", "model.22.cv3.0.2.weight"}};
  for (const auto& [name, key] : heads) {
    ShapeMap shapes = shapes_of_model(name);
    REQUIRE(shapes.contains(key));
    for (const auto& wrong : impossible) {
      shapes[key] = wrong;
      refuses(shapes, key, {});
      refuses(shapes, key, load_model_spec(name));
    }
  }
  ShapeMap thirds = shapes_in("keys_hf_v1_r18vd.json");
  const std::string query = "model.encoder.encoder.0.layers.0.self_attn.q_proj.weight";
  REQUIRE(thirds.contains(query));
  thirds[query] = {4'000'000'000'000'000'000, 0};
  refuses(thirds, "q_proj.weight", {});
}

TEST_CASE("a fused model of ours is no folder's model.safetensors, and what to give is said") {
  BuildOptions options;
  options.shapes_only = true;
  DetectionModel model = build_model(load_model_spec("rtdetr_r18vd"), options);
  model->fuse();
  ShapeMap shapes;
  for (const auto& [key, tensor] : named_state(*model)) shapes.emplace(key, tensor.sizes().vec());
  CHECK_THROWS_WITH(recognised(shapes, "exported/model.safetensors"), Contains("give the file, not the folder"));
}

TEST_CASE("shapes that no model can have are refused, whatever they are") {
  using Shape = std::vector<std::int64_t>;
  const ShapeMap good = shapes_of_model("rtdetrv2_r18vd");
  std::size_t refused = 0, number = 0;
  const auto try_shapes = [&](const ShapeMap& shapes) {
    try {
      recognised(shapes);
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::kModel);
      ++refused;
    }
  };
  for (const auto& [key, shape] : good) {
    if (key.starts_with("backbone.") && ++number % 8 != 0) continue;
    ShapeMap shapes = good;
    for (const Shape& wrong : {Shape{}, Shape{0, 0, 0, 0}, Shape{std::int64_t{1} << 40, 1}, Shape{-1, 3}}) {
      shapes[key] = wrong;
      try_shapes(shapes);
    }
    shapes.erase(key);
    try_shapes(shapes);
  }
  CHECK(refused > 50);
}

}  // namespace rtdetr
