#include <ATen/Parallel.h>
#include <torch/types.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "core/base/error.h"
#include "models/layers/module_tree.h"
#include "models/weights/checkpoint.h"
#include "tests/models/tiny_model.h"
#include "tests/support/temporary_folder.h"

using rtdetr::CheckpointError;
using rtdetr::DetectionModel;
using rtdetr::LoadedModel;
using rtdetr::ModelInfo;
using rtdetr::test::TemporaryFolder;
using torch::Tensor;

namespace {

ModelInfo tiny_info() {
  ModelInfo info;
  info.names = {"red, \"quoted\"", "white", "Blutplättchen"};
  info.category_ids = {7, 1, 90};
  info.height = 64, info.width = 96;
  info.step = 1234, info.epoch = 5;
  return info;
}

Tensor logits_of(DetectionModel& model) {
  at::set_num_threads(1);
  const torch::NoGradGuard no_grad;
  torch::manual_seed(2);
  return model->forward(torch::rand({1, 3, 64, 96})).layers.back().logits;
}

/// Rewrites the file after `change` has touched its content.
template <typename Change>
void damage(const std::filesystem::path& file, Change change) {
  rtdetr::TensorFile content = rtdetr::load_tensors(file);
  change(content);
  rtdetr::save_tensors(file, content.tensors, content.metadata);
}

}  // namespace

TEST_CASE("a model file gives back the model, its classes and its counters") {
  const TemporaryFolder folder;
  DetectionModel model = rtdetr::test::tiny_model(4);
  rtdetr::save_model(folder / "best.safetensors", model, tiny_info(), {{"best_ap", "0.5"}});
  LoadedModel loaded = rtdetr::load_model(folder / "best.safetensors");
  CHECK(torch::equal(logits_of(loaded.model), logits_of(model)));
  CHECK(loaded.info.names == tiny_info().names);
  CHECK(loaded.info.category_ids == tiny_info().category_ids);
  CHECK(loaded.info.height == 64);
  CHECK(loaded.info.width == 96);
  CHECK(loaded.info.step == 1234);
  CHECK(loaded.info.model_name == "tiny");
  CHECK(loaded.info.decoder_layers == 3);
  CHECK(loaded.metadata.at("best_ap") == "0.5");
  CHECK_FALSE(loaded.info.best_confidence);
}

TEST_CASE("a model file keeps the confidence at which F1 was best") {
  const TemporaryFolder folder;
  ModelInfo info = tiny_info();
  info.best_confidence = 0.41;
  info.input_ranges = {{"1.Conv", {-0.25F, 3.1F}}, {"2.Linear", {0, 1e-7F}}};
  rtdetr::save_model(folder / "best.safetensors", rtdetr::test::tiny_model(), info);
  CHECK(rtdetr::load_model(folder / "best.safetensors").info.best_confidence == 0.41);
  CHECK((rtdetr::load_model(folder / "best.safetensors").info.input_ranges == info.input_ranges));
}

TEST_CASE("a model file keeps how its pictures were resized; an older one says nothing, which is as Pillow does") {
  const TemporaryFolder folder;
  ModelInfo info = tiny_info();
  info.resampling = rtdetr::Resampling::kOpencvLinear;
  const auto file = folder / "best.safetensors";
  rtdetr::save_model(file, rtdetr::test::tiny_model(), info);
  CHECK(rtdetr::load_model(file).info.resampling == rtdetr::Resampling::kOpencvLinear);
  damage(file, [](rtdetr::TensorFile& content) { content.metadata.erase("resample"); });
  CHECK(rtdetr::load_model(file).info.resampling == rtdetr::Resampling::kPillowBilinear);
}

TEST_CASE("a model file keeps how its pictures filled the input; an older one says nothing, which is stretched") {
  const TemporaryFolder folder;
  const auto file = folder / "best.safetensors";
  for (const rtdetr::Fit fit : {rtdetr::Fit::kLetterbox, rtdetr::Fit::kKeepRatio, rtdetr::Fit::kStretch}) {
    ModelInfo info = tiny_info();
    info.fit = fit;
    rtdetr::save_model(file, rtdetr::test::tiny_model(), info);
    CHECK(rtdetr::load_model(file).info.fit == fit);
  }
  damage(file, [](rtdetr::TensorFile& content) { CHECK(content.metadata.erase("fit") == 1); });
  CHECK(rtdetr::load_model(file).info.fit == rtdetr::Fit::kStretch);
}

