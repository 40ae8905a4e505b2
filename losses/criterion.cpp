#include "losses/criterion.h"

#include <ATen/record_function.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>

#include "core/tensor/check.h"
#include "core/tensor/upload.h"
#include "losses/box_loss.h"
#include "losses/classification_loss.h"

namespace rtdetr {
namespace {

using Matches = std::vector<std::vector<Match>>;  // sets × images

/// Output sets as one tensor: decoder layers first to last and the encoder, or the denoising layers.
struct OutputSets {
  Tensor logits;  ///< [S, B, Q, C]
  Tensor boxes;   ///< [S, B, Q, 4]
};

/// Pairs of all sets, set by set, as rows of flattened tensors; and what the sums over a set are divided by.
struct PairRows {
  Tensor predicted;  ///< [M] into S·B·Q
  Tensor wanted;     ///< [M] into the batch's N targets
  Tensor divisor;    ///< [S]
  std::vector<std::int64_t> per_set;
};

torch::ScalarType loss_type(const Prediction& prediction) {
  const bool wide =
      prediction.logits.scalar_type() == torch::kFloat64 || prediction.boxes_cxcywh.scalar_type() == torch::kFloat64;
  return wide ? torch::kFloat64 : torch::kFloat32;
}

OutputSets stack_sets(const std::vector<Prediction>& predictions, torch::ScalarType type) {
  std::vector<Tensor> logits, boxes;
  for (const Prediction& prediction : predictions) {
    logits.push_back(prediction.logits.to(type));
    boxes.push_back(prediction.boxes_cxcywh.to(type));
  }
  return {torch::stack(logits), torch::stack(boxes)};
}

PairRows rows_of_pairs(const Matches& matches, std::int64_t queries, const BatchTargets& targets,
                       const std::vector<double>& normalizer, const torch::TensorOptions& options) {
  std::vector<std::int64_t> numbers, wanted, per_set;
  std::int64_t first_row = 0;
  for (const std::vector<Match>& images : matches) {
    const std::size_t before = numbers.size();
    for (std::size_t image = 0; image < images.size(); ++image) {
      for (const std::int64_t query : images[image].queries) numbers.push_back(first_row + query);
      for (const std::int64_t target : images[image].targets) wanted.push_back(targets.offsets[image] + target);
      first_row += queries;
    }
    per_set.push_back(static_cast<std::int64_t>(numbers.size() - before));
  }
  const auto pairs = static_cast<std::int64_t>(numbers.size());
  numbers.insert(numbers.end(), wanted.begin(), wanted.end());
  const std::vector<Tensor> there =
      upload({torch::tensor(numbers, torch::kInt64), torch::tensor(normalizer, options.device(torch::kCPU))},
             options.device());
  return {there[0].slice(0, 0, pairs), there[0].slice(0, pairs), there[1], std::move(per_set)};
}

/// [M] → [S]
Tensor sum_per_set(const Tensor& values, const std::vector<std::int64_t>& per_set) {
  const auto sets = static_cast<std::int64_t>(per_set.size());
  const bool equal = std::equal(per_set.begin() + 1, per_set.end(), per_set.begin());
  if (equal) return values.view({sets, per_set[0]}).sum(1);
  std::vector<Tensor> sums;
  for (const Tensor& part : values.split_with_sizes(per_set)) sums.push_back(part.sum());
  return torch::stack(sums);
}

std::int64_t count_pairs(const std::vector<Match>& images) {
  std::int64_t pairs = 0;
  for (const Match& match : images) pairs += static_cast<std::int64_t>(match.queries.size());
  return pairs;
}

std::vector<double> normalizers(const Matches& matches, double num_boxes, const std::vector<double>& repeats,
                                const CriterionOptions& options) {
  std::vector<double> result;
  for (std::size_t set = 0; set < matches.size(); ++set) {
    const bool local = options.normalizer == CriterionOptions::Normalizer::kMatchedPairs;
    const double boxes = num_boxes > 0 ? num_boxes : 1;  // a share of one box is less than 1
    result.push_back(local ? std::max<double>(1, count_pairs(matches[set])) : boxes * repeats[set]);
  }
  return result;
}

/// The pairs that denoising fixes in advance, the same for every layer.
Matches denoising_matches(const DenoisingPairs& pairs, std::size_t layers, const BatchTargets& targets) {
  RTDETR_CHECK(static_cast<std::int64_t>(pairs.positive_slots.size()) == targets.batch(),
               "denoising pairs of " + std::to_string(pairs.positive_slots.size()) + " images");
  std::vector<Match> images;
  for (std::int64_t image = 0; image < targets.batch(); ++image) {
    const std::int64_t count = targets.count(image);
    const auto wanted = pairs.groups * count, found = static_cast<std::int64_t>(pairs.positive_slots[image].size());
    RTDETR_CHECK(found == wanted,
                 "positive denoising slots: want " + std::to_string(wanted) + ", have " + std::to_string(found));
    Match& match = images.emplace_back();
    match.queries = pairs.positive_slots[image];
    for (std::int64_t i = 0; i < wanted; ++i) match.targets.push_back(i % count);
  }
  return Matches(layers, images);
}

/// Values of all terms under construction: class, box, GIoU of one output set after the other.
struct Terms {
  CriterionOptions::Naming naming;
  std::string class_name;
  std::vector<std::string> names;
  std::vector<Tensor> values;  ///< [3] each

