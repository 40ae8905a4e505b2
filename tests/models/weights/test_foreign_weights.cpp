#include "models/weights/foreign_weights.h"

#include <torch/torch.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"
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

TEST_CASE("official and Ultralytics files give a model every tensor, exactly") {
  const std::map<std::string, std::string> files = {{"official_v1_basic", ".pth"},
                                                    {"official_v1_basic_legacy", ".pth"},
                                                    {"official_v2_bottleneck", ".pth"},
                                                    {"ultralytics_rtdetr-tiny_stripped", ".pt"}};
  for (const auto& [name, suffix] : files) {
    INFO(name);
    DetectionModel model = model_beside(name);
    const bool half = suffix == ".pt";
    const std::string file = kInterop / (name + suffix);
    const auto opened = open_weights(file);
    std::set<std::string> keys;
    for (const auto& [key, value] : named_state(*model)) keys.insert(key);
    std::vector<std::string> names = find_weights(*opened, keys, file).names;
    if (names.empty()) names = numbered(model->num_classes());
    const std::string said = stderr_of([&] { take_weights(*model, names, file); });
    INFO(said);
    CHECK(said.find("initial values") == std::string::npos);
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
