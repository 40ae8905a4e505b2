// The whole model in train mode: one forward pass with the reference's denoising draws, the loss, one backward pass.
#include <torch/types.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "core/base/text.h"
#include "core/tensor/distribution_box.h"
#include "losses/criterion.h"
#include "models/graph/model_files.h"
#include "models/heads/detr/denoising.h"
#include "models/layers/module_tree.h"
#include "tests/parity/denoising_draws.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kTrainOutput = 1e-8, kLoss = 1e-9, kGradient = 1e-8;  // tests/fixtures/README.md §3, float64
/// Gradients smaller than this are measured against it: in theory zero, they carry rounding noise.
constexpr double kSmallGradient = 1e-2;

constexpr double kLoss32 = 1e-5, kGradient32 = 1e-2, kTotalGradient32 = 1e-3;  // float32
constexpr double kDiscreteLoss32 = 2e-4;
constexpr double kDinoLoss32 = 2e-3, kDinoTotal32 = 1e-4;  // ranks that swap move all others a little
// Of rtdetr-l Ultralytics' own float32 pass does not reach these (docs/parity.md), so its small results are measured
// against a share of all, and its gradients have three times the room.
constexpr double kDeepSmallLoss32 = 0.1;       ///< of the total loss
constexpr double kDeepSmallGradient32 = 1e-5;  ///< of the norm of all gradients
constexpr double kDeepGradient32 = 3e-2;
// D-FINE's (spec of its fixtures): DDF is a small difference of large sums, an affine block's gradient a sum over a
// map.
constexpr double kNoise = 1e-9;                              ///< of all gradients, in float64
constexpr double kDdf32 = 1e-3, kDdfOfTotal32 = 1e-7;        ///< of the term, of the total loss
constexpr double kDfineGradient32 = 2e-2, kAffine32 = 1e-3;  ///< of a parameter's norm, of the norm of all
constexpr std::int64_t kMostBoxes = 1000;                    ///< of an image: a pair of query and box as one number

/// In float32 the norm of all of DEIMv2-N's gradients is its picture's rounding, many times over (docs/parity.md): it
/// is compared in float64 alone.
bool has_steady_norm(const Fixture& fixture) { return fixture.stem != "deim_v2_train_n"; }
bool is_deep(const Fixture& fixture) { return model_of(fixture) == "ultralytics_rtdetr-l"; }

bool has_distributions(const std::string& model) {
  const std::string origin = origin_of(model);
  return origin == "dfine" || origin == "deim" || origin == "deimv2";
}

/// v1, D-FINE and Ultralytics make no denoising queries for a batch without boxes; our models of that name do, unless
/// told.
DetectionModel build_train_model(const std::string& name, bool without_denoising, torch::Dtype type) {
  without_denoising = without_denoising && origin_of(name) != "dino";  // whose models make none
  BuildOptions options;
  options.initial_weights = false;
  DetectionModel model = build_model(spec_of(name, without_denoising ? "empty_batch: none" : ""), options);
  model->to(type);
  fill_by_rule(*model);
  model->train();
  return model;
}

struct Batch {
  std::vector<Target> targets;
  std::vector<std::int64_t> counts;
  std::int64_t boxes = 0;
};

Batch targets_of(const Fixture& fixture, torch::Dtype type) {
  Batch batch;
  for (std::size_t image = 0; image < fixture.json["targets"].size(); ++image) {
    const std::string key = "target." + std::to_string(image);
    batch.targets.push_back({fixture.tensor(key + ".labels").to(fixture_device()),
                             fixture.tensor(key + ".boxes").to(fixture_device(), type)});
    batch.counts.push_back(batch.targets.back().labels.size(0));
    batch.boxes += batch.counts.back();
  }
  return batch;
}

