#include <torch/torch.h>

#include <catch2/catch.hpp>
#include <functional>

#include "models/layers/module_tree.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kProbe = 1e-10, kOutput = 1e-8;     // tests/fixtures/README.md §3, float64
constexpr double kLogits32 = 5e-5, kBoxes32 = 5e-6;  // and float32

using Check = std::function<void(const std::string&, const Tensor&, const Tensor&)>;

void check_maps(const Fixture& fixture, const std::string& name, const std::vector<Tensor>& maps, const Check& check) {
  REQUIRE(maps.size() == 3);
  for (std::size_t k = 0; k < maps.size(); ++k) {
    const std::string key = name + "." + std::to_string(k);
    const Tensor& map = maps[k];
    check(key + ".mean", map.mean({1, 2, 3}), fixture.tensor(key + ".mean"));
    check(key + ".std", map.std({1, 2, 3}, /*unbiased=*/false), fixture.tensor(key + ".std"));
    check(key + ".corner", map.slice(1, 0, 8).slice(2, 0, 4).slice(3, 0, 4), fixture.tensor(key + ".corner"));
  }
}

Tensor input_of(const Fixture& fixture) {
  return images_by_key(fixture.json["input"]["key"], fixture.json["input"]["shape"]).to(fixture_device());
}

/// Forward pass over the fixture's images with every decoder layer; the probe takes the maps. float32 in the
/// layout that the commands use.
ModelOutput run_all_layers(const Fixture& fixture, DetectionModel& model, torch::Dtype type, MapProbe& probe) {
  model->to(fixture_device());
  Tensor images = input_of(fixture).to(type);
  if (type == torch::kFloat32) images = images.contiguous(torch::MemoryFormat::ChannelsLast);
  ForwardOptions options;
  options.decoder_layers = model->num_decoder_layers();
  options.all_layers = true;
  options.probe = &probe;
  ModelOutput output = on_cpu(model->forward(images, options));
  probe.backbone = on_cpu(probe.backbone);
  probe.encoder = on_cpu(probe.encoder);
  return output;
}

void check_selection(const Fixture& fixture, const ModelOutput& output) {
  check_equal("topk.indices", output.topk_indices, fixture.tensor("topk.indices"));
  check_absolute("topk.scores", std::get<0>(output.encoder.logits.max(2)), fixture.tensor("topk.scores"), kOutput);
  check_absolute("enc.boxes", output.encoder.boxes_cxcywh, fixture.tensor("enc.boxes"), kOutput);
  check_absolute("enc.logits20", output.encoder.logits.slice(1, 0, 20), fixture.tensor("enc.logits20"), kOutput);
}

void check_layers(const Fixture& fixture, const std::vector<Prediction>& layers) {
  std::vector<Tensor> logits, boxes;
  for (const Prediction& layer : layers) {
    logits.push_back(layer.logits);
    boxes.push_back(layer.boxes_cxcywh);
  }
  const Tensor all_logits = torch::stack(logits), all_boxes = torch::stack(boxes);  // [L, B, Q, …]
  check_absolute("dec.logits20", all_logits.slice(2, 0, 20), fixture.tensor("dec.logits20"), kOutput);
  check_absolute("dec.boxes20", all_boxes.slice(2, 0, 20), fixture.tensor("dec.boxes20"), kOutput);
  check_absolute("dec.logits_sum", all_logits.sum({2, 3}), fixture.tensor("dec.logits_sum"), kOutput);
  check_absolute("dec.logits_abs_sum", all_logits.abs().sum({2, 3}), fixture.tensor("dec.logits_abs_sum"), kOutput);
  check_absolute("dec.boxes_sum", all_boxes.sum(2), fixture.tensor("dec.boxes_sum"), kOutput);
}

}  // namespace

TEST_CASE("forward pass gives the reference's maps, selection and every decoder layer", "[forward]") {
  const torch::NoGradGuard no_grad;
  const Fixture fixture = load_fixture();
  DetectionModel model = build_fixture_model(fixture.json["name"]);
  MapProbe probe;
  const ModelOutput output = run_all_layers(fixture, model, torch::kFloat64, probe);

  const auto check = [](const auto& what, const auto& a, const auto& e) { check_relative(what, a, e, kProbe); };
  check_maps(fixture, "backbone", probe.backbone, check);
  check_maps(fixture, "encoder", probe.encoder, check);
  check_selection(fixture, output);
  REQUIRE(static_cast<int>(output.layers.size()) == fixture.json["decoder_layers"].get<int>());
  check_layers(fixture, output.layers);

  // What the configuration itself stops at. Stored in float32: equal after rounding, up to one unit in the last place.
  const Prediction last = on_cpu(model->forward(input_of(fixture))).layers.back();
  check_absolute("pred_logits", last.logits[0].to(torch::kFloat32), fixture.tensor("pred_logits"), 5e-7);
  check_absolute("pred_boxes", last.boxes_cxcywh[0].to(torch::kFloat32), fixture.tensor("pred_boxes"), 1e-7);
}

TEST_CASE("forward pass in float32 stays within float32's rounding", "[forward]") {
  const torch::NoGradGuard no_grad;
  const Fixture fixture = load_fixture();
  const std::string name = fixture.json["name"];
  DetectionModel model = build_fixture_model(name);
  model->to(torch::kFloat32);
  to_channels_last(*model);
  MapProbe probe;
  const ModelOutput output = run_all_layers(fixture, model, torch::kFloat32, probe);

  const bool large_values = name == "v1_r101vd";  // its maps reach 40
  const Check check = [&](const std::string& what, const Tensor& actual, const Tensor& expected) {
    large_values ? check_absolute("float32 " + what, actual, expected, 1e-4)
                 : check_relative("float32 " + what, actual, expected, 2e-5);
  };
  check_maps(fixture, "backbone", probe.backbone, check);
  check_maps(fixture, "encoder", probe.encoder, check);
  const Tensor rows = rows_of_tokens(output.topk_indices, fixture.tensor("topk.indices"));
  check_absolute("float32 enc.boxes", aligned(output.encoder.boxes_cxcywh, rows, rows.size(1)),
                 fixture.tensor("enc.boxes"), kBoxes32);
  check_absolute("float32 enc.logits20", aligned(output.encoder.logits, rows, 20), fixture.tensor("enc.logits20"),
                 kLogits32);
  for (std::size_t k = 0; k < output.layers.size(); ++k) {
    const auto layer = static_cast<std::int64_t>(k);
    check_rows("float32 dec.logits20." + std::to_string(k), aligned(output.layers[k].logits, rows, 20),
               fixture.tensor("dec.logits20")[layer], kLogits32, samples_discretely(name));
    check_rows("float32 dec.boxes20." + std::to_string(k), aligned(output.layers[k].boxes_cxcywh, rows, 20),
               fixture.tensor("dec.boxes20")[layer], kBoxes32, samples_discretely(name));
  }
}

}  // namespace rtdetr::test
