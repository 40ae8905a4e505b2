#include "models/weights/foreign_model.h"

#include <torch/types.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/io/file.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "models/weights/class_names.h"
#include "models/weights/pretrained.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/fill.h"
#include "tests/support/fixtures.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {

using Catch::Contains;
using test::stderr_of;
using test::TemporaryFolder;

namespace {

const std::filesystem::path kPeerFiles = test::kFixtures / "interop";

/// A file or folder of another program, what it computes, and what must be said beside it.
struct PeerFile {
  std::string name, file;
  bool needs_yaml = false;  ///< heads of official v1, and of the encoder of v2, are in no file; D-FINE's of other sizes
  std::int64_t queries = 0;
};

const std::vector<PeerFile>& peer_files() {
  static const std::vector<PeerFile> all = {{"official_v1_basic", "official_v1_basic.pth", true},
                                            {"official_v1_basic_legacy", "official_v1_basic_legacy.pth", true},
                                            {"official_v2_bottleneck", "official_v2_bottleneck.pth", true},
                                            {"hf_v1_basic", "hf_v1_basic"},
                                            {"hf_v2_bottleneck", "hf_v2_bottleneck"},
                                            {"hf_v1_basic_transformers5", "hf_v1_basic_transformers5"},
                                            {"hf_dfine_projected", "hf_dfine_projected", true},
                                            {"hf_dfine_two_maps", "hf_dfine_two_maps", true},
                                            {"ultralytics_rtdetr-tiny_stripped", "ultralytics_rtdetr-tiny_stripped.pt"},
                                            {"ultralytics_rtdetr-tiny_fused", "ultralytics_rtdetr-tiny_fused.pt"}};
  return all;
}

ForeignModelOptions options_beside(const PeerFile& peer) {
  ForeignModelOptions options;
  if (peer.needs_yaml) options.spec = load_model_spec(kPeerFiles / (peer.name + ".yaml"));
  if (peer.queries > 0) options.num_queries = peer.queries;
  return options;
}

nlohmann::json document_beside(const PeerFile& peer) {
  std::ifstream stream(kPeerFiles / (peer.name + ".json"));
  return nlohmann::json::parse(stream);
}

ModelOutput output_of(DetectionModel& model, const nlohmann::json& document, torch::Dtype type) {
  const torch::NoGradGuard no_grad;
  model->to(type);
  model->eval();
  return model->forward(test::images_by_key(document["input"]["key"], document["input"]["shape"]).to(type));
}

double difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

/// The best pairs, in pixels, as the peer's own post-processing gives them.
void check_detections(DetectionModel& model, const ModelOutput& output, const nlohmann::json& document,
                      const TensorMap& expected) {
  if (!expected.contains("post.scores")) return;
  const std::vector<PictureSize> sizes = {{document["post_size_wh"][0], document["post_size_wh"][1]}};
  PostprocessOptions options;
  options.max_detections = expected.at("post.scores").size(1);
  const Detections found = model->head().postprocess(output.layers.back(), sizes, options).at(0);
  CHECK(difference(found.scores, expected.at("post.scores")[0]) < 1e-8);
  CHECK(torch::equal(found.labels, expected.at("post.labels")[0]));
  CHECK(difference(found.boxes_xyxy, expected.at("post.boxes")[0]) < 1e-5);
}

}  // namespace

