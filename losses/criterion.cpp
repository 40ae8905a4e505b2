#include "losses/criterion.h"

#include <ATen/record_function.h>
#include <torch/types.h>

#include <algorithm>
#include <array>

#include "core/base/check.h"
#include "core/tensor/check.h"
#include "core/tensor/distribution_box.h"
#include "losses/dense_criterion.h"
#include "losses/distribution_loss.h"
#include "losses/joint_pairs.h"
#include "losses/loss_terms.h"
#include "losses/pair_rows.h"

namespace rtdetr {

std::int64_t count_pairs(const std::vector<Match>& images) {
  std::int64_t pairs = 0;
  for (const Match& match : images) pairs += static_cast<std::int64_t>(match.queries.size());
  return pairs;
}

namespace {

using Matches = std::vector<std::vector<Match>>;  // sets × images

/// Output sets as one tensor: decoder layers first to last and the encoder, or the denoising layers.
struct OutputSets {
  Tensor logits;  ///< [S, B, Q, C]
  Tensor boxes;   ///< [S, B, Q, 4]
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

/// Queries of a pass: those in front are denoising queries, those at the end are matched.
struct QueryRange {
  std::int64_t first = 0, count = 0;
  Tensor of(const Tensor& all) const { return all.narrow(1, first, count); }  ///< of [B, N, …]
};

/// What D-FINE's head hands out besides its predictions; nullptr if its losses are not asked for.
const DistributionExtras* distributions_of(const ModelOutput& output, const CriterionOptions& options) {
  if (options.loss_fgl == 0 && options.loss_ddf == 0 && !options.initial_set) return nullptr;
  const auto* extras = dynamic_cast<const DistributionExtras*>(output.extras.get());
  RTDETR_CHECK(extras && extras->corners.size() == output.layers.size(),
               "losses of distributions of a head that has none");
  return extras;
}

/// @return  nothing if the initial boxes are no set, or have no scores as the first layer has not predicted
std::vector<Prediction> initial_set(const DistributionExtras* extras, const QueryRange& range,
                                    const CriterionOptions& options) {
  if (!extras || !options.initial_set || !extras->initial.logits.defined()) return {};
  return {{range.of(extras->initial.logits), range.of(extras->initial.boxes_cxcywh)}};
}

/// What is matched: the decoder layers, the initial boxes and the encoder, where these are sets; and with what.
struct MatchedSets {
  OutputSets sets;
  QueryRange range;
  bool with_initial = false;
  std::vector<std::int64_t> repeats;  ///< of each set: queries that a target may have
  BatchTargets targets;
  Matches pairs;
};

Matches match_sets(const OutputSets& sets, const BatchTargets& targets, std::int64_t layers,
                   const std::vector<std::int64_t>& repeats, const CriterionOptions& options) {
  RECORD_USER_SCOPE("matching");
  const Tensor costs = matching_costs(sets.logits.detach(), sets.boxes.detach(), targets, options);
  Matches matches = match_queries(costs, targets, repeats);
  if (options.share_matches) std::fill_n(matches.begin(), layers - 1, matches[layers - 1]);
  return matches;
}

MatchedSets match_output(const ModelOutput& output, std::span<const Target> targets, const DistributionExtras* extras,
                         const CriterionOptions& options) {
  std::vector<Prediction> predictions = output.layers;
  const auto layers = static_cast<std::int64_t>(predictions.size());
  const std::int64_t queries = predictions.back().logits.size(1);
  MatchedSets matched;
  matched.range = {extras ? extras->initial.boxes_cxcywh.size(1) - queries : 0, queries};
  for (Prediction& set : initial_set(extras, matched.range, options)) predictions.push_back(std::move(set));
  matched.with_initial = static_cast<std::int64_t>(predictions.size()) > layers;
  matched.repeats.assign(predictions.size(), 1);
  if (output.encoder.logits.defined()) {
    predictions.push_back(output.encoder);
    matched.repeats.push_back(options.one_to_many);
  }
  matched.sets = stack_sets(predictions, loss_type(output.layers.back()));
  matched.targets = collect_targets(targets, matched.sets.boxes, matched.sets.logits.size(3));
  matched.pairs = match_sets(matched.sets, matched.targets, layers, matched.repeats, options);
  return matched;
}

/// One call of compute_losses.
class LossPass {
 public:
  LossPass(const ModelOutput& output, std::span<const Target> targets, const WholeStep& whole,
           const CriterionOptions& options)
      : output_(output),
        options_(options),
        extras_(distributions_of(output, options)),
        type_(loss_type(output.layers.back())),
        layers_(static_cast<std::int64_t>(output.layers.size())),
        whole_(whole),
        terms_(options) {
    add_matching(targets);
    if (!output.denoising.empty() && output.denoising_pairs.queries > 0) add_denoising();
  }

