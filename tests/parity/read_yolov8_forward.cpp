// YOLOv8: keys, sizes and what every map, branch and cell puts out.
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/base/hash.h"
#include "core/base/text.h"
#include "models/deploy/size.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "tests/parity/yolov8_model.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kMap = 1e-10, kBoxes = 1e-7, kScores = 1e-9;                   // tests/fixtures/README.md §6, float64
constexpr double kRawSingle = 5e-4, kBoxesSingle = 0.02, kScoresSingle = 5e-5;  // and float32

struct DensePass {
  ModelOutput output;
  Tensor sides, logits, distances, boxes;  ///< [B, 64 or C or 4, A]; boxes cxcywh in pixels of the input
  Tensor scores() const { return logits.sigmoid(); }
};

DensePass run_densely(const Fixture& fixture, DetectionModel& model, torch::Dtype type, MapProbe* probe = nullptr) {
  Tensor images = images_by_key(fixture.json["input"]["key"], fixture.json["input"]["shape"]).to(type);
  if (type == torch::kFloat32) images = images.contiguous(torch::MemoryFormat::ChannelsLast);
  DensePass pass;
  pass.output = model->forward(images, {.probe = probe});
  const DenseExtras& extras = dense_extras_of(pass.output);
  const Prediction& last = pass.output.layers.back();
  pass.sides = raw_sides(extras);
  pass.logits = last.logits.transpose(1, 2);
  pass.distances = extras.distances.transpose(1, 2);
  const auto height = static_cast<double>(images.size(2)), width = static_cast<double>(images.size(3));
  const Tensor pixels = torch::tensor({width, height, width, height}, torch::kFloat64).to(type);
  pass.boxes = (last.boxes_cxcywh * pixels).transpose(1, 2);
  return pass;
}

/// The first 20 anchors of level k.
Tensor some_of(const Fixture& fixture, const Tensor& all, std::size_t k) {
  const std::int64_t first = fixture.json["level_offsets"][k];
  return all.slice(2, first, first + 20);
}

void check_maps_of_rows(const Fixture& fixture, const MapProbe& probe) {
  std::vector<Tensor> means, deviations;
  for (const Tensor& map : probe.rows) {
    means.push_back(map.mean({1, 2, 3}));
    deviations.push_back(map.std({1, 2, 3}, /*unbiased=*/false));
  }
  check_relative("rows.mean", torch::stack(means), fixture.tensor("rows.mean"), kMap);
  check_relative("rows.std", torch::stack(deviations), fixture.tensor("rows.std"), kMap);
  for (std::size_t k = 0; k < 3; ++k) {
    const auto corner = [](const Tensor& map) { return map.slice(1, 0, 8).slice(2, 0, 4).slice(3, 0, 4); };
    const std::string end = "." + std::to_string(k) + ".corner";
    check_relative("backbone" + end, corner(probe.backbone.at(k)), fixture.tensor("backbone" + end), kMap);
    check_relative("encoder" + end, corner(probe.encoder.at(k)), fixture.tensor("encoder" + end), kMap);
  }
}

void check_sums(const Fixture& fixture, const std::string& name, const Tensor& all, double limit) {
  check_relative(name + "_sum", all.sum(2), fixture.tensor(name + "_sum"), limit);
  check_relative(name + "_abs_sum", all.abs().sum(2), fixture.tensor(name + "_abs_sum"), limit);
}

/// Of "key [3, 4] float32" of all tensors, as Python writes it, in their order.
std::string hash_of_state(const DetectionModel& model) {
  Sha256 hash;
  for (const auto& [key, tensor] : named_state(*model)) {
    std::vector<std::string> sizes;
    for (const std::int64_t size : tensor.sizes()) sizes.push_back(std::to_string(size));
    const bool counts = tensor.scalar_type() == torch::kInt64;
    hash.update(key + " [" + join(sizes, ", ") + "] " + (counts ? "int64" : "float32") + "\n");
  }
  return hash.hex_digest();
}

DetectionModel shapes_of(const std::string& name, std::optional<std::int64_t> classes = std::nullopt) {
  BuildOptions options;
  options.shapes_only = true;
  options.num_classes = classes;
  return build_model(load_model_spec(name), options);
}

}  // namespace

TEST_CASE("YOLOv8's maps, branches and boxes are the reference's", "[yolov8_forward]") {
  const torch::NoGradGuard no_grad;
  const Fixture fixture = load_fixture();
  DetectionModel model = build_yolov8(fixture);
  model->eval();
  MapProbe probe;
  probe.every_row = true;
  const DensePass pass = run_densely(fixture, model, torch::kFloat64, &probe);
  check_maps_of_rows(fixture, probe);
  for (std::size_t k = 0; k < 3; ++k) {
    const std::string level = "20." + std::to_string(k);
    const Tensor decoded = fixture.tensor("decoded" + level);
    check_relative("raw.boxes" + level, some_of(fixture, pass.sides, k), fixture.tensor("raw.boxes" + level), kMap);
    check_relative("raw.scores" + level, some_of(fixture, pass.logits, k), fixture.tensor("raw.scores" + level), kMap);
    check_relative("dfl" + level, some_of(fixture, pass.distances, k), fixture.tensor("dfl" + level), kMap);
    check_absolute("boxes" + level, some_of(fixture, pass.boxes, k), decoded.slice(1, 0, 4), kBoxes);
    check_absolute("scores" + level, some_of(fixture, pass.scores(), k), decoded.slice(1, 4), kScores);
  }
  check_sums(fixture, "raw.boxes", pass.sides, kMap);
  check_sums(fixture, "raw.scores", pass.logits, kMap);
  check_sums(fixture, "dfl", pass.distances, kMap);
  const Tensor decoded = torch::cat({pass.boxes, pass.scores()}, 1);
  check_sums(fixture, "decoded", decoded, kMap);
  check_absolute("decoded.last20", decoded.slice(2, -20), fixture.tensor("decoded.last20"), kBoxes);
}

