#include "train/evaluation/loss_means.h"

#include <algorithm>
#include <array>

#include <torch/types.h>

#include "core/base/text.h"
#include "losses/criterion.h"
#include "train/evaluation/batch_tensors.h"

namespace rtdetr {

WholeBatch whole_of(const Batch& part, ProcessGroup& group) {
  std::array<double, 2> counts{static_cast<double>(part.size), static_cast<double>(count_boxes({&part, 1}))};
  group.all_reduce(counts, Reduction::kSum);
  return {.pictures = counts[0], .boxes = counts[1]};
}

namespace {

double sum_of_all(double own, ProcessGroup& group) {
  group.all_reduce(std::span(&own, 1), Reduction::kSum);
  return own;
}

}  // namespace

void LossMeans::add(const ModelOutput& output, std::span<const Target> targets, const WholeBatch& whole,
                    const CriterionOptions& criterion, ProcessGroup& group) {
  const bool is_part = static_cast<double>(targets.size()) < whole.pictures;
  const WholeStep step{.num_boxes = whole.boxes,
                       .pictures = whole.pictures,
                       .has_boxes = whole.boxes > 0,
                       .joint_pairs = [&](double own) { return sum_of_all(own, group); }};
  const CriterionResult result =
      compute_losses(output, targets, step, is_part ? criterion.for_part_of_batch(whole.boxes) : criterion);
  const torch::Tensor values = result.values.to(torch::kCPU, torch::kFloat64).contiguous();
  names_.clear();
  for (const LossTerm& term : result.terms) names_.push_back(term.name);
  sums_.resize(names_.size());
  for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += values.const_data_ptr<double>()[i] * whole.pictures;
}

void LossMeans::add_none(const CriterionOptions& criterion, ProcessGroup& group) {
  if (criterion.sums_jointly()) sum_of_all(0, group);
}

std::vector<std::pair<std::string, double>> LossMeans::means(std::int64_t pictures, ProcessGroup& group) const {
  std::string names = join(names_, ",");
  group.broadcast(names);  // the main process has a picture of every batch
  std::vector<double> sums = sums_;
  const std::vector<std::string> terms = split(names, ',');
  sums.resize(terms.size());
  group.all_reduce(sums, Reduction::kSum);
  std::vector<std::pair<std::string, double>> means;
  for (std::size_t i = 0; i < terms.size(); ++i)
    means.emplace_back(terms[i], sums[i] / static_cast<double>(std::max<std::int64_t>(pictures, 1)));
  return means;
}

}  // namespace rtdetr