  CriterionResult result() {
    result_.values = terms_.values();
    result_.total = result_.values.sum();
    const std::vector<Tensor> values = result_.values.unbind();
    for (std::size_t i = 0; i < values.size(); ++i) result_.terms.push_back({terms_.names()[i], values[i]});
    return std::move(result_);
  }

 private:
  void add_matching(std::span<const Target> targets) {
    MatchedSets matched = match_output(output_, targets, extras_, options_);
    batch_ = matched.targets;
    SetPairs pairs{std::move(matched.pairs), {}};
    pairs.normalizer =
        normalizers(pairs.matches, whole_.num_boxes, {matched.repeats.begin(), matched.repeats.end()}, options_);
    const SetPairs joint = options_.joint_pairs ? joint_of(pairs.matches) : SetPairs{};
    const OutputSets& sets = matched.sets;
    terms_.add_matching(
        losses_of_matches(sets.logits, sets.boxes, batch_, pairs, options_, options_.joint_pairs ? &joint : nullptr),
        layers_, matched.with_initial);
    if (teaches_distributions()) add_matching_distributions(matched.range, sets, joint);
    result_.matches = std::move(pairs.matches);
  }

  /// The joint pairs, the same for each set.
  SetPairs joint_of(const Matches& matches) {
    result_.joint = joint_pairs(matches);
    const auto own = static_cast<double>(count_pairs(result_.joint));
    all_joint_ = whole_.joint_pairs ? whole_.joint_pairs(own) : own;
    return {Matches(matches.size(), result_.joint),
            std::vector<double>(matches.size(), all_joint_ > 0 ? all_joint_ : 1)};
  }

  bool teaches_distributions() const { return extras_ && (options_.loss_fgl != 0 || options_.loss_ddf != 0); }

  void add_matching_distributions(const QueryRange& range, const OutputSets& sets, const SetPairs& joint) {
    RTDETR_CHECK(options_.joint_pairs, "losses of distributions take the joint pairs");
    balance_ = count_queries(all_joint_, range.count);
    std::vector<std::string> suffixes;
    for (std::int64_t k = 0; k + 1 < layers_; ++k) suffixes.push_back("_aux_" + std::to_string(k));
    suffixes.emplace_back();
    add_distributions(range, sets, joint, balance_, suffixes);
  }

  void add_denoising() {
    const QueryRange range{0, output_.denoising_pairs.queries};
    std::vector<Prediction> predictions = output_.denoising;
    for (Prediction& set : initial_set(extras_, range, options_)) predictions.push_back(std::move(set));
    const OutputSets sets = stack_sets(predictions, type_);
    SetPairs pairs{denoising_matches(output_.denoising_pairs, predictions.size(), batch_), {}};
    const std::vector<double> groups(predictions.size(), static_cast<double>(output_.denoising_pairs.groups));
    pairs.normalizer = normalizers(pairs.matches, whole_.num_boxes, groups, options_);
    terms_.add_denoising(losses_of_matches(sets.logits, sets.boxes, batch_, pairs, options_), output_.denoising.size());
    if (!teaches_distributions()) return;
    std::vector<std::string> suffixes;
    for (std::int64_t k = 0; k < layers_; ++k) suffixes.push_back("_dn_" + std::to_string(k));
    // A dummy group is there for the graph alone: it teaches nothing.
    const QueryCounts counts = whole_.has_boxes ? count_queries(pairs.normalizer.front(), range.count) : QueryCounts{};
    add_distributions(range, sets, pairs, counts, suffixes);
  }

