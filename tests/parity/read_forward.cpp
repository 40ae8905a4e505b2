#include <torch/torch.h>

#include <catch2/catch.hpp>

#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kProbe = 1e-10, kOutput = 1e-8;  // tests/fixtures/README.md §3, float64

void check_maps(const Fixture& fixture, const std::string& name, const std::vector<Tensor>& maps) {
  REQUIRE(maps.size() == 3);
  for (std::size_t k = 0; k < maps.size(); ++k) {
    const std::string key = name + "." + std::to_string(k);
    const Tensor& map = maps[k];
    check_relative(key + ".mean", map.mean({1, 2, 3}), fixture.tensor(key + ".mean"), kProbe);
    check_relative(key + ".std", map.std({1, 2, 3}, /*unbiased=*/false), fixture.tensor(key + ".std"), kProbe);
    check_relative(key + ".corner", map.slice(1, 0, 8).slice(2, 0, 4).slice(3, 0, 4), fixture.tensor(key + ".corner"),
                   kProbe);
  }
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
  const Tensor images = images_by_key(fixture.json["input"]["key"], fixture.json["input"]["shape"]);
  model->keep_probes = true;
  ForwardOptions options;
  options.decoder_layers = model->num_decoder_layers();
  options.all_layers = true;
  const ModelOutput output = model->forward(images, options);

  check_maps(fixture, "backbone", model->backbone_maps);
  check_maps(fixture, "encoder", model->encoder_maps);
  check_selection(fixture, output);
  REQUIRE(static_cast<int>(output.layers.size()) == fixture.json["decoder_layers"].get<int>());
  check_layers(fixture, output.layers);

  // What the configuration itself stops at. Stored in float32: equal after rounding, up to one unit in the last place.
  const Prediction last = model->forward(images).layers.back();
  check_absolute("pred_logits", last.logits[0].to(torch::kFloat32), fixture.tensor("pred_logits"), 5e-7);
  check_absolute("pred_boxes", last.boxes_cxcywh[0].to(torch::kFloat32), fixture.tensor("pred_boxes"), 1e-7);
}

}  // namespace rtdetr::test