TEST_CASE("a fused model file gives back the fused model") {
  const TemporaryFolder folder;
  DetectionModel model = rtdetr::test::tiny_model();
  model->fuse();
  rtdetr::save_model(folder / "fused.safetensors", model, tiny_info());
  LoadedModel loaded = rtdetr::load_model(folder / "fused.safetensors");
  CHECK(loaded.model->fused());
  CHECK(torch::equal(logits_of(loaded.model), logits_of(model)));
}

TEST_CASE("the first decoder layers alone can be loaded") {
  const TemporaryFolder folder;
  DetectionModel model = rtdetr::test::tiny_model();
  rtdetr::save_model(folder / "m.safetensors", model, tiny_info());
  LoadedModel cut = rtdetr::load_model(folder / "m.safetensors", {.decoder_layers = 2});
  CHECK(cut.model->num_decoder_layers() == 2);
  CHECK(cut.info.decoder_layers == 2);
  const torch::NoGradGuard no_grad;
  torch::manual_seed(2);
  rtdetr::ForwardOptions two;
  two.decoder_layers = 2;
  const Tensor expected = model->forward(torch::rand({1, 3, 64, 96}), two).layers.back().logits;
  CHECK(torch::equal(logits_of(cut.model), expected));
  CHECK_THROWS_AS(rtdetr::load_model(folder / "m.safetensors", {.decoder_layers = 4}), rtdetr::ConfigError);
}

TEST_CASE("a model that runs fewer layers than its file has is loaded with as many as are asked for, up to all") {
  const TemporaryFolder folder;
  std::string text = rtdetr::test::kTinyModel;
  text.replace(text.find("layers: 3"), std::string("layers: 3").size(), "layers: 3, eval_idx: 1");
  const DetectionModel model = rtdetr::build_model(rtdetr::parse_model_spec(text, "tiny.yaml"));
  rtdetr::save_model(folder / "m.safetensors", model, tiny_info());
  for (const auto& [asked, usual] : {std::pair<std::int64_t, std::int64_t>{0, 2}, {1, 1}, {2, 2}, {3, 3}}) {
    LoadedModel loaded = rtdetr::load_model(folder / "m.safetensors", {.decoder_layers = asked});
    CHECK(loaded.model->head().usual_layers() == usual);
    CHECK(loaded.model->num_decoder_layers() == (asked == 0 ? 3 : asked));
    loaded.model->fuse();
    CHECK(loaded.model->num_decoder_layers() == usual);
  }
}

TEST_CASE("a model is loaded with another number of queries: fewer are the first of all") {
  const TemporaryFolder folder;
  DetectionModel model = rtdetr::test::tiny_model();
  rtdetr::save_model(folder / "m.safetensors", model, tiny_info());
  const std::int64_t queries = model->head().num_queries();
  LoadedModel cut = rtdetr::load_model(folder / "m.safetensors", {.num_queries = queries - 3});
  CHECK(cut.model->head().num_queries() == queries - 3);
  CHECK_THAT(cut.info.model_yaml, Catch::Contains(std::to_string(queries - 3)));
  const torch::NoGradGuard no_grad;
  const Tensor picture = torch::rand({1, 3, 64, 96});
  const Tensor all = model->forward(picture, {}).topk_indices, fewer = cut.model->forward(picture, {}).topk_indices;
  CHECK(torch::equal(fewer, all.narrow(1, 0, queries - 3)));
  LoadedModel more = rtdetr::load_model(folder / "m.safetensors", {.num_queries = queries + 2});
  CHECK(more.model->forward(picture, {}).topk_indices.size(1) == queries + 2);
}

TEST_CASE("a run's last.safetensors opens as the model of its averaged weights") {
  const TemporaryFolder folder;
  DetectionModel model = rtdetr::test::tiny_model(9);
  rtdetr::save_model(folder / "last.safetensors", model, tiny_info());
  damage(folder / "last.safetensors", [](rtdetr::TensorFile& content) {
    rtdetr::TensorMap renamed = {{"adamw.step", torch::ones({1})}};
    for (const auto& [key, tensor] : content.tensors) {
      renamed.emplace("ema." + key, tensor);
      renamed.emplace("model." + key, torch::zeros_like(tensor));
    }
    content.tensors = renamed;
  });
  LoadedModel loaded = rtdetr::load_model(folder / "last.safetensors");
  CHECK(torch::equal(logits_of(loaded.model), logits_of(model)));
}

