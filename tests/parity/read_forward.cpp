#include <torch/types.h>

#include <catch2/catch.hpp>
#include <functional>
#include <span>

#include "core/tensor/distribution_box.h"
#include "models/heads/detr/location_quality.h"
#include "models/heads/detr/token_positions.h"
#include "models/layers/mlp.h"
#include "models/layers/module_tree.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kProbe = 1e-10, kOutput = 1e-8;     // tests/fixtures/README.md §3, float64
constexpr double kDistribution = 1e-9;               // what D-FINE derives from its distributions
constexpr double kLogits32 = 5e-5, kBoxes32 = 5e-6;  // and float32

using Check = std::function<void(const std::string&, const Tensor&, const Tensor&)>;

bool is_dino(const Fixture& fixture) { return origin_of(model_of(fixture)) == "dino"; }

void check_maps(const Fixture& fixture, const std::string& name, const std::vector<Tensor>& maps, const Check& check) {
  const auto found = fixture.json.find(name + "_shapes");
  const std::size_t usual = name == "projected" ? 4 : 3;
  REQUIRE(maps.size() == (found == fixture.json.end() ? usual : found->size()));
  for (std::size_t k = 0; k < maps.size(); ++k) {
    const std::string key = name + "." + std::to_string(k);
    const Tensor& map = maps[k];
    check(key + ".mean", map.mean({1, 2, 3}), fixture.tensor(key + ".mean"));
    check(key + ".std", map.std({1, 2, 3}, /*unbiased=*/false), fixture.tensor(key + ".std"));
    check(key + ".corner", map.slice(1, 0, 8).slice(2, 0, 4).slice(3, 0, 4), fixture.tensor(key + ".corner"));
  }
}

/// Of a batch of padded pictures; else empty.
std::vector<PictureSize> valid_sizes_of(const Fixture& fixture) {
  std::vector<PictureSize> sizes;
  const auto found = fixture.json["input"].find("valid_sizes_hw");
  if (found == fixture.json["input"].end() || found->is_null()) return sizes;
  for (const auto& size : *found) sizes.push_back({size[1].get<int>(), size[0].get<int>()});
  return sizes;
}

Tensor input_of(const Fixture& fixture) {
  Tensor images = images_by_key(fixture.json["input"]["key"], fixture.json["input"]["shape"]);
  const std::vector<PictureSize> sizes = valid_sizes_of(fixture);
  for (std::size_t b = 0; b < sizes.size(); ++b) {
    images[static_cast<std::int64_t>(b)].slice(1, sizes[b].height).zero_();
    images[static_cast<std::int64_t>(b)].slice(2, sizes[b].width).zero_();
  }
  return images.to(fixture_device());
}

/// Forward pass over the fixture's images with every decoder layer; the probe takes the maps. float32 in the
/// layout that the commands use.
/// @param tokens  as ForwardOptions'
ModelOutput run_all_layers(const Fixture& fixture, DetectionModel& model, torch::Dtype type, MapProbe& probe,
                           const Tensor& tokens = {}) {
  model->to(fixture_device());
  Tensor images = input_of(fixture).to(type);
  if (type == torch::kFloat32) images = images.contiguous(torch::MemoryFormat::ChannelsLast);
  ForwardOptions options;
  options.decoder_layers = model->num_decoder_layers();
  options.all_layers = true;
  options.probe = &probe;
  const std::vector<PictureSize> valid = valid_sizes_of(fixture);
  options.valid_sizes = valid;
  options.tokens = tokens.defined() ? tokens.to(fixture_device()) : tokens;
  ModelOutput output = on_cpu(model->forward(images, options));
  probe.backbone = on_cpu(probe.backbone);
  probe.encoder = on_cpu(probe.encoder);
  probe.projected = on_cpu(probe.projected);
  probe.tokens = on_cpu(probe.tokens);
  return output;
}

/// Tokens of padding all tie: their ranks are in ascending order of the tokens.
Tensor with_sorted_ties(const Fixture& fixture, const Tensor& indices) {
  const auto ties = fixture.json.find("tied_ranks");
  if (ties == fixture.json.end()) return indices;
  Tensor sorted = indices.clone();
  for (std::size_t b = 0; b < ties->size(); ++b) {
    if ((*ties)[b].is_null()) continue;
    const auto first = (*ties)[b][0].get<std::int64_t>(), last = (*ties)[b][1].get<std::int64_t>();
    Tensor tied = sorted[static_cast<std::int64_t>(b)].slice(0, first, last + 1);
    tied.copy_(std::get<0>(tied.sort()));
  }
  return sorted;
}