/// On the CPU.
DenoisingDraws draws_of(const Fixture& fixture, const Batch& batch) {
  if (fixture.json["dn"].is_null()) return {};
  DenoisingPairs plan;
  plan.groups = fixture.json["dn"]["groups"];
  plan.queries = fixture.json["dn"]["split"][0];
  const std::string origin = origin_of(model_of(fixture));
  if (origin == "ultralytics") return ultralytics_draws(batch.counts, plan, 0.5);
  if (origin == "dino") return ultralytics_draws(batch.counts, plan, 0.5, 91);
  return official_draws(static_cast<std::int64_t>(batch.counts.size()), plan.queries);
}

CriterionOptions criterion_of(const std::string& model) {
  if (origin_of(model) == "ultralytics") return CriterionOptions::ultralytics();
  if (origin_of(model) == "dino") return CriterionOptions::dino();
  if (!has_distributions(model)) return {};
  CriterionOptions options = CriterionOptions::dfine();
  if (origin_of(model) != "dfine") options.class_loss = ClassLoss::kMal;
  if (model == "deim_v2_atto") {  // the tiny sizes learn neither distributions nor from joint pairs
    options.loss_fgl = options.loss_ddf = 0;
    options.joint_pairs = false;
  }
  return options;
}

/// v1 counts the encoder's output set as one more auxiliary layer.
std::string name_in(const Fixture& fixture, const std::string& term, std::size_t layers) {
  const std::string ours = "_enc_0", theirs = "_aux_" + std::to_string(layers - 1);
  if (origin_of(model_of(fixture)) != "v1" || !term.ends_with(ours)) return term;
  return term.substr(0, term.size() - ours.size()) + theirs;
}

struct StackedLayers {
  Tensor logits, boxes;  ///< [L, B, Q, …]
};

StackedLayers stack_layers(const std::vector<Prediction>& layers) {
  std::vector<Tensor> logits, boxes;
  for (const Prediction& layer : layers) {
    logits.push_back(layer.logits.detach());
    boxes.push_back(layer.boxes_cxcywh.detach());
  }
  return {torch::stack(logits), torch::stack(boxes)};
}

void check_outputs(const Fixture& fixture, const ModelOutput& output) {
  check_equal("topk.indices", output.topk_indices, fixture.tensor("topk.indices"));
  if (fixture.tensors.contains("out.enc_boxes")) {
    check_absolute("out.enc_boxes", output.encoder.boxes_cxcywh, fixture.tensor("out.enc_boxes"), kTrainOutput);
  } else {  // DINO's 900 are cut
    check_absolute("out.enc_boxes40", output.encoder.boxes_cxcywh.slice(1, 0, 40), fixture.tensor("out.enc_boxes40"),
                   kTrainOutput);
    check_absolute("out.enc_boxes_sum", output.encoder.boxes_cxcywh.sum(1), fixture.tensor("out.enc_boxes_sum"),
                   kTrainOutput);
  }
  check_absolute("out.enc_logits20", output.encoder.logits.slice(1, 0, 20), fixture.tensor("out.enc_logits20"),
                 kTrainOutput);
  const StackedLayers layers = stack_layers(output.layers);
  if (fixture.tensors.contains("out.boxes"))
    check_absolute("out.boxes", layers.boxes, fixture.tensor("out.boxes"), kTrainOutput);
  if (fixture.tensors.contains("out.boxes40")) {
    check_absolute("out.boxes40", layers.boxes.slice(2, 0, 40), fixture.tensor("out.boxes40"), kTrainOutput);
    check_absolute("out.boxes_sum", layers.boxes.sum(2), fixture.tensor("out.boxes_sum"), kTrainOutput);
  }
  if (fixture.tensors.contains("out.logits20"))
    check_absolute("out.logits20", layers.logits.slice(2, 0, 20), fixture.tensor("out.logits20"), kTrainOutput);
  check_absolute("out.logits_sum", layers.logits.sum({2, 3}), fixture.tensor("out.logits_sum"), kTrainOutput);
  if (fixture.json["dn"].is_null()) {
    CHECK(output.denoising.empty());
    return;
  }
  CHECK(output.denoising_pairs.groups == fixture.json["dn"]["groups"].get<std::int64_t>());
  for (std::size_t image = 0; image < output.denoising_pairs.positive_slots.size(); ++image) {
    const std::string key = "dn.positive." + std::to_string(image);
    check_equal(key, torch::tensor(output.denoising_pairs.positive_slots[image], torch::kInt64), fixture.tensor(key));
  }
  const StackedLayers denoising = stack_layers(output.denoising);
  check_absolute("dn.out_boxes", denoising.boxes.slice(2, 0, 40), fixture.tensor("dn.out_boxes"), kTrainOutput);
  check_absolute("dn.out_logits_sum", denoising.logits.sum({2, 3}), fixture.tensor("dn.out_logits_sum"), kTrainOutput);
}