TEST_CASE("YOLOv8 in float32, fused or not, stays within float32's rounding", "[yolov8_forward]") {
  const torch::NoGradGuard no_grad;
  const Fixture fixture = load_fixture();
  DetectionModel model = build_yolov8(fixture);
  model->eval();
  model->to(torch::kFloat32);
  to_channels_last(*model);
  for (const std::string kind : {"float32 ", "fused float32 "}) {
    if (kind.starts_with("fused")) model->fuse();
    const DensePass pass = run_densely(fixture, model, torch::kFloat32);
    for (std::size_t k = 0; k < 3; ++k) {
      const std::string level = "20." + std::to_string(k);
      const Tensor decoded = fixture.tensor("decoded" + level);
      check_absolute(kind + "raw.boxes" + level, some_of(fixture, pass.sides, k), fixture.tensor("raw.boxes" + level),
                     kRawSingle);
      check_absolute(kind + "raw.scores" + level, some_of(fixture, pass.logits, k),
                     fixture.tensor("raw.scores" + level), kRawSingle);
      check_absolute(kind + "boxes" + level, some_of(fixture, pass.boxes, k), decoded.slice(1, 0, 4), kBoxesSingle);
      check_absolute(kind + "scores" + level, some_of(fixture, pass.scores(), k), decoded.slice(1, 4), kScoresSingle);
    }
  }
}

TEST_CASE("YOLOv8's state has the reference's keys in its order", "[yolov8_state_dict]") {
  const Fixture fixture = load_fixture();
  DetectionModel model = shapes_of("yolov8" + fixture.stem.substr(fixture.stem.rfind('_') + 1));
  const auto state = named_state(*model);
  REQUIRE(state.size() == fixture.json["state_dict"].size());
  std::int64_t differences = 0;
  for (std::size_t i = 0; i < state.size(); ++i) {
    const nlohmann::json& expected = fixture.json["state_dict"][i];
    const bool same = state[i].first == expected[0].get<std::string>() &&
                      state[i].second.sizes().vec() == expected[1].get<std::vector<std::int64_t>>();
    if (!same) FAIL_CHECK(state[i].first << " instead of " << expected[0]);
    differences += same ? 0 : 1;
  }
  check_none("keys", differences);
  std::vector<std::string> frozen;
  for (const auto& parameter : model->named_parameters()) {
    if (!parameter.value().requires_grad()) frozen.push_back(parameter.key());
  }
  CHECK(frozen == fixture.json["frozen_parameters"].get<std::vector<std::string>>());
}

TEST_CASE("YOLOv8's sizes have the reference's state, parameters and operations", "[yolov8_models]") {
  const Fixture fixture = load_fixture();
  for (const auto& [letter, expected] : fixture.json["models"].items()) {
    DetectionModel model = shapes_of("yolov8" + letter);
    CHECK(hash_of_state(model) == expected["state_dict_sha256"].get<std::string>());
    check_number(letter + " parameters", static_cast<double>(count_parameters(*model)), expected["parameters"], 0);
    std::vector<std::int64_t> of_rows;
    for (const auto& row : model->rows()) of_rows.push_back(row.parameters);
    CHECK(of_rows == expected["row_parameters"].get<std::vector<std::int64_t>>());
    check_number(letter + " fused parameters", static_cast<double>(count_deployed_parameters(*model)),
                 expected["parameters_fused"], 0);
    model->fuse();
    check_number(letter + " parameters, fused here", static_cast<double>(count_parameters(*model)),
                 expected["parameters_fused"], 0);
    check_number(letter + " GFLOPs", count_gflops(model, 640, 640), expected["gflops_640_fused"], 1e-6);
  }
}

TEST_CASE("YOLOv8's head widens with the classes and starts from the reference's biases", "[yolov8_models]") {
  const Fixture fixture = load_fixture();
  for (const auto& [classes, expected] : fixture.json["yolov8n_by_classes"].items()) {
    BuildOptions options;
    options.num_classes = std::stoll(classes);
    DetectionModel model = build_model(load_model_spec("yolov8n"), options);
    check_number(classes + " classes, parameters", static_cast<double>(count_parameters(*model)),
                 expected["parameters"], 0);
    const auto parameters = model->named_parameters();
    for (std::size_t k = 0; k < 3; ++k) {
      const std::string end = "." + std::to_string(k) + ".2.bias";
      const Tensor of_classes = parameters["model.22.cv3" + end], of_boxes = parameters["model.22.cv2" + end];
      check_absolute(classes + " classes, cv3" + end, of_classes,
                     torch::full_like(of_classes, expected["class_bias"][k].get<double>()), 1e-5);
      check_absolute(classes + " classes, cv2" + end, of_boxes,
                     torch::full_like(of_boxes, fixture.json["initial_biases"]["cv2" + end].get<double>()), 0);
    }
    check_equal("dfl", parameters["model.22.dfl.conv.weight"].flatten(), torch::arange(16));
  }
}

}  // namespace rtdetr::test