void check_selection(const Fixture& fixture, const ModelOutput& output) {
  check_equal("topk.indices", with_sorted_ties(fixture, output.topk_indices),
              with_sorted_ties(fixture, fixture.tensor("topk.indices")));
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

/// Of each level the first four tokens, eight numbers.
Tensor first_tokens(const Fixture& fixture, const Tensor& tokens) {
  std::vector<Tensor> levels;
  std::int64_t first = 0;
  for (const auto& shape : fixture.json["shapes_hw"]) {
    levels.push_back(tokens.narrow(1, first, 4).slice(2, 0, 8));
    first += shape[0].get<std::int64_t>() * shape[1].get<std::int64_t>();
  }
  return torch::stack(levels, 1);
}

/// What DINO's head reads and what each of its encoder's layers puts out.
void check_encoder(const Fixture& fixture, const MapProbe& probe, const Check& check) {
  check_maps(fixture, "projected", probe.projected, check);
  REQUIRE(probe.tokens.size() == fixture.json["encoder_layers"].get<std::size_t>());
  for (std::size_t k = 0; k < probe.tokens.size(); ++k) {
    const std::string key = "encoder_layer." + std::to_string(k);
    check(key + ".mean", probe.tokens[k].mean({1, 2}), fixture.tensor(key + ".mean"));
    check(key + ".std", probe.tokens[k].std({1, 2}, /*unbiased=*/false), fixture.tensor(key + ".std"));
    check(key + ".corner", first_tokens(fixture, probe.tokens[k]), fixture.tensor(key + ".corner"));
  }
}

/// The first layer's position of the queries, from the reference's own boxes.
void check_query_position(const Fixture& fixture, const DetectionModel& model) {
  Tensor boxes = fixture.tensor("dec.reference20")[0];
  const std::vector<PictureSize> valid = valid_sizes_of(fixture);
  for (std::size_t b = 0; b < valid.size(); ++b) {
    const ValidCells cells = valid_cells({{32, 32}}, valid[b], {256, 256});
    boxes[static_cast<std::int64_t>(b)].mul_(valid_ratios({{32, 32}}, cells).repeat({1, 2}));
  }
  const Tensor sines = sine_of_boxes(boxes, 256);
  check_relative("dec.query_sine2", sines.slice(1, 0, 2), fixture.tensor("dec.query_sine2"), kProbe);
  const auto head = std::dynamic_pointer_cast<MlpImpl>(model->named_modules()["transformer.decoder.ref_point_head"]);
  check_relative("dec.query_position20.layer0", head->forward(sines).slice(2, 0, 8),
                 fixture.tensor("dec.query_position20.layer0"), kProbe);
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

/// DINO's queries have their content from their rank, so that two that swap move all others a little: compared is a
/// second pass with the reference's own order.
void check_dino32(const Fixture& fixture, DetectionModel& model, const MapProbe& probe, const ModelOutput& output) {
  constexpr double kMemory32 = 5e-5;
  check_encoder(fixture, probe, [](const std::string& what, const Tensor& actual, const Tensor& expected) {
    check_absolute("float32 " + what, actual, expected, kMemory32);
  });
  const Tensor expected = fixture.tensor("topk.indices");
  rows_of_tokens(output.topk_indices, expected);
  MapProbe unused;
  const ModelOutput same = run_all_layers(fixture, model, torch::kFloat32, unused, expected);
  check_absolute("float32 enc.boxes", same.encoder.boxes_cxcywh, fixture.tensor("enc.boxes"), kBoxes32);
  check_absolute("float32 enc.logits20", same.encoder.logits.slice(1, 0, 20), fixture.tensor("enc.logits20"),
                 kLogits32);
  for (std::size_t k = 0; k < same.layers.size(); ++k) {
    const auto layer = static_cast<std::int64_t>(k);
    check_absolute("float32 dec.logits20." + std::to_string(k), same.layers[k].logits.slice(1, 0, 20),
                   fixture.tensor("dec.logits20")[layer], kLogits32);
    check_absolute("float32 dec.boxes20." + std::to_string(k), same.layers[k].boxes_cxcywh.slice(1, 0, 20),
                   fixture.tensor("dec.boxes20")[layer], kBoxes32);
  }
}

}  // namespace

TEST_CASE("forward pass gives the reference's maps, selection and every decoder layer", "[forward]") {
  const torch::NoGradGuard no_grad;
  const Fixture fixture = load_fixture();
  DetectionModel model = build_fixture_model(model_of(fixture), torch::kFloat64);
  MapProbe probe;
  const ModelOutput output = run_all_layers(fixture, model, torch::kFloat64, probe);

  const auto check = [](const auto& what, const auto& a, const auto& e) { check_relative(what, a, e, kProbe); };
  check_maps(fixture, "backbone", probe.backbone, check);
  if (is_dino(fixture)) {
    check_encoder(fixture, probe, check);
    check_query_position(fixture, model);
  } else {
    check_maps(fixture, "encoder", probe.encoder, check);
  }
  check_selection(fixture, output);
  REQUIRE(static_cast<int>(output.layers.size()) == fixture.json["decoder_layers"].get<int>());
  check_layers(fixture, output.layers);
  if (output.extras) {
    check_distributions(fixture, model, output);
    check_deployed(fixture, model);
  }
  if (!fixture.tensors.contains("pred_logits")) return;

  // What the configuration itself stops at, of the first picture, which is stored: in float32, so that it is equal
  // after rounding, up to one unit in the last place.
  const std::vector<PictureSize> valid = valid_sizes_of(fixture);
  ForwardOptions options;
  if (!valid.empty()) options.valid_sizes = std::span(valid).first(1);
  const Prediction last = on_cpu(model->forward(input_of(fixture).narrow(0, 0, 1), options)).layers.back();
  check_absolute("pred_logits", last.logits[0].to(torch::kFloat32), fixture.tensor("pred_logits"), 5e-7);
  check_absolute("pred_boxes", last.boxes_cxcywh[0].to(torch::kFloat32), fixture.tensor("pred_boxes"), 1e-7);
}

TEST_CASE("forward pass in float32 stays within float32's rounding", "[forward]") {
  const torch::NoGradGuard no_grad;
  const Fixture fixture = load_fixture();
  const std::string name = model_of(fixture);
  DetectionModel model = build_fixture_model(name, torch::kFloat32);
  to_channels_last(*model);
  MapProbe probe;
  const ModelOutput output = run_all_layers(fixture, model, torch::kFloat32, probe);

  const bool large_values = name == "v1_r101vd";  // its maps reach 40
  const Check check = [&](const std::string& what, const Tensor& actual, const Tensor& expected) {
    large_values ? check_absolute("float32 " + what, actual, expected, 1e-4)
                 : check_relative("float32 " + what, actual, expected, 2e-5);
  };
  check_maps(fixture, "backbone", probe.backbone, check);
  if (is_dino(fixture)) return check_dino32(fixture, model, probe, output);
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