/// @param small  share of the total loss; terms below it are measured against it
void check_losses(const Fixture& fixture, const CriterionResult& result, std::size_t layers, double limit,
                  double small = 0) {
  const double total = fixture.json["total"];
  std::set<std::string> names;
  for (const LossTerm& term : result.terms) {
    const std::string name = name_in(fixture, term.name, layers);
    names.insert(name);
    const auto expected = fixture.json["losses"].find(name);
    if (expected == fixture.json["losses"].end()) {
      FAIL_CHECK("the reference has no term " << name);
    } else {
      double scale = std::max(std::abs(expected->get<double>()), small * total);
      const bool distilled = name.starts_with("loss_ddf") && limit == kLoss32;  // 1e-3, or 1e-7 of the total
      if (distilled) scale = std::max(scale * kDdf32 / kLoss32, total * kDdfOfTotal32 / kLoss32);
      const double error = std::abs(term.value.item<double>() - expected->get<double>());
      check_number(term.name, scale > 0 ? error / scale : error, 0, limit);
    }
  }
  for (const auto& [name, value] : fixture.json["losses"].items()) {
    if (!names.contains(name) && value.get<double>() != 0) FAIL_CHECK("no term " << name);  // D-FINE has zeros for none
  }
  check_number("total", result.total.item<double>(), total, limit);
}

/// The fixtures' name of the matches of output set `set`: "match.aux_0", …, "match.last"[, "match.pre"], "match.enc".
std::string match_key(const Fixture& fixture, std::size_t set, std::size_t layers) {
  const auto& sets = fixture.json["match_order"];
  if (set + 1 == sets.size()) return origin_of(model_of(fixture)) == "dino" ? "match.interm" : "match.enc";
  if (set == layers) return "match.pre";
  return set + 1 == layers ? "match.last" : "match.aux_" + std::to_string(set);
}

void check_matches(const Fixture& fixture, const CriterionResult& result, std::size_t layers) {
  CHECK(result.matches.size() == fixture.json["match_order"].size());
  for (std::size_t set = 0; set < result.matches.size(); ++set) {
    const std::vector<Match>& images = result.matches[set];
    for (std::size_t image = 0; image < images.size(); ++image) {
      const std::string key = match_key(fixture, set, layers) + "." + std::to_string(image);
      check_equal(key + ".query", torch::tensor(images[image].queries, torch::kInt64), fixture.tensor(key + ".query"));
      check_equal(key + ".target", torch::tensor(images[image].targets, torch::kInt64),
                  fixture.tensor(key + ".target"));
    }
  }
}