TEST_CASE("every file of a peer gives a model with the tensors of the rule, and the peer's outputs in float64") {
  for (const PeerFile& peer : peer_files()) {
    INFO(peer.name);
    const nlohmann::json document = document_beside(peer);
    const TensorMap expected = load_tensors(kPeerFiles / (peer.name + ".expected.safetensors")).tensors;
    ForeignState state = read_foreign_state(kPeerFiles / peer.file, options_beside(peer));
    const bool half = document.value("dtype", "float32") == "float16";
    std::size_t compared = 0;
    for (const auto& [key, tensor] : state.tensors) {
      torch::Tensor rule = test::value_by_key(key, tensor.sizes().vec());
      if (state.report.architecture.fused || !rule.defined()) continue;
      rule = rule.to(torch::kFloat32);
      if (half && tensor.is_floating_point()) rule = rule.to(torch::kFloat16).to(torch::kFloat32);
      INFO(key);
      CHECK(torch::equal(tensor.to(torch::kFloat32), rule));
      ++compared;
    }
    CHECK((state.report.architecture.fused || compared > 100));
    DetectionModel model = build_foreign_model(state);
    model->to(torch::kFloat64);
    for (auto& [key, tensor] : state.tensors) tensor = tensor.to(torch::kFloat64);
    load_state(*model, state.tensors, peer.file);
    const ModelOutput output = output_of(model, document, torch::kFloat64);
    CHECK(torch::equal(output.topk_indices, expected.at("topk.indices")));
    const Prediction& last = output.layers.back();
    const double logits = difference(last.logits, expected.at("logits"));
    const double boxes = difference(last.boxes_cxcywh, expected.at("boxes"));
    UNSCOPED_INFO("logits " << logits << " boxes " << boxes);
    CHECK(logits < 1e-12);
    CHECK(boxes < 1e-12);
    CHECK(difference(std::get<0>(output.encoder.logits.max(2)), expected.at("topk.scores")) < 1e-12);
    check_detections(model, output, document, expected);
  }
}

TEST_CASE("a file of a peer becomes a model file of ours that computes the same in float32") {
  const TemporaryFolder folder;
  for (const PeerFile& peer : peer_files()) {
    INFO(peer.name);
    const nlohmann::json document = document_beside(peer);
    const TensorMap expected = load_tensors(kPeerFiles / (peer.name + ".expected.safetensors")).tensors;
    const ForeignModel foreign = read_foreign_model(kPeerFiles / peer.file, options_beside(peer));
    const auto file = folder / (peer.name + ".safetensors");
    save_model(file, foreign.loaded.model, foreign.loaded.info);
    LoadedModel loaded = load_model(file);
    CHECK(loaded.info.names == foreign.loaded.info.names);
    for (const auto& [key, tensor] : named_state(*loaded.model))
      CHECK((!tensor.is_floating_point() || tensor.scalar_type() == torch::kFloat32));
    const ModelOutput output = output_of(loaded.model, document, torch::kFloat32);
    CHECK(torch::equal(output.topk_indices, expected.at("topk.indices")));
    CHECK(difference(output.layers.back().logits, expected.at("logits")) < 5e-6);
    CHECK(difference(output.layers.back().boxes_cxcywh, expected.at("boxes")) < 5e-6);
  }
}

TEST_CASE("the report says what was joined, folded, counted anew and left out, and what else is in the file") {
  const auto report_of = [](const std::string& name) {
    for (const PeerFile& peer : peer_files())
      if (peer.name == name) return read_foreign_state(kPeerFiles / peer.file, options_beside(peer)).report;
    throw std::logic_error(name);
  };
  const ForeignReport training = report_of("official_v1_basic");
  CHECK(training.counters.empty());
  CHECK(training.others == std::vector<std::string>{"date", "last_epoch", "lr_scheduler", "model (359 tensors)",
                                                    "optimizer (18 tensors)"});
  CHECK_FALSE(report_of("official_v1_basic_legacy").counters.empty());
  const ForeignReport hugging_face = report_of("hf_v1_basic");
  CHECK(hugging_face.joined == 6);  // weight and bias of the encoder's layer and of two of the decoder
  CHECK(hugging_face.unexpected.empty());
  const ForeignReport fused = report_of("ultralytics_rtdetr-tiny_fused");
  CHECK(fused.reshaped == std::vector<std::string>{"model.27.input_proj.0.0.weight", "model.27.input_proj.1.0.weight",
                                                   "model.27.input_proj.2.0.weight"});
  CHECK(std::count(fused.left_out.begin(), fused.left_out.end(), "model.27.denoising_class_embed.weight") == 1);
}

