#include "models/weights/foreign_weights.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/io/file.h"
#include "core/tensor/tensor_file.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "models/weights/pretrained.h"
#include "tests/models/tiny_model.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/fill.h"
#include "tests/support/fixtures.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {

using test::stderr_of;
using test::TemporaryFolder;
using test::tiny_model;

namespace {

const std::filesystem::path kInterop = test::kFixtures / "interop";

/// The model of ours beside a file of another program, with weights that are not the file's.
DetectionModel model_beside(const std::string& name, std::int64_t classes = 0) {
  BuildOptions options;
  options.seed = 5;
  if (classes > 0) options.num_classes = classes;
  return build_model(load_model_spec(kInterop / (name + ".yaml")), options);
}

std::vector<std::string> numbered(std::int64_t count) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < count; ++i) names.push_back("class " + std::to_string(i));
  return names;
}

}  // namespace

TEST_CASE("official, Ultralytics and Hugging Face files give a model every tensor, exactly") {
  const std::map<std::string, std::string> files = {{"official_v1_basic", ".pth"},
                                                    {"official_v1_basic_legacy", ".pth"},
                                                    {"official_v2_bottleneck", ".pth"},
                                                    {"ultralytics_rtdetr-tiny_stripped", ".pt"},
                                                    {"hf_v1_basic", ""},
                                                    {"hf_v2_bottleneck", "/model.safetensors"},
                                                    {"hf_v1_basic_transformers5", ""}};
  for (const auto& [name, suffix] : files) {
    INFO(name);
    DetectionModel model = model_beside(name);
    const bool half = suffix == ".pt" || name.ends_with("transformers5");
    const std::string file = kInterop / (name + suffix);
    const auto opened = open_weights(file);
    std::set<std::string> keys;
    for (const auto& [key, value] : named_state(*model)) keys.insert(key);
    std::vector<std::string> names = find_weights(*opened, keys, file).names;
    if (names.empty()) names = numbered(model->num_classes());
    TransferReport report;
    const std::string said = stderr_of([&] { report = take_weights(*model, names, file); });
    INFO(said);
    CHECK(report.taken() == report.of_model());
    std::size_t compared = 0;
    for (const auto& [key, value] : named_state(*model)) {
      torch::Tensor expected = test::value_by_key(key, value.sizes().vec());
      if (!expected.defined()) continue;
      if (half && value.is_floating_point()) expected = expected.to(torch::kFloat32).to(torch::kFloat16);
      INFO(key);
      CHECK(torch::equal(value.detach(), expected.to(value.scalar_type())));
      ++compared;
    }
    CHECK(compared > 100);
  }
}

TEST_CASE("a file in which one norm is folded away is refused: the model's own would stay as it began") {
  const TemporaryFolder folder;
  TensorMap tensors;
  std::set<std::string> keys;
  std::string unit;
  for (const auto& [key, value] : named_state(*model_beside("official_v1_basic"))) {
    constexpr std::string_view kEnd = "norm.running_var";
    tensors.emplace(key, value);
    keys.insert(key);
    if (unit.empty() && key.ends_with(kEnd)) unit = key.substr(0, key.size() - kEnd.size());
  }
  REQUIRE_FALSE(unit.empty());
  tensors[unit + "conv.bias"] = tensors.at(unit + "norm.bias");
  for (const char* part : {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"})
    tensors.erase(unit + "norm." + part);
  const std::filesystem::path file = folder / "folded.safetensors";
  save_tensors(file, tensors, {});
  CHECK_THROWS_WITH(find_weights(*open_weights(file), keys, "folded.safetensors"), Catch::Contains("a fused model"));
}

TEST_CASE("of a training checkpoint the averaged weights are taken, and it is said") {
  DetectionModel model = model_beside("official_v1_basic");
  const std::string said = stderr_of([&] { take_weights(*model, numbered(3), kInterop / "official_v1_basic.pth"); });
  CHECK_THAT(said, Catch::Contains("they are its 'ema.module'"));
}

TEST_CASE("classes of an Ultralytics file are matched by the names in it") {
  DetectionModel model = model_beside("ultralytics_rtdetr-tiny_stripped");
  const std::string file = kInterop / "ultralytics_rtdetr-tiny_stripped.pt";
  const auto opened = open_weights(file);
  std::set<std::string> keys;
  for (const auto& [key, value] : named_state(*model)) keys.insert(key);
  const ForeignWeights weights = find_weights(*opened, keys, file);
  CHECK(weights.part == "model");
  CHECK(static_cast<std::int64_t>(weights.names.size()) == model->num_classes());
  CHECK_FALSE(weights.names_are_cocos);
}

TEST_CASE("classes of a Hugging Face model are matched by the names in its config.json") {
  DetectionModel model = model_beside("hf_v1_basic", 2);
  const std::string said = stderr_of([&] { take_weights(*model, {"CLASS C", "zygote"}, kInterop / "hf_v1_basic"); });
  CHECK_THAT(said,
             Catch::Contains("its names are those of Hugging Face RT-DETR") && Catch::Contains("1 classes match"));
  for (const auto& [key, value] : named_state(*model)) {
    if (!key.ends_with("score_head.weight") && key != "decoder.denoising_class_embed.weight") continue;
    const std::vector<std::int64_t> shape{value.size(0) + 1, value.size(1)};
    const torch::Tensor theirs = test::value_by_key(key, shape).to(torch::kFloat32);
    CHECK(torch::equal(value[0].detach(), theirs[2]));
    if (value.size(0) == 3) CHECK(torch::equal(value[2].detach(), theirs[3]));
  }
}

TEST_CASE("names for want of a name are none, and pictures that are normalised are a warning") {
  const TemporaryFolder folder;
  for (const char* file : {"model.safetensors", "config.json"})
    std::filesystem::copy_file(kInterop / "hf_v1_basic" / file, folder / file);
  write_text_atomically(folder / "config.json", R"({"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}})");
  write_text_atomically(folder / "preprocessor_config.json", R"({"do_normalize": true})");
  DetectionModel model = model_beside("hf_v1_basic");
  const std::string said = stderr_of([&] { take_weights(*model, numbered(3), folder.path()); });
  CHECK_THAT(said, Catch::Contains("names no classes") && Catch::Contains("do_normalize = true"));
}