/// D-FINE's: the pairs of all sets together, the initial boxes, the distributions and what these learn.
void check_distributions_of(const Fixture& fixture, const ModelOutput& output, const CriterionResult& result) {
  for (std::size_t image = 0; image < result.joint.size(); ++image) {
    const std::string key = "match.go." + std::to_string(image);
    check_equal(key + ".query", torch::tensor(result.joint[image].queries, torch::kInt64),
                fixture.tensor(key + ".query"));
    check_equal(key + ".target", torch::tensor(result.joint[image].targets, torch::kInt64),
                fixture.tensor(key + ".target"));
  }
  const auto& extras = dynamic_cast<const DistributionExtras&>(*output.extras);
  const std::int64_t queries = output.topk_indices.size(1), noisy = output.denoising_pairs.queries;
  const auto matched = [&](const Tensor& all) { return all.detach().narrow(-2, all.size(-2) - queries, queries); };
  const Tensor corners = torch::stack(extras.corners);
  check_absolute("out.pre_boxes", matched(extras.initial.boxes_cxcywh), fixture.tensor("out.pre_boxes"), kTrainOutput);
  check_absolute("out.pre_logits20", matched(extras.initial.logits).slice(1, 0, 20), fixture.tensor("out.pre_logits20"),
                 kTrainOutput);
  check_absolute("out.corners_sum", matched(corners).sum(2), fixture.tensor("out.corners_sum"), kTrainOutput);
  if (noisy == 0) return;
  check_absolute("out.corners8", matched(corners).slice(2, 0, 8), fixture.tensor("out.corners8"), kTrainOutput);
  check_absolute("dn.pre_boxes", extras.initial.boxes_cxcywh.slice(1, 0, 40), fixture.tensor("dn.pre_boxes"),
                 kTrainOutput);
  check_absolute("dn.pre_logits_sum", extras.initial.logits.narrow(1, 0, noisy).sum({1, 2}),
                 fixture.tensor("dn.pre_logits_sum"), kTrainOutput);
  check_absolute("dn.out_corners_sum", corners.narrow(2, 0, noisy).sum(2), fixture.tensor("dn.out_corners_sum"),
                 kTrainOutput);
}

/// Of gradients that are zero in theory the rounding noise is held to 1e-9 of all.
Tensor gradient_scale(const Fixture& fixture, const Tensor& norms) {
  Tensor scale = norms.clamp_min(kSmallGradient);
  if (!fixture.json.contains("zero_gradient_in_theory")) return scale;
  const double noise = fixture.json["grad_total_norm"].get<double>() * kNoise / kGradient;
  std::set<std::string> zero = fixture.json["zero_gradient_in_theory"];
  for (std::int64_t i = 0; i < scale.size(0); ++i) {
    if (zero.contains(fixture.json["grad_names"][static_cast<std::size_t>(i)])) scale[i] = noise;
  }
  return scale;
}

Tensor first_four(const Tensor& tensor) {
  const Tensor flat = tensor.detach().reshape(-1).slice(0, 0, 4);
  return torch::constant_pad_nd(flat, {0, 4 - flat.size(0)});
}

/// Differences are measured against each parameter's gradient norm.
void check_gradients(const Fixture& fixture, const DetectionModel& model) {
  std::vector<Tensor> norms, sums, firsts;
  std::set<std::string> with_gradient;
  const auto parameters = model->named_parameters();
  for (const std::string name : fixture.json["grad_names"]) {
    const Tensor* parameter = parameters.find(name);
    REQUIRE(parameter);
    INFO(name);
    REQUIRE(parameter->grad().defined());
    with_gradient.insert(name);
    norms.push_back(parameter->grad().norm());
    sums.push_back(parameter->grad().sum());
    firsts.push_back(first_four(parameter->grad()));
  }
  for (const auto& parameter : parameters) {
    const Tensor& gradient = parameter.value().grad();
    const bool has = gradient.defined() && gradient.abs().max().item<double>() > 0;
    if (has && !with_gradient.contains(parameter.key())) FAIL_CHECK("unexpected gradient of " << parameter.key());
  }
  const Tensor& expected = fixture.tensor("grad.norm");
  const Tensor scale = gradient_scale(fixture, expected);
  check_absolute("grad.norm", torch::stack(norms) / scale, expected / scale, kGradient);
  check_absolute("grad.sum", torch::stack(sums) / scale, fixture.tensor("grad.sum") / scale, kGradient);
  check_absolute("grad.first4", torch::stack(firsts) / scale.unsqueeze(1),
                 fixture.tensor("grad.first4") / scale.unsqueeze(1), kGradient);
  check_number("grad_total_norm", torch::stack(norms).norm().item<double>(), fixture.json["grad_total_norm"],
               kGradient);
}