  void add(const std::string& suffix, const Tensor& three) {
    names.push_back(class_name + suffix);
    names.push_back("loss_bbox" + suffix);
    names.push_back("loss_giou" + suffix);
    values.push_back(three);
  }
};

constexpr const char* kAnyClassTerm = "loss_class";  // Ultralytics', whichever loss it is

std::string class_term_name(const CriterionOptions& options) {
  if (options.naming == CriterionOptions::Naming::kUltralytics) return kAnyClassTerm;
  const bool is_soft = options.class_loss == ClassLoss::kSoftBce;
  return "loss_" + word_of(is_soft ? ClassLoss::kBce : options.class_loss, kClassLossWords);
}

/// @param losses  [3, S], decoder layers first to last, then the encoder if `with_encoder`
void add_matching_terms(Terms& terms, const Tensor& losses, std::int64_t layers, bool with_encoder) {
  const std::vector<Tensor> set = losses.unbind(1);
  terms.add("", set[layers - 1]);
  if (terms.naming == CriterionOptions::Naming::kUltralytics) {
    terms.add("_aux", losses.sum(1) - set[layers - 1]);
    return;
  }
  for (std::int64_t i = 0; i + 1 < layers; ++i) terms.add("_aux_" + std::to_string(i), set[i]);
  if (with_encoder) terms.add("_enc_0", set[layers]);
}

void add_denoising_terms(Terms& terms, const Tensor& losses) {
  const std::vector<Tensor> layer = losses.unbind(1);
  if (terms.naming == CriterionOptions::Naming::kUltralytics) {
    terms.add("_dn", layer.back());
    terms.add("_aux_dn", losses.sum(1) - layer.back());
    return;
  }
  for (std::size_t i = 0; i < layer.size(); ++i) terms.add("_dn_" + std::to_string(i), layer[i]);
}

Matches match_sets(const OutputSets& sets, const BatchTargets& targets, std::int64_t layers,
                   const std::vector<std::int64_t>& repeats, const CriterionOptions& options) {
  RECORD_USER_SCOPE("matching");
  const Tensor costs = matching_costs(sets.logits.detach(), sets.boxes.detach(), targets, options);
  Matches matches = match_queries(costs, targets, repeats);
  if (options.share_matches) std::fill_n(matches.begin(), layers - 1, matches[layers - 1]);
  return matches;
}

}  // namespace

std::vector<std::string> class_term_names() {
  std::vector<std::string> names{kAnyClassTerm};
  for (const std::string& word : words_of(kClassLossWords)) names.push_back("loss_" + word);
  return names;
}

CriterionOptions CriterionOptions::for_part_of_batch(double boxes_of_all) const {
  CriterionOptions part = *this;
  part.normalizer = Normalizer::kNumBoxes;
  part.focal_when_empty = focal_when_empty && boxes_of_all == 0;
  return part;
}

CriterionOptions CriterionOptions::ultralytics() {
  CriterionOptions options;
  options.vfl_alpha = 0.25;
  options.vfl_gamma = 1.5;
  options.focal_gamma = 1.5;
  options.vfl_weight_gradient = true;
  options.focal_when_empty = true;
  options.iou_epsilon = 1e-7;
  options.normalizer = Normalizer::kMatchedPairs;
  options.naming = Naming::kUltralytics;
  return options;
}

Tensor losses_of_matches(const Tensor& logits, const Tensor& boxes, const BatchTargets& targets, const Matches& matches,
                         const std::vector<double>& normalizer, const CriterionOptions& options) {
  const std::int64_t sets = logits.size(0), queries = logits.size(2), classes = logits.size(3);
  check_shape(logits, {static_cast<std::int64_t>(matches.size()), targets.batch(), queries, classes}, "logits");
  check_shape(boxes, {sets, targets.batch(), queries, 4}, "boxes");
  const PairRows pairs = rows_of_pairs(matches, queries, targets, normalizer, logits.options());
  const BoxLoss box = box_loss(boxes.flatten(0, 2).index_select(0, pairs.predicted),
                               targets.boxes_cxcywh.index_select(0, pairs.wanted), options);

  CriterionOptions used = options;
  if (options.focal_when_empty && pairs.predicted.size(0) == 0) used.class_loss = ClassLoss::kFocal;
  const Tensor cells = pairs.predicted * classes + targets.labels.index_select(0, pairs.wanted);
  const Tensor class_sums = classification_loss(logits.flatten(1, 2), cells, box.quality, used);

  const Tensor class_terms = used.class_loss == ClassLoss::kSoftBce ? class_sums / std::max<std::int64_t>(queries, 1)
                                                                    : class_sums / pairs.divisor;
  return torch::stack({class_terms * options.loss_class,
                       sum_per_set(box.l1, pairs.per_set) / pairs.divisor * options.loss_bbox,
                       sum_per_set(box.giou, pairs.per_set) / pairs.divisor * options.loss_giou});  // [3, S]
}

CriterionResult compute_losses(const ModelOutput& output, std::span<const Target> targets, double num_boxes,
                               const CriterionOptions& options) {
  RTDETR_CHECK(!output.layers.empty(), "no decoder layer to compute a loss of");
  RECORD_USER_SCOPE("losses");
  const auto layers = static_cast<std::int64_t>(output.layers.size());
  const torch::ScalarType type = loss_type(output.layers.back());
  const bool with_encoder = output.encoder.logits.defined();

  std::vector<Prediction> predictions = output.layers;
  std::vector<std::int64_t> repeats(layers, 1);
  if (with_encoder) {
    predictions.push_back(output.encoder);
    repeats.push_back(options.one_to_many);
  }
  const OutputSets sets = stack_sets(predictions, type);
  const BatchTargets batch = collect_targets(targets, sets.boxes, sets.logits.size(3));
  Matches matches = match_sets(sets, batch, layers, repeats, options);
  const std::vector<double> divided_by = normalizers(matches, num_boxes, {repeats.begin(), repeats.end()}, options);

  Terms terms{options.naming, class_term_name(options), {}, {}};
  add_matching_terms(terms, losses_of_matches(sets.logits, sets.boxes, batch, matches, divided_by, options), layers,
                     with_encoder);
  if (!output.denoising.empty() && output.denoising_pairs.queries > 0) {
    const OutputSets noisy = stack_sets(output.denoising, type);
    const Matches pairs = denoising_matches(output.denoising_pairs, output.denoising.size(), batch);
    const std::vector<double> groups(pairs.size(), static_cast<double>(output.denoising_pairs.groups));
    add_denoising_terms(terms, losses_of_matches(noisy.logits, noisy.boxes, batch, pairs,
                                                 normalizers(pairs, num_boxes, groups, options), options));
  }

  CriterionResult result;
  result.values = torch::cat(terms.values);
  result.total = result.values.sum();
  const std::vector<Tensor> values = result.values.unbind();
  for (std::size_t i = 0; i < values.size(); ++i) result.terms.push_back({terms.names[i], values[i]});
  result.matches = std::move(matches);
  return result;
}

}  // namespace rtdetr