TEST_CASE("a config.json that describes other heads than the model's is a warning") {
  const TemporaryFolder folder;
  std::filesystem::copy_file(kInterop / "hf_v1_basic/model.safetensors", folder / "model.safetensors");
  write_text_atomically(folder / "config.json", R"({"decoder_attention_heads": 8, "encoder_attention_heads": 4})");
  DetectionModel model = model_beside("hf_v1_basic");
  for (const std::filesystem::path& weights : {folder.path(), folder / "model.safetensors"}) {
    const std::string said = stderr_of([&] { take_weights(*model, numbered(3), weights); });
    CHECK_THAT(said, Catch::Contains("decoder_attention_heads is 8, and the model has 4") &&
                         Catch::Contains("taken all the same") && !Catch::Contains("encoder_attention_heads is"));
  }
  const std::string same = stderr_of([&] { take_weights(*model, numbered(3), kInterop / "hf_v1_basic"); });
  CHECK_THAT(same, !Catch::Contains("config.json describes"));
}

TEST_CASE("v1's weights start a v2 model, and v2's a v1 model") {
  const auto replaced = [](std::string text, const std::string& from, const std::string& to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
      text.replace(at, from.size(), to);
    return text;
  };
  const std::string numbers = "none, {keys: numbered}], encoder.input_proj", words = "none], encoder.input_proj";
  TransferReport report;
  const auto start = [&](const std::string& name, const std::string& yaml) {
    DetectionModel model = build_model(parse_model_spec(yaml, "other.yaml"));
    const std::string file = kInterop / (name + ".pth");
    return stderr_of([&] { report = take_weights(*model, numbered(model->num_classes()), file); });
  };
  const std::string v1 = read_text_file(kInterop / "official_v1_basic_legacy.yaml");
  CHECK_THAT(start("official_v1_basic_legacy", replaced(replaced(v1, numbers, words), "variant: v1", "variant: v2")),
             Catch::Contains("its names are those of official RT-DETR v1"));
  const std::string v2 = read_text_file(kInterop / "official_v2_bottleneck.yaml");
  const std::string said =
      start("official_v2_bottleneck", replaced(replaced(v2, words, numbers), "variant: v2", "variant: v1"));
  CHECK_THAT(said, Catch::Contains("its names are those of official RT-DETR v2"));
  CHECK(report.taken() == report.of_model());
}

TEST_CASE("norms with another eps than the file's are scaled, which leaves what they compute") {
  const std::string eps = "norm_eps: 1.0e-5";
  std::string yaml = read_text_file(kInterop / "official_v1_basic.yaml");
  REQUIRE(yaml.find(eps) != std::string::npos);
  yaml.replace(yaml.find(eps), eps.size(), "norm_eps: 1.0e-3");
  DetectionModel same = model_beside("official_v1_basic"), other = build_model(parse_model_spec(yaml, "other.yaml"));
  const std::string file = kInterop / "official_v1_basic.pth";
  CHECK_THAT(stderr_of([&] { take_weights(*same, numbered(3), file); }), !Catch::Contains("scaled from eps"));
  CHECK_THAT(stderr_of([&] { take_weights(*other, numbered(3), file); }), Catch::Contains("norms are scaled from eps"));
  TensorMap from, to;
  for (const auto& [key, value] : named_state(*same)) from.emplace(key, value.detach());
  for (const auto& [key, value] : named_state(*other)) to.emplace(key, value.detach());
  int norms = 0;
  for (const auto& [key, value] : to) {
    INFO(key);
    const auto variance = to.find(key.substr(0, key.rfind('.') + 1) + "running_var");
    if (!key.ends_with(".weight") || variance == to.end()) {
      CHECK(torch::equal(value, from.at(key)));
      continue;
    }
    const torch::Tensor var = variance->second.to(torch::kFloat64);
    CHECK(torch::allclose(value.to(torch::kFloat64) / (var + 1e-3).sqrt(),
                          from.at(key).to(torch::kFloat64) / (var + 1e-5).sqrt(), 2e-7, 0));
    ++norms;
  }
  CHECK(norms > 20);
}