TEST_CASE("weights for a given model with another eps are scaled, and the report says from which") {
  const auto converted = [](const std::string& name, const std::string& file, const std::string& eps) {
    const std::string official = "norm_eps: 1.0e-5\n";
    std::string yaml = read_text_file(kPeerFiles / (name + ".yaml"));
    if (const auto at = yaml.find(official); at != std::string::npos) yaml.erase(at, official.size());
    ForeignModelOptions options;
    options.spec = parse_model_spec("norm_eps: " + eps + "\n" + yaml, "given.yaml");
    return read_foreign_state(kPeerFiles / file, options).report;
  };
  const ForeignReport official = converted("official_v1_basic", "official_v1_basic.pth", "1.0e-3");
  CHECK(official.file_eps == 1e-5);
  CHECK(official.rescaled > 20);
  CHECK(converted("official_v1_basic", "official_v1_basic.pth", "1.0e-5").rescaled == 0);
  const std::string name = "ultralytics_rtdetr-tiny_stripped";
  const ForeignReport ultralytics = converted(name, name + ".pt", "1.0e-5");
  CHECK(ultralytics.file_eps == 1e-3);
  CHECK(ultralytics.rescaled > 20);
  CHECK(converted(name, name + ".pt", "1.0e-3").rescaled == 0);
}

TEST_CASE("a given model whose heads are not those of the config.json beside the weights is refused") {
  const TemporaryFolder folder;
  std::filesystem::copy_file(kPeerFiles / "hf_v1_basic/model.safetensors", folder / "model.safetensors");
  ForeignModelOptions given;
  given.spec = load_model_spec(kPeerFiles / "hf_v1_basic.yaml");
  write_text_atomically(folder / "config.json", R"({"decoder_attention_heads": 4, "encoder_attention_heads": 2})");
  CHECK_THROWS_WITH(read_foreign_state(folder.path(), given),
                    Contains("encoder_attention_heads is 2, and the model has 4") && Contains("leave model= out"));
  CHECK(read_foreign_state(kPeerFiles / "hf_v1_basic", given).report.unexpected.empty());
}

TEST_CASE(
    "D-FINE of Hugging Face has the numbers of its decoder's row under both of the official names, or is refused") {
  const TemporaryFolder folder;
  ForeignModelOptions given;
  given.spec = load_model_spec(kPeerFiles / "hf_dfine_projected.yaml");
  const ForeignState state = read_foreign_state(kPeerFiles / "hf_dfine_projected", given);
  for (const char* key : {"decoder.reg_scale", "decoder.decoder.reg_scale"})
    CHECK(state.tensors.at(key).item<double>() == 8);
  CHECK(state.report.unexpected.empty());
  CHECK(state.report.counters.size() > 20);  // of the backbone, whose norms are frozen there and trained here
  std::string text = given.spec->text;
  text.replace(text.find("reg_scale: 8"), std::string("reg_scale: 8").size(), "reg_scale: 4");
  given.spec = parse_model_spec(text, "other.yaml");
  CHECK_THROWS_WITH(read_foreign_state(kPeerFiles / "hf_dfine_projected", given), Contains("reg_scale 8 instead of 4"));
}

TEST_CASE("a training takes the weights of D-FINE from Hugging Face's folder") {
  DetectionModel model = build_model(load_model_spec(kPeerFiles / "hf_dfine_projected.yaml"), {});
  const std::vector<std::string> names = {"class b", "class a", "other"};
  TransferReport report;
  const std::string said =
      stderr_of([&] { report = take_weights(*model, names, (kPeerFiles / "hf_dfine_projected").string()); });
  CHECK_THAT(said, Contains("its names are those of Hugging Face D-FINE") && !Contains("warning"));
  CHECK(report.classes == 2);
  CHECK(report.taken() == report.of_model());
  CHECK((report.pictures == PictureForm{Resampling::kPillowBilinear, Fit::kStretch}));
}