TEST_CASE("tensors that do not fit are refused by name") {
  const TemporaryFolder folder;
  const auto file = folder / "m.safetensors";
  rtdetr::save_model(file, rtdetr::test::tiny_model(), tiny_info());
  damage(file, [](rtdetr::TensorFile& content) {
    content.tensors.erase("decoder.enc_score_head.bias");
    content.tensors.emplace("intruder", torch::ones({2}));
    content.tensors["decoder.enc_score_head.weight"] = torch::ones({3, 15});
  });
  CHECK_THROWS_WITH(rtdetr::load_model(file), Catch::Contains("missing (1): decoder.enc_score_head.bias") &&
                                                  Catch::Contains("unexpected (1): intruder") &&
                                                  Catch::Contains("decoder.enc_score_head.weight") &&
                                                  Catch::Contains("m.safetensors"));
}

TEST_CASE("metadata that is missing or damaged is refused by name") {
  const TemporaryFolder folder;
  const auto file = folder / "m.safetensors";
  const auto refuses = [&](const std::string& key, const std::optional<std::string>& value, const std::string& says) {
    rtdetr::save_model(file, rtdetr::test::tiny_model(), tiny_info());
    damage(file, [&](rtdetr::TensorFile& content) {
      content.metadata.erase(key);
      if (value) content.metadata[key] = *value;
    });
    CHECK_THROWS_WITH(rtdetr::load_model(file), Catch::Contains(says));
    CHECK_THROWS_AS(rtdetr::load_model(file), CheckpointError);
  };
  refuses("format", std::nullopt, "'format'");
  refuses("format", "pt", "train takes such weights: model=YAML weights=");
  refuses("format_version", "2", "newer version");
  refuses("model_yaml", std::nullopt, "'model_yaml'");
  refuses("names", "[\"a\", \"b\"]", "2 names");
  refuses("names", "not json", "JSON array of texts");
  refuses("imgsz", "[640]", "[height, width]");
  refuses("imgsz", "[640, 4611686018427387904]", "[height, width]");
  refuses("best_confidence", "high", "a number from 0 to 1");
  for (const char* ranges :
       {"{", "[]", "{\"a\": 1}", "{\"a\": [1]}", "{\"a\": [2, 1]}", "{\"a\": [0, 1, 2]}", "{\"a\": [0, 1e99]}"})
    refuses("input_ranges", ranges, "an object of [low, high]");
  refuses("resample", "nearest", "is not pillow or opencv but 'nearest'");
  refuses("fit", "crop", "is not stretch or letterbox or keep_ratio but 'crop'");
  refuses("num_classes", "three", "an integer");
}

TEST_CASE("metadata that name fewer classes than the file's model has are refused") {
  const TemporaryFolder folder;
  const auto file = folder / "m.safetensors";
  rtdetr::save_model(file, rtdetr::test::tiny_model(), tiny_info());
  damage(file, [](rtdetr::TensorFile& content) {
    content.metadata["num_classes"] = "2";
    content.metadata["names"] = "[\"red\", \"white\"]";
    content.metadata["category_ids"] = "[1, 2]";
  });
  CHECK_THROWS_WITH(rtdetr::load_model(file), Catch::Contains("its metadata have 2 classes") &&
                                                  Catch::Contains("its model 3") && Catch::Contains("m.safetensors"));
}