void check_batch_norm(const Fixture& fixture, const DetectionModel& model) {
  if (!fixture.json.contains("bn_names")) return;  // all are frozen
  const auto buffers = model->named_buffers();
  for (const std::string kind : {"mean", "var"}) {
    std::vector<Tensor> firsts;
    for (const std::string name : fixture.json["bn_names"]) {
      const Tensor* buffer = buffers.find(name + ".running_" + kind);
      REQUIRE(buffer);
      firsts.push_back(first_four(*buffer));
    }
    check_relative("bn.running_" + kind + "4", torch::stack(firsts), fixture.tensor("bn.running_" + kind + "4"), kLoss);
  }
  for (const std::string name : fixture.json["bn_names"]) {
    const Tensor* batches = buffers.find(name + ".num_batches_tracked");
    REQUIRE(batches);
    CHECK(batches->item<std::int64_t>() == fixture.json["bn_num_batches_tracked"].get<std::int64_t>());
  }
}

/// Pairs as (selected token, box): the order of the selection may differ.
void check_matched_tokens(const Fixture& fixture, const CriterionResult& result, std::size_t layers,
                          const Tensor& rows) {
  for (std::size_t set = 0; set < result.matches.size(); ++set) {
    const std::vector<Match>& images = result.matches[set];
    for (std::size_t image = 0; image < images.size(); ++image) {
      const std::string key = match_key(fixture, set, layers) + "." + std::to_string(image);
      const Tensor place = rows[static_cast<std::int64_t>(image)];
      const Tensor expected =
          place.index_select(0, fixture.tensor(key + ".query")).mul(kMostBoxes) + fixture.tensor(key + ".target");
      const Tensor actual = torch::tensor(images[image].queries, torch::kInt64).mul(kMostBoxes) +
                            torch::tensor(images[image].targets, torch::kInt64);
      check_equal("float32 " + key, std::get<0>(actual.sort()), std::get<0>(expected.sort()));
    }
  }
}

/// Norm of each parameter's gradient, and of all.
/// @param limit  for each parameter
void check_gradient_norms(const Fixture& fixture, const DetectionModel& model, double limit) {
  std::vector<Tensor> norms;
  const auto parameters = model->named_parameters();
  for (const std::string name : fixture.json["grad_names"]) norms.push_back(parameters.find(name)->grad().norm());
  const Tensor& expected = fixture.tensor("grad.norm");
  const double total = fixture.json["grad_total_norm"];
  const bool distributions = has_distributions(model_of(fixture));
  Tensor scale = expected.clamp_min(is_deep(fixture) || distributions ? kDeepSmallGradient32 * total : kSmallGradient);
  for (std::int64_t i = 0; distributions && i < scale.size(0); ++i) {
    const std::string name = fixture.json["grad_names"][static_cast<std::size_t>(i)];
    if (name.find(".lab.") != std::string::npos) scale[i] = kAffine32 * total / limit;  // sums over a map that cancel
  }
  const Tensor errors = (torch::stack(norms) - expected).abs() / scale;
  const auto worst = errors.argmax().item<std::int64_t>();
  INFO("worst: " << fixture.json["grad_names"][worst] << ", norm " << expected[worst].item<double>());
  check_number("float32 grad.norm", errors[worst].item<double>(), 0, limit);
  if (has_steady_norm(fixture))
    check_number("float32 grad_total_norm", torch::stack(norms).norm().item<double>(), total, kTotalGradient32);
}

DenoisingDraws moved(const DenoisingDraws& draws, const torch::Device& device) {
  if (!draws.label_u.defined()) return draws;
  return {draws.label_u.to(device), draws.label_new.to(device), draws.sign_bit.to(device), draws.box_u.to(device)};
}