TEST_CASE("a training is told how the pictures came that another program's weights have learnt from") {
  DetectionModel model = build_model(load_model_spec(kPeerFiles / "ultralytics_rtdetr-tiny_stripped.yaml"), {});
  const std::string file = (kPeerFiles / "ultralytics_rtdetr-tiny_stripped.pt").string();
  TransferReport report;
  stderr_of([&] { report = take_weights(*model, {"a", "b", "c"}, file); });
  CHECK((report.pictures == PictureForm{Resampling::kOpencvLinear, Fit::kStretch}));
}

TEST_CASE("a model file loader takes the files of other programs, and says what it took them for") {
  LoadedModel loaded;
  const std::string said = stderr_of(
      [&] { loaded = load_model(kPeerFiles / "ultralytics_rtdetr-tiny_stripped.pt", {.decoder_layers = 1}); });
  CHECK(loaded.model->num_decoder_layers() == 1);
  CHECK(loaded.info.resampling == Resampling::kOpencvLinear);
  CHECK_THAT(said, Contains("RT-DETR of Ultralytics, 3 classes"));
  const TemporaryFolder folder;
  CHECK(load_model(kPeerFiles / "hf_v1_basic").info.names.at(1) == "class b");
}

TEST_CASE("weights that lack something, or have something that no model of ours has, are refused by name") {
  const TemporaryFolder folder;
  const auto file = folder / "weights.safetensors";
  const TensorMap good = read_foreign_state(kPeerFiles / "hf_v1_basic").tensors;
  const auto refuses = [&](const TensorMap& tensors, const std::string& says) {
    save_tensors(file, tensors, {});
    ForeignModelOptions options;
    options.spec = load_model_spec(kPeerFiles / "hf_v1_basic.yaml");
    CHECK_THROWS_WITH(read_foreign_model(file, options), Contains("weights.safetensors") && Contains(says));
    CHECK_THROWS_AS(read_foreign_model(file, options), CheckpointError);
  };
  TensorMap lacks = good;
  lacks.erase("decoder.dec_bbox_head.1.layers.2.bias");
  refuses(lacks, "missing (1): decoder.dec_bbox_head.1.layers.2.bias");
  TensorMap wide = good;
  wide["encoder.lateral_convs.0.conv.weight"] = torch::zeros({17, 16, 1, 1});
  refuses(wide, "encoder.lateral_convs.0.conv.weight");
  TensorMap more = good;
  more.emplace("decoder.gate.weight", torch::zeros({2}));
  save_tensors(file, more, {});
  CHECK_THROWS_WITH(read_foreign_model(file), Contains("'decoder.gate.weight'") && Contains("model="));
  ForeignModelOptions given;
  given.spec = load_model_spec(kPeerFiles / "hf_v1_basic.yaml");
  CHECK(read_foreign_model(file, given).report.unexpected == std::vector<std::string>{"decoder.gate.weight"});
}

TEST_CASE("a Hugging Face model in shards is a model like any other, by its folder and by its index") {
  const TemporaryFolder folder;
  const std::filesystem::path whole = kPeerFiles / "hf_v1_basic";
  for (const char* name : {"config.json", "preprocessor_config.json"})
    std::filesystem::copy_file(whole / name, folder / name);
  std::filesystem::copy_file(whole / "model.safetensors", folder / "model-00001-of-00001.safetensors");
  nlohmann::json index;
  const auto file = open_weights(whole);
  for (const WeightTensor& tensor : file->tensors())
    index["weight_map"][tensor.name] = "model-00001-of-00001.safetensors";
  std::ofstream(folder / "model.safetensors.index.json") << index;
  for (const std::filesystem::path& path : {folder.path(), folder / "model.safetensors.index.json"}) {
    CHECK(holds_foreign_model(path));
    const ForeignModel model = read_foreign_model(path);
    CHECK(model.loaded.info.names.at(1) == "class b");
    CHECK(model.report.unexpected.empty());
  }
}

