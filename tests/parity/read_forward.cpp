#include <torch/torch.h>

#include <catch2/catch.hpp>
#include <functional>

#include "core/tensor/distribution_box.h"
#include "models/heads/detr/location_quality.h"
#include "models/layers/module_tree.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kProbe = 1e-10, kOutput = 1e-8;     // tests/fixtures/README.md §3, float64
constexpr double kDistribution = 1e-9;               // what D-FINE derives from its distributions
constexpr double kLogits32 = 5e-5, kBoxes32 = 5e-6;  // and float32

using Check = std::function<void(const std::string&, const Tensor&, const Tensor&)>;

void check_maps(const Fixture& fixture, const std::string& name, const std::vector<Tensor>& maps, const Check& check) {
  const auto found = fixture.json.find(name + "_shapes");
  REQUIRE(maps.size() == (found == fixture.json.end() ? 3 : found->size()));
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
  if (fixture.tensors.contains("topk.scores"))
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

/// What D-FINE's decoder has besides: the initial boxes, the distributions, and what they add to the scores.
void check_distributions(const Fixture& fixture, const DetectionModel& model, const ModelOutput& output) {
  const auto& extras = dynamic_cast<const DistributionExtras&>(*output.extras);
  const Prediction& initial = extras.initial;
  check_absolute("pre.boxes", initial.boxes_cxcywh, fixture.tensor("pre.boxes"), kDistribution);
  check_absolute("pre.logits20", initial.logits.slice(1, 0, 20), fixture.tensor("pre.logits20"), kDistribution);
  const Tensor corners = torch::stack(extras.corners);  // [L, B, Q, 4 · bins]
  const std::string some = fixture.tensors.contains("dec.corners20") ? "20" : "5";
  check_absolute("dec.corners" + some, corners.slice(2, 0, std::stoi(some)), fixture.tensor("dec.corners" + some),
                 kOutput);
  check_absolute("dec.corners_sum", corners.sum(2), fixture.tensor("dec.corners_sum"), kOutput);
  check_absolute("dec.corners_abs_sum", corners.abs().sum({2, 3}), fixture.tensor("dec.corners_abs_sum"), kOutput);
  const Tensor shares = shares_of_bins(corners.slice(2, 0, 20), extras.options);
  check_absolute("dec.distances20", mean_deviations(shares, deviations_of_bins(extras.options)),
                 fixture.tensor("dec.distances20"), kDistribution);
  std::vector<Tensor> qualities;
  for (std::int64_t k = 0; k < corners.size(0); ++k) {
    const auto module = model->named_modules()["decoder.decoder.lqe_layers." + std::to_string(k)];
    qualities.push_back(std::dynamic_pointer_cast<LocationQualityImpl>(module)->forward(shares[k], torch::kFloat64));
  }
  const Tensor expected = fixture.tensor("dec.quality20");
  check_absolute("dec.quality20", torch::stack(qualities).expand_as(expected), expected, kDistribution);
}

/// The folded kernels under the reference's names, and what they give.
void check_deployed(const Fixture& fixture, DetectionModel& model) {
  if (!fixture.tensors.contains("deploy.norm")) return;
  model->fuse();
  const auto parameters = model->named_parameters();
  std::vector<Tensor> norms, firsts;
  for (std::string name : fixture.json["deploy"]["new_keys"]) {
    const std::string theirs = "conv_bn_fused";
    if (const auto place = name.find(theirs); place != std::string::npos) name.replace(place, theirs.size(), "conv");
    const Tensor* parameter = parameters.find(name);
    REQUIRE(parameter);
    norms.push_back(parameter->norm());
    firsts.push_back(parameter->flatten().slice(0, 0, 4));
  }
  check_relative("deploy.norm", torch::stack(norms), fixture.tensor("deploy.norm"), kProbe);
  check_relative("deploy.first4", torch::stack(firsts), fixture.tensor("deploy.first4"), kProbe);
  const Prediction last = on_cpu(model->forward(input_of(fixture).to(torch::kFloat64))).layers.back();
  check_relative("deploy.logits20", last.logits.slice(1, 0, 20), fixture.tensor("deploy.logits20"), kProbe);
  check_relative("deploy.boxes20", last.boxes_cxcywh.slice(1, 0, 20), fixture.tensor("deploy.boxes20"), kProbe);
}

}  // namespace

TEST_CASE("forward pass gives the reference's maps, selection and every decoder layer", "[forward]") {
  const torch::NoGradGuard no_grad;
  const Fixture fixture = load_fixture();
  DetectionModel model = build_fixture_model(model_of(fixture));
  MapProbe probe;
  const ModelOutput output = run_all_layers(fixture, model, torch::kFloat64, probe);

  const auto check = [](const auto& what, const auto& a, const auto& e) { check_relative(what, a, e, kProbe); };
  check_maps(fixture, "backbone", probe.backbone, check);
  check_maps(fixture, "encoder", probe.encoder, check);
  check_selection(fixture, output);
  REQUIRE(static_cast<int>(output.layers.size()) == fixture.json["decoder_layers"].get<int>());
  check_layers(fixture, output.layers);
  if (output.extras) {
    check_distributions(fixture, model, output);
    check_deployed(fixture, model);
  }
  if (!fixture.tensors.contains("pred_logits")) return;

  // What the configuration itself stops at. Stored in float32: equal after rounding, up to one unit in the last place.
  const Prediction last = on_cpu(model->forward(input_of(fixture))).layers.back();
  check_absolute("pred_logits", last.logits[0].to(torch::kFloat32), fixture.tensor("pred_logits"), 5e-7);
  check_absolute("pred_boxes", last.boxes_cxcywh[0].to(torch::kFloat32), fixture.tensor("pred_boxes"), 1e-7);
}

TEST_CASE("forward pass in float32 stays within float32's rounding", "[forward]") {
  const torch::NoGradGuard no_grad;
  const Fixture fixture = load_fixture();
  const std::string name = model_of(fixture);
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
  if (!output.extras) return;
  const auto& extras = dynamic_cast<const DistributionExtras&>(*output.extras);
  check_absolute("float32 pre.boxes", aligned(extras.initial.boxes_cxcywh, rows, rows.size(1)),
                 fixture.tensor("pre.boxes"), kBoxes32);
  const std::string some = fixture.tensors.contains("dec.corners20") ? "20" : "5";
  for (std::size_t k = 0; k < extras.corners.size(); ++k) {
    check_absolute("float32 dec.corners" + some + "." + std::to_string(k),
                   aligned(extras.corners[k], rows, std::stoi(some)),
                   fixture.tensor("dec.corners" + some)[static_cast<std::int64_t>(k)], kBoxes32);
  }
}

}  // namespace rtdetr::test
