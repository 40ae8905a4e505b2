#include "models/heads/detr/denoising.h"

#include <algorithm>

#include <torch/types.h>

#include "core/base/check.h"
#include "core/tensor/box_ops.h"
#include "core/tensor/check.h"

namespace rtdetr {
namespace {

std::int64_t box_count(const Target& target) { return target.labels.size(0); }

std::int64_t largest_of(std::span<const Target> targets) {
  std::int64_t largest = 0;
  for (const auto& target : targets) largest = std::max(largest, box_count(target));
  return largest;
}

/// The first `count` slots of each group.
std::vector<std::int64_t> positive_slots(std::int64_t count, std::int64_t groups, std::int64_t group_size) {
  std::vector<std::int64_t> slots;
  slots.reserve(static_cast<std::size_t>(groups * count));
  for (std::int64_t group = 0; group < groups; ++group) {
    for (std::int64_t slot = 0; slot < count; ++slot) slots.push_back(group * group_size + slot);
  }
  return slots;
}

/// Targets of a batch as rectangles of M slots per image.
struct PaddedTargets {
  Tensor labels;  ///< [B, M] int64; C where there is no box
  Tensor boxes;   ///< [B, M, 4] cxcywh; 0 where there is no box
  Tensor real;    ///< [B, M] bool
};

PaddedTargets pad_targets(std::span<const Target> targets, std::int64_t slots, std::int64_t num_classes) {
  const auto batch = static_cast<std::int64_t>(targets.size());
  const auto& first = targets.front();
  PaddedTargets padded;
  padded.labels = torch::full({batch, slots}, num_classes, first.labels.options());
  padded.boxes = torch::zeros({batch, slots, 4}, first.boxes_cxcywh.options());
  std::vector<std::int64_t> counts;
  for (std::int64_t b = 0; b < batch; ++b) {
    const auto count = box_count(targets[b]);
    counts.push_back(count);
    if (count == 0) continue;
    padded.labels[b].narrow(0, 0, count).copy_(targets[b].labels);
    padded.boxes[b].narrow(0, 0, count).copy_(targets[b].boxes_cxcywh);
  }
  const auto count_column = torch::tensor(counts).to(first.labels.device()).unsqueeze(1);  // [B, 1]
  padded.real = torch::arange(slots, count_column.options()).unsqueeze(0) < count_column;
  return padded;
}

/// [K] bool: second half of each group.
Tensor negative_slots(std::int64_t slots, std::int64_t groups, const torch::Device& device) {
  return torch::arange(2 * slots, torch::TensorOptions(torch::kInt64).device(device)).ge(slots).repeat({groups});
}

Tensor noisy_boxes(const Tensor& boxes_cxcywh, const Tensor& negative, const DenoisingDraws& draws, double scale) {
  const auto corners = cxcywh_to_xyxy(boxes_cxcywh);
  const auto half_sides = boxes_cxcywh.narrow(-1, 2, 2).repeat({1, 1, 2}) * (0.5 * scale);  // [B, K, 4]
  const auto reach = draws.box_u.to(boxes_cxcywh.options()) + negative.view({1, -1, 1}).to(boxes_cxcywh.scalar_type());
  const auto sign = draws.sign_bit.to(boxes_cxcywh.options()) * 2 - 1;
  return xyxy_to_cxcywh((corners + sign * reach * half_sides).clamp(0, 1));
}

}  // namespace

DenoisingPairs plan_denoising(std::span<const Target> targets, const DenoisingOptions& options,
                              std::optional<std::int64_t> largest_count) {
  DenoisingPairs pairs;
  std::int64_t slots = largest_count.value_or(largest_of(targets));
  RTDETR_CHECK(slots >= largest_of(targets), "a picture has more boxes than any of the joint batch");
  const bool empty = slots == 0;
  if (options.count <= 0 || (empty && options.empty_batch != DenoisingOptions::EmptyBatch::kDummyGroup)) return pairs;
  slots = std::max<std::int64_t>(slots, 1);
  pairs.groups = empty ? 1 : std::max<std::int64_t>(1, options.count / slots);
  pairs.queries = 2 * slots * pairs.groups;
  for (const auto& target : targets)
    pairs.positive_slots.push_back(positive_slots(box_count(target), pairs.groups, 2 * slots));
  return pairs;
}

DenoisingDraws draw_denoising(std::int64_t batch, std::int64_t queries, std::int64_t num_classes,
                              const torch::Generator& generator, const torch::TensorOptions& box_options) {
  // Drawn where the generator lives, then moved, so that every device gets the same numbers.
  const auto uniform = torch::TensorOptions(torch::kFloat).device(generator.device());
  const auto integer = torch::TensorOptions(torch::kInt64).device(generator.device());
  const auto device = box_options.device();
  DenoisingDraws draws;
  draws.label_u = torch::rand({batch, queries}, generator, uniform).to(device);
  draws.label_new = torch::randint(0, num_classes, {batch, queries}, generator, integer).to(device);
  draws.sign_bit = torch::randint(0, 2, {batch, queries, 4}, generator, integer).to(device);
  draws.box_u = torch::rand({batch, queries, 4}, generator, uniform).to(box_options);
  return draws;
}

DenoisingDraws share_of(const DenoisingDraws& joint, std::int64_t rank, std::int64_t world) {
  const auto rows = [&](const Tensor& all) { return all.slice(0, rank, std::nullopt, world); };
  return {rows(joint.label_u), rows(joint.label_new), rows(joint.sign_bit), rows(joint.box_u)};
}

DenoisingQueries make_denoising_queries(std::span<const Target> targets, std::int64_t num_classes,
                                        const DenoisingOptions& options, const DenoisingDraws& draws,
                                        std::optional<std::int64_t> largest_count) {
  DenoisingQueries result;
  result.pairs = plan_denoising(targets, options, largest_count);
  const auto groups = result.pairs.groups, queries = result.pairs.queries;
  if (queries == 0) return result;
  const auto batch = static_cast<std::int64_t>(targets.size()), slots = queries / (2 * groups);
  check_shape(draws.label_u, {batch, queries}, "label_u");
  check_shape(draws.box_u, {batch, queries, 4}, "box_u");

  auto padded = pad_targets(targets, slots, num_classes);
  if (largest_count.value_or(largest_of(targets)) == 0)
    padded.boxes.copy_(torch::tensor({0.5, 0.5, 0.1, 0.1}, torch::kFloat64));
  const auto labels = padded.labels.repeat({1, 2 * groups});  // [B, K]
  const auto real = padded.real.repeat({1, 2 * groups});
  const auto boxes = padded.boxes.repeat({1, 2 * groups, 1});

  const auto redrawn = (draws.label_u < 0.5 * options.label_noise_ratio).logical_and_(real);
  result.labels = torch::where(redrawn, draws.label_new, labels);
  const auto negative = negative_slots(slots, groups, boxes.device());
  auto noisy = options.box_noise_scale > 0 ? noisy_boxes(boxes, negative, draws, options.box_noise_scale) : boxes;
  if (options.mirror) noisy = torch::cat({noisy.narrow(-1, 0, 2), noisy.narrow(-1, 2, 2).abs()}, -1);
  result.box_logits = options.clamp_before_logit ? torch::logit(noisy, options.logit_epsilon)
                                                 : inverse_sigmoid(noisy, options.logit_epsilon);
  if (options.padding == DenoisingOptions::Padding::kZero) {
    result.labels.masked_fill_(real.logical_not(), -1);
    result.box_logits.masked_fill_(real.logical_not().unsqueeze(-1), 0);
  }
  return result;
}

std::int64_t repeating_queries(std::int64_t queries, const DenoisingOptions& options) {
  const std::int64_t step = std::max<std::int64_t>(1, 2 * options.count);
  return (queries + step - 1) / step * step;
}

Tensor blocked_pairs(const BlockedPairs& shape, const torch::Device& device) {
  const auto total = shape.queries + shape.matching;
  const auto group =
      torch::arange(shape.queries, torch::TensorOptions(torch::kInt64).device(device)).div(shape.group_size, "floor");
  auto blocked = torch::zeros({total, total}, torch::TensorOptions(torch::kBool).device(device));
  blocked.narrow(1, 0, shape.queries).fill_(true);
  blocked.narrow(0, 0, shape.queries).narrow(1, 0, shape.queries).copy_(group.unsqueeze(1) != group.unsqueeze(0));
  return blocked;
}

}  // namespace rtdetr