TEST_CASE("sampling points that are shared otherwise among the levels are refused by their scale") {
  const TemporaryFolder folder;
  const PeerFile peer = {"official_v2_bottleneck", "official_v2_bottleneck.pth", true};
  ForeignModelOptions options = options_beside(peer);
  TensorMap tensors = read_foreign_state(kPeerFiles / peer.file, options).tensors;
  for (auto& [key, tensor] : tensors) {
    if (!key.ends_with("num_points_scale")) continue;
    REQUIRE(tensor.size(0) == 12);
    tensor = torch::cat({torch::full({3}, 1.0 / 3), torch::full({6}, 1.0 / 6), torch::full({3}, 1.0 / 3)});
  }
  const auto file = folder / "weights.safetensors";
  save_tensors(file, tensors, {});
  CHECK_THROWS_WITH(read_foreign_state(file), Contains("num_points_scale") && Contains("4, 4, 4"));
  CHECK_THROWS_AS(read_foreign_state(file, options), CheckpointError);
  std::string text = options.spec->text;
  const auto at = text.find("points: 4");
  REQUIRE(at != std::string::npos);
  options.spec = parse_model_spec(text.replace(at, 9, "points: [3, 6, 3]"), "other.yaml");
  CHECK(read_foreign_state(file, options).report.unexpected.empty());
}

TEST_CASE("names of data= for another number of classes are refused before the model is built") {
  ForeignModelOptions options;
  options.names = {"one", "two"};
  CHECK_THROWS_AS(read_foreign_state(kPeerFiles / "hf_v1_basic", options), ConfigError);
  CHECK_THROWS_WITH(read_foreign_state(kPeerFiles / "hf_v1_basic", options), Contains("data= names 2 classes"));
}

TEST_CASE("YOLOv8's tensors alone, in half precision, become the model that computes the same") {
  const TemporaryFolder folder;
  BuildOptions build;
  build.seed = 3;
  DetectionModel source = build_model(load_model_spec("yolov8n"), build);
  source->eval();
  TensorMap tensors;
  const torch::NoGradGuard no_grad;
  for (auto& [key, tensor] : named_state(*source)) {
    if (tensor.is_floating_point()) torch::Tensor(tensor).copy_(tensor.to(torch::kFloat16));
    tensors.emplace("model." + key, tensor.is_floating_point() ? tensor.to(torch::kFloat16) : tensor);
  }
  save_tensors(folder / "yolov8n.safetensors", tensors, {});
  ForeignModel found = read_foreign_model(folder / "yolov8n.safetensors");
  CHECK(found.report.architecture.spec.name == "yolov8n");
  CHECK(found.report.loaded == static_cast<std::int64_t>(tensors.size()));
  CHECK(found.report.left_out.empty());
  CHECK(found.loaded.info.category_ids == coco_category_ids());
  const torch::Tensor pictures = torch::rand({2, 3, 64, 96});
  const Prediction expected = source->forward(pictures).layers.back();
  const Prediction actual = found.loaded.model->forward(pictures).layers.back();
  CHECK(actual.logits.equal(expected.logits));
  CHECK(actual.boxes_cxcywh.equal(expected.boxes_cxcywh));
}

namespace {

/// Four maps, two layers: what DINO's heads share is there, in milliseconds.
std::string small_dino(int classes) {
  return "nc: " + std::to_string(classes) +
         "\nnorm_eps: 1.0e-5\nbackbone:\n  - [-1, 1, ConvNorm, [16, 3, 8, relu], backbone.0]\n"
         "  - [-1, 1, ConvNorm, [16, 3, 2, relu], backbone.1]\nhead:\n"
         "  - [[0, 1], 1, RTDETRDecoder, [nc, {variant: dino, dim: 32, levels: 3, queries: 10, heads: 2, layers: 2, "
         "ffn: 32, encoder_layers: 1, encoder_ffn: 32, learnt_queries: true, denoising: 6}], .]\n";
}

TensorMap state_of_dino(std::uint64_t seed, int classes = 91) {
  BuildOptions build;
  build.seed = seed;
  TensorMap tensors;
  for (const auto& [key, tensor] :
       named_state(*build_model(parse_model_spec(small_dino(classes), "small_dino.yaml"), build)))
    tensors.emplace(key, tensor.detach());
  return tensors;
}

TensorMap under_model(const TensorMap& tensors) {
  TensorMap longer;
  for (const auto& [key, tensor] : tensors) longer.emplace("model." + key, tensor);
  return longer;
}

}  // namespace

