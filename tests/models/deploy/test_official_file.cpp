#include "models/deploy/official_file.h"

#include <torch/types.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "core/io/file.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "models/weights/pretrained.h"
#include "tests/models/small_model.h"
#include "tests/models/tiny_model.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/fixtures.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {

using Catch::Matchers::Contains;
using test::replaced;
using test::TemporaryFolder;

namespace {

DetectionModel model_of(const std::string& text, std::uint64_t seed = 3) {
  BuildOptions options;
  options.seed = seed;
  return build_model(parse_model_spec(text, "model.yaml"), options);
}

std::string interop_yaml(const std::string& name) {
  return read_text_file(test::kFixtures / "interop" / (name + ".yaml"));
}

}  // namespace

TEST_CASE("the official state of the published models has the official code's entries, v2's anchors too") {
  for (const std::string name : {"v1_r18vd", "v1_r50vd_m", "v2_r18vd", "v2_hgnetv2_l", "v2_r18vd_sp3"}) {
    INFO(name);
    const auto expected = nlohmann::json::parse(read_text_file(test::kFixtures / ("state_dict_" + name + ".json")));
    BuildOptions options;
    options.initial_weights = false;
    const std::string file = (name[1] == '1' ? "rtdetr_" : "rtdetrv2_") + name.substr(3);
    const DetectionModel model = build_model(load_model_spec(file), options);
    CHECK(official_obstacles(model).empty());
    const TensorMap state = official_state(model, {640, 640});
    std::set<std::string> keys;
    for (const auto& entry : expected["state_dict"]) {
      const std::string key = entry[0];
      INFO(key);
      keys.insert(key);
      REQUIRE(state.contains(key));
      CHECK(state.at(key).sizes().vec() == entry[1].get<std::vector<std::int64_t>>());
      const std::string type = entry[2];
      CHECK(type == (state.at(key).scalar_type() == torch::kBool    ? "bool"
                     : state.at(key).scalar_type() == torch::kInt64 ? "int64"
                                                                    : "float32"));
    }
    CHECK(keys.size() == state.size());
    CHECK(keys.contains("decoder.anchors") == (name[1] == '2'));
  }
}

TEST_CASE("an official file gives a new model the same tensors, bit by bit") {
  const TemporaryFolder folder;
  for (const std::string name : {"official_v1_basic", "official_v2_bottleneck"}) {
    INFO(name);
    const DetectionModel source = model_of(interop_yaml(name), 3);
    const std::string file = folder / (name + ".pth");
    save_official_file(file, official_state(source, {64, 64}), {});
    DetectionModel target = model_of(interop_yaml(name), 4);
    std::vector<std::string> classes(static_cast<std::size_t>(target->num_classes()), "class");
    for (std::size_t i = 0; i < classes.size(); ++i) classes[i] += std::to_string(i);
    TransferReport report;
    const std::string said = test::stderr_of([&] { report = take_weights(*target, classes, file); });
    CHECK_THAT(said, Contains("they are its 'ema.module'"));
    CHECK(report.taken() == report.of_model());
    CHECK(report.count(TransferredEntry::Fate::kUnused) == 0);  // the anchors and their mask are known
    const auto from = named_state(*source), to = named_state(*target);
    REQUIRE(from.size() == to.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      INFO(from[i].first);
      CHECK(from[i].second.equal(to[i].second));
    }
  }
}

TEST_CASE("v2's anchors are of the size that is said, and their mask is all true where every one is valid") {
  const DetectionModel model = model_of(interop_yaml("official_v2_bottleneck"));
  const TensorMap small = official_state(model, {64, 96}), large = official_state(model, {640, 640});
  CHECK(small.at("decoder.anchors").sizes() == torch::IntArrayRef({1, 8 * 12 + 4 * 6 + 2 * 3, 4}));
  CHECK(small.at("decoder.valid_mask").all().item<bool>());
  CHECK(large.at("decoder.valid_mask").sum().item<std::int64_t>() == 8084);
  CHECK(large.at("decoder.anchors").isinf().sum().item<std::int64_t>() == 1264);
}

TEST_CASE("what the official code cannot hold is said with what to do: fused, another graph, another option") {
  const std::string v2 = interop_yaml("official_v2_bottleneck");
  const auto said = [](const DetectionModel& model) {
    std::string all;
    for (const std::string& obstacle : official_obstacles(model)) all += obstacle + "\n";
    return all;
  };
  CHECK(said(model_of(v2)).empty());
  DetectionModel fused = model_of(v2);
  fused->eval();
  fused->fuse();
  CHECK_THAT(said(fused), Contains("it is fused") && Contains("take the checkpoint that it was exported from"));
  CHECK_THAT(said(test::tiny_model()), Contains("no 'model.0.conv.weight'"));
  CHECK_THAT(said(model_of(interop_yaml("ultralytics_rtdetr-tiny_stripped"))),
             Contains("as Ultralytics writes it") && Contains("safetensors.torch.load_file"));
  CHECK_THAT(said(model_of(replaced(v2, "variant: v2", "variant: v2, anchors: fixed"))),
             Contains("has anchors: fixed") && Contains("official alone"));
  CHECK_THAT(said(model_of(replaced(v2, "norm_eps: 1.0e-5", "norm_eps: 1.0e-3"))),
             Contains("norm_eps is 0.001") && Contains("norm_eps: 1.0e-5 in the model's YAML"));
  CHECK_THAT(said(model_of(replaced(v2, "variant: v2", "variant: v2, mlp_act: silu"))),
             Contains("mlp_act is not relu"));
  CHECK_THAT(said(model_of(replaced(v2, "variant: v2", "variant: v2, two_stage: false"))),
             Contains("two_stage: false"));
  const std::string v1 = interop_yaml("official_v1_basic");
  CHECK(said(model_of(v1)).empty());
  CHECK_THAT(said(model_of(replaced(v1, "variant: v1", "variant: v1, select: one2many"))),
             Contains("RT-DETR v1 tokens alone"));
  CHECK_THAT(said(model_of(replaced(v1, "variant: v1", "variant: v1, sampling: discrete"))),
             Contains("sampling: discrete"));
  CHECK_THAT(said(model_of(replaced(v1, "points: 2", "points: [1, 2, 3]"))), Contains("as many on all"));
}

}  // namespace rtdetr