  /// @param paired  of the whole step
  /// @param each    queries of a picture
  QueryCounts count_queries(double paired, std::int64_t each) const {
    const double all = whole_.pictures * static_cast<double>(each);
    return {paired, std::max(0.0, all - paired)};  // shares of processes are rounded
  }

  /// FGL and DDF of the decoder layers that have predicted, which are the first of the sets. In denoising, too, DDF's
  /// balance is the matching queries', as the reference has it.
  /// @param pairs   the same for all layers
  /// @param counts  of queries like these in the whole step
  void add_distributions(const QueryRange& range, const OutputSets& sets, const SetPairs& pairs,
                         const QueryCounts& counts, const std::vector<std::string>& suffixes) {
    const DistributionLoss losses =
        distribution_loss(distributions_in(range, sets, pairs.matches.front()), counts, balance_, options_);
    const Tensor fgl = losses.fgl * (options_.loss_fgl / pairs.normalizer.front());
    const Tensor ddf = losses.ddf * options_.loss_ddf;
    for (std::int64_t k = 0; k < layers_; ++k) {
      terms_.add("loss_fgl" + suffixes[k], fgl[k]);
      if (k + 1 < layers_) terms_.add("loss_ddf" + suffixes[k], ddf[k]);
    }
  }

  DistributionSets distributions_in(const QueryRange& range, const OutputSets& sets,
                                    const std::vector<Match>& pairs) const {
    std::vector<Tensor> corners;
    for (const Tensor& layer : extras_->corners) corners.push_back(range.of(layer).to(type_).flatten(0, 1));
    const PairRows rows = rows_of_pairs({pairs}, range.count, batch_, {1}, sets.boxes.options());
    return {.options = extras_->options,
            .corners = torch::stack(corners),
            .logits = sets.logits[layers_ - 1].flatten(0, 1),
            .boxes = sets.boxes.narrow(0, 0, layers_).flatten(1, 2),
            .reference = range.of(extras_->initial.boxes_cxcywh.detach()).to(type_).flatten(0, 1),
            .rows = rows.predicted,
            .wanted = batch_.boxes_cxcywh.index_select(0, rows.wanted)};
  }

  const ModelOutput& output_;
  const CriterionOptions& options_;
  const DistributionExtras* extras_;
  torch::ScalarType type_;
  std::int64_t layers_;
  const WholeStep& whole_;
  LossTerms terms_;
  BatchTargets batch_;
  double all_joint_ = 0;  ///< joint pairs of the whole step
  QueryCounts balance_;   ///< its matching queries
  CriterionResult result_;
};

}  // namespace

CriterionResult compute_losses(const ModelOutput& output, std::span<const Target> targets, const WholeStep& whole,
                               const CriterionOptions& options) {
  RTDETR_CHECK(!output.layers.empty(), "no decoder layer to compute a loss of");
  RECORD_USER_SCOPE("losses");
  if (options.dense) return compute_dense_losses(output, targets, whole, *options.dense);
  return LossPass(output, targets, whole, options).result();
}

CriterionResult compute_losses(const ModelOutput& output, std::span<const Target> targets, double num_boxes,
                               const CriterionOptions& options) {
  const bool has_boxes =
      std::any_of(targets.begin(), targets.end(), [](const Target& t) { return t.labels.size(0) > 0; });
  return compute_losses(output, targets, {num_boxes, static_cast<double>(targets.size()), has_boxes}, options);
}

std::vector<Match> find_joint_pairs(const ModelOutput& output, std::span<const Target> targets,
                                    const CriterionOptions& options) {
  RTDETR_CHECK(!output.layers.empty(), "no decoder layer to match");
  return joint_pairs(match_output(output, targets, distributions_of(output, options), options).pairs);
}

}  // namespace rtdetr