TEST_CASE("the heads that DINO's layers share may come under any of their names, and must agree") {
  const TemporaryFolder folder;
  const std::string file = folder / "dino.safetensors", other = "class_embed.1.weight";
  ForeignModelOptions given;
  given.spec = parse_model_spec(small_dino(91), "small_dino.yaml");
  const TensorMap whole = state_of_dino(1);
  REQUIRE(whole.contains("transformer.decoder.class_embed.0.weight"));
  TensorMap tensors = whole;
  const auto erased = std::erase_if(tensors, [](const auto& item) {
    return item.first.starts_with("transformer.decoder.class_embed.") || item.first.starts_with("bbox_embed.0.");
  });
  CHECK(erased == 10);
  save_tensors(file, under_model(tensors), {});
  const ForeignState state = read_foreign_state(file, given);
  CHECK(state.report.architecture.names == coco_names_by_id());
  CHECK(state.tensors.size() == whole.size());
  for (const auto& [key, tensor] : whole) {
    INFO(key);
    CHECK(state.tensors.at(key).equal(tensor));
  }
  tensors = whole;
  tensors[other] = tensors.at(other) + 1;
  save_tensors(file, under_model(tensors), {});
  CHECK_THROWS_WITH(read_foreign_state(file, given), Contains("'" + other + "'") && Contains("heads of their own"));
  CHECK_THROWS_AS(read_foreign_state(file, given), CheckpointError);
}

TEST_CASE("a training takes the rows of DINO's classes by name, from COCO's category ids") {
  const TemporaryFolder folder;
  const std::string file = folder / "checkpoint0011_4scale.safetensors";
  const TensorMap from = state_of_dino(1);
  save_tensors(file, under_model(from), {});
  BuildOptions build;
  build.seed = 2;
  DetectionModel model = build_model(parse_model_spec(small_dino(3), "small_dino.yaml"), build);
  TransferReport report;
  const std::string said = stderr_of([&] { report = take_weights(*model, {"dog", "bolt", "person"}, file); });
  CHECK_THAT(said, Contains("they are its 'model'") && Contains("its 91 are taken for COCO's"));
  CHECK(report.classes == 2);
  CHECK(report.taken() == report.of_model());
  std::int64_t by_class = 0;
  for (const auto& [key, tensor] : named_state(*model)) {
    const bool has_rows = key.find("class_embed.") != std::string::npos || key == "label_enc.weight";
    if (!has_rows) continue;
    INFO(key);
    CHECK(tensor[0].equal(from.at(key)[18]));
    CHECK(tensor[2].equal(from.at(key)[1]));
    if (key.ends_with("weight")) CHECK_FALSE(tensor[1].equal(from.at(key)[1]));  // biases begin alike
    ++by_class;
  }
  CHECK(by_class == report.count(TransferredEntry::Fate::kByClass));
  CHECK(by_class == 11);  // weight and bias under two names of two layers, of the encoder's head, and the table
}

TEST_CASE("eighty classes without names are COCO's, with the numbers of its annotation files") {
  const auto& ids = coco_category_ids();
  REQUIRE(ids.size() == coco_names().size());
  CHECK(ids.front() == 1);
  CHECK(ids.at(11) == 13);  // stop sign
  CHECK(ids.back() == 90);
}

}  // namespace rtdetr