/// With the gradients, which Module::to leaves where they are.
void bring_to_cpu(DetectionModel& model) {
  std::vector<Tensor> gradients;
  for (const Tensor& parameter : model->parameters()) {
    gradients.push_back(parameter.grad().defined() ? parameter.grad().cpu() : Tensor());
    parameter.mutable_grad().reset();
  }
  model->to(torch::kCPU);
  std::size_t i = 0;
  for (const Tensor& parameter : model->parameters()) parameter.mutable_grad() = gradients[i++];
}

/// One forward and backward pass in train mode over a fixture's images, boxes and draws. Computed on fixture_device();
/// the results lie on the CPU.
struct TrainingPass {
  TrainingPass(const Fixture& fixture, torch::Dtype type, torch::MemoryFormat layout)
      : name(model_of(fixture)), batch(targets_of(fixture, type)) {
    const bool empty = fixture.stem.ends_with("_empty");
    model = build_train_model(empty ? name.substr(0, name.size() - 6) : name, fixture.json["dn"].is_null(), type);
    const torch::Device device = fixture_device();
    model->to(device);
    if (layout == torch::MemoryFormat::ChannelsLast) to_channels_last(*model);
    const DenoisingDraws draws = moved(draws_of(fixture, batch), device);
    ForwardOptions options;
    options.targets = batch.targets;
    options.draws = &draws;
    // DINO's queries have their content from their rank: in float32 the order is given (docs/parity.md).
    if (origin_of(name) == "dino" && type == torch::kFloat32)
      options.tokens = fixture.tensor("topk.indices").to(device);
    const Tensor images =
        images_by_key(fixture.json["input"]["key"], fixture.json["input"]["shape"]).to(device, type).contiguous(layout);
    output = model->forward(images, options);
    result = compute_losses(output, batch.targets, static_cast<double>(batch.boxes), criterion_of(name));
    result.total.backward();
    output = on_cpu(output);
    bring_to_cpu(model);
  }

  std::string name;
  Batch batch;
  DetectionModel model = nullptr;
  ModelOutput output;
  CriterionResult result;
};

}  // namespace

TEST_CASE("a training pass gives the reference's losses, pairs, gradients and batch statistics", "[train]") {
  const Fixture fixture = load_fixture();
  const TrainingPass pass(fixture, torch::kFloat64, torch::MemoryFormat::Contiguous);
  check_outputs(fixture, pass.output);
  check_losses(fixture, pass.result, pass.output.layers.size(), kLoss);
  check_matches(fixture, pass.result, pass.output.layers.size());
  if (has_distributions(pass.name)) check_distributions_of(fixture, pass.output, pass.result);
  check_gradients(fixture, pass.model);
  check_batch_norm(fixture, pass.model);
}

TEST_CASE("a training pass in float32 stays within float32's rounding", "[train]") {
  const Fixture fixture = load_fixture();
  const auto check = [&](torch::MemoryFormat layout) {
    const TrainingPass pass(fixture, torch::kFloat32, layout);
    const Tensor rows = rows_of_tokens(pass.output.topk_indices, fixture.tensor("topk.indices"));
    const std::size_t layers = pass.output.layers.size();
    const bool dino = origin_of(pass.name) == "dino";
    const double usual = samples_discretely(pass.name) ? kDiscreteLoss32 : kLoss32;
    check_losses(fixture, pass.result, layers, dino ? kDinoLoss32 : usual, is_deep(fixture) ? kDeepSmallLoss32 : 0);
    if (dino) check_number("float32 total", pass.result.total.item<double>(), fixture.json["total"], kDinoTotal32);
    if (!dino) check_matched_tokens(fixture, pass.result, pass.output.layers.size(), rows);
    const double gradient = has_distributions(pass.name) ? kDfineGradient32 : kGradient32;
    check_gradient_norms(fixture, pass.model, is_deep(fixture) ? kDeepGradient32 : gradient);
  };
  SECTION("in the commands' memory layout") { check(torch::MemoryFormat::ChannelsLast); }
  if (!is_deep(fixture)) return;
  SECTION("in the references' memory layout") { check(torch::MemoryFormat::Contiguous); }
}

}  // namespace rtdetr::test