TEST_CASE("a state dict under 'module', and an averaged model with its count of updates, are found") {
  const TemporaryFolder folder;
  const std::string file = folder / "averaged.safetensors";
  DetectionModel source = tiny_model(1), target = tiny_model(2);
  TensorMap tensors{{"n_averaged", torch::ones({}, torch::kInt64)}};
  for (const auto& [name, tensor] : named_state(*source)) tensors.emplace("module." + name, tensor.detach());
  save_tensors(file, tensors, {});
  const std::string said = stderr_of([&] { take_weights(*target, {"a", "b", "c"}, file); });
  CHECK_THAT(said, Catch::Contains("they are its 'module'"));
  for (const auto& [name, tensor] : named_state(*target)) CHECK(torch::equal(tensor, tensors.at("module." + name)));
}

TEST_CASE("a file of which nothing fits is refused with names of both sides") {
  const TemporaryFolder folder;
  const std::string file = folder / "other.safetensors";
  save_tensors(file, {{"transformer.h.0.weight", torch::ones({1})}}, {});
  DetectionModel model = tiny_model(1);
  CHECK_THROWS_WITH(take_weights(*model, {"a", "b", "c"}, file),
                    Catch::Contains("transformer.h.0.weight") && Catch::Contains("model.0.conv.weight"));
}

TEST_CASE("a fused model of Ultralytics is refused as a beginning") {
  DetectionModel model = model_beside("ultralytics_rtdetr-tiny_fused");
  CHECK_THROWS_WITH(take_weights(*model, numbered(3), kInterop / "ultralytics_rtdetr-tiny_fused.pt"),
                    Catch::Contains("a fused model"));
}

TEST_CASE("a file of eighty classes without names has COCO's, for who has some of them") {
  const TemporaryFolder folder;
  const std::string file = folder / "coco.safetensors";
  BuildOptions options;
  options.seed = 1;
  options.num_classes = 80;
  DetectionModel source = build_model(parse_model_spec(test::kTinyModel, "tiny.yaml"), options);
  TensorMap tensors;
  for (const auto& [name, tensor] : named_state(*source)) tensors.emplace(name, tensor.detach());
  save_tensors(file, tensors, {});
  DetectionModel target = tiny_model(2);
  const std::string said = stderr_of([&] { take_weights(*target, {"Cat", "zygote", "person"}, file); });
  CHECK_THAT(said, Catch::Contains("taken for COCO's"));
  for (const auto& [name, tensor] : named_state(*target)) {
    if (!name.ends_with("enc_score_head.weight")) continue;
    CHECK(torch::equal(tensor[0], tensors.at(name)[15]));
    CHECK(torch::equal(tensor[2], tensors.at(name)[0]));
  }
  DetectionModel strangers = tiny_model(2);
  CHECK_THAT(stderr_of([&] { take_weights(*strangers, {"a", "b", "c"}, file); }), Catch::Contains("names no classes"));
}

TEST_CASE("the names of wrappers are taken off, and D-FINE is refused by name") {
  const TemporaryFolder folder;
  const std::string file = folder / "wrapped.safetensors";
  DetectionModel source = tiny_model(1), target = tiny_model(2);
  TensorMap tensors;
  for (const auto& [name, tensor] : named_state(*source))
    tensors.emplace("model._orig_mod.module." + name, tensor.detach());
  save_tensors(file, tensors, {});
  stderr_of([&] { take_weights(*target, {"a", "b", "c"}, file); });
  for (const auto& [name, tensor] : named_state(*target))
    CHECK(torch::equal(tensor, tensors.at("model._orig_mod.module." + name)));
  tensors.emplace("model._orig_mod.module.decoder.pre_bbox_head.layers.0.weight", torch::zeros({1}));
  save_tensors(file, tensors, {});
  CHECK_THROWS_WITH(take_weights(*target, {"a", "b", "c"}, file), Catch::Contains("D-FINE"));
}

}  // namespace rtdetr