TEST_CASE("a file in a half type is half as large, keeps its type and licence, and each number is rounded once") {
  const TemporaryFolder folder;
  DetectionModel model = rtdetr::test::tiny_model(4);
  ModelInfo info = tiny_info();
  rtdetr::save_model(folder / "fp32.safetensors", model, info);
  CHECK(rtdetr::load_model(folder / "fp32.safetensors").info.number_type == rtdetr::Precision::kFloat32);
  CHECK(rtdetr::load_model(folder / "fp32.safetensors").info.license.empty());
  info.license = "apache-2.0";
  for (const auto type : {rtdetr::Precision::kBFloat16, rtdetr::Precision::kFloat16}) {
    info.number_type = type;
    rtdetr::save_model(folder / "half.safetensors", model, info);
    const LoadedModel loaded = rtdetr::load_model(folder / "half.safetensors");
    CHECK(loaded.info.number_type == type);
    CHECK(loaded.info.license == "apache-2.0");
    const auto stored = type == rtdetr::Precision::kFloat16 ? torch::kFloat16 : torch::kBFloat16;
    const auto from = rtdetr::named_state(*model), to = rtdetr::named_state(*loaded.model);
    std::size_t payload = 0, full = 0;
    for (std::size_t i = 0; i < from.size(); ++i) {
      INFO(from[i].first);
      const Tensor expected = from[i].second.is_floating_point() ? from[i].second.to(stored) : from[i].second;
      CHECK(to[i].second.scalar_type() == from[i].second.scalar_type());
      CHECK(to[i].second.equal(expected.to(from[i].second.scalar_type())));
      payload += expected.nbytes();
      full += from[i].second.nbytes();
    }
    CHECK(payload < 0.52 * full);
    std::size_t stored_bytes = 0;
    const rtdetr::SafetensorsReader reader(folder / "half.safetensors");
    for (const rtdetr::TensorEntry& entry : reader.entries()) stored_bytes += entry.bytes;
    CHECK(stored_bytes == payload);
  }
}

TEST_CASE("a number that fp16 cannot hold is refused by name, and no file is written") {
  const TemporaryFolder folder;
  DetectionModel model = rtdetr::test::tiny_model(4);
  {
    const torch::NoGradGuard no_grad;
    for (auto& item : model->named_parameters())
      if (item.key() == "decoder.enc_score_head.bias") item.value().fill_(70000);
  }
  ModelInfo info = tiny_info();
  info.number_type = rtdetr::Precision::kFloat16;
  CHECK_THROWS_WITH(
      rtdetr::save_model(folder / "m.safetensors", model, info),
      Catch::Contains("'decoder.enc_score_head.bias' has the number 70000") && Catch::Contains("dtype=bf16"));
  CHECK_FALSE(std::filesystem::exists(folder / "m.safetensors"));
  info.number_type = rtdetr::Precision::kBFloat16;
  rtdetr::save_model(folder / "m.safetensors", model, info);
  CHECK(std::filesystem::exists(folder / "m.safetensors"));
}

TEST_CASE("a half file whose tensors were changed is refused by its hash") {
  const TemporaryFolder folder;
  ModelInfo info = tiny_info();
  info.number_type = rtdetr::Precision::kBFloat16;
  const auto file = folder / "m.safetensors";
  rtdetr::save_model(file, rtdetr::test::tiny_model(4), info);
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(-1, std::ios::end);
  const char last = static_cast<char>(stream.get() ^ 1);
  stream.seekp(-1, std::ios::end);
  stream.put(last);
  stream.close();
  CHECK_THROWS_WITH(rtdetr::load_model(file), Catch::Contains("its tensors do not match the hash stored with them"));
}

TEST_CASE("a file's constants may be of any type, but must be the numbers that the model's YAML says") {
  std::string text = rtdetr::test::kTinyModel;
  text.replace(text.find("variant: v2"), std::string("variant: v2").size(), "variant: dfine");
  rtdetr::DetectionModel model = rtdetr::build_model(rtdetr::parse_model_spec(text, "tiny.yaml"));
  rtdetr::TensorMap tensors;
  for (const auto& [key, tensor] : rtdetr::named_state(*model)) tensors.emplace(key, tensor.detach().clone());
  tensors["decoder.reg_scale"] = torch::full({1}, 4.0F);
  tensors["decoder.decoder.up"] = torch::full({1}, 0.5, torch::kBFloat16);
  rtdetr::load_state(*model, tensors, "a.pth");
  tensors["decoder.reg_scale"] = torch::full({1}, 8, torch::kInt64);
  CHECK_THROWS_WITH(rtdetr::load_state(*model, tensors, "a.pth"),
                    Catch::Contains("decoder.reg_scale 8 instead of 4") && Catch::Contains("must say the file's"));
  for (const auto& [key, tensor] : rtdetr::named_state(*model)) {
    if (key.ends_with("reg_scale")) CHECK(tensor.item<double>() == 4);
  }
}
