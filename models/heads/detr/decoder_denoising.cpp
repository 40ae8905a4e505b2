// Denoising queries in front of the selected ones.
#include <limits>

#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "core/tensor/check.h"
#include "core/tensor/upload.h"
#include "models/heads/detr/decoder.h"

namespace rtdetr {

void RTDETRDecoderImpl::prepend_denoising(Queries& queries, const ForwardOptions& options) {
  RECORD_USER_SCOPE("denoising");
  const auto batch = queries.content.size(0), matching = queries.content.size(1);
  RTDETR_CHECK(static_cast<std::int64_t>(options.targets.size()) == batch,
               std::to_string(options.targets.size()) + " targets for " + std::to_string(batch) + " images");
  DenoisingPairs plan = plan_denoising(options.targets, options_.denoising, options.share.largest_count);
  if (plan.queries == 0) {
    const bool zero = options_.denoising.empty_batch == DenoisingOptions::EmptyBatch::kZeroGradient;
    if (zero && denoising_classes_.defined()) queries.content = queries.content + denoising_classes_[0][0] * 0;
    return;
  }
  RTDETR_CHECK(denoising_classes_.defined(), "a fused model cannot be trained");
  const auto slots = options.repeat_shapes ? repeating_queries(plan.queries, options_.denoising) : plan.queries;
  const DenoisingQueries noisy = noisy_queries(options, plan, slots, queries.reference_logits);
  queries.content = torch::cat({embed_classes(noisy.labels).to(queries.content.scalar_type()), queries.content}, 1);
  queries.reference_logits = torch::cat({noisy.box_logits, queries.reference_logits}, 1);
  queries.mask = attention_mask({slots, plan.queries / plan.groups, matching}, queries.content);
  queries.denoising_slots = slots;
  queries.denoising = std::move(plan);
}

/// @param slots  at least the plan's queries; the rest is padding
/// @param like   has the device and the type of the boxes
DenoisingQueries RTDETRDecoderImpl::noisy_queries(const ForwardOptions& options, const DenoisingPairs& plan,
                                                  std::int64_t slots, const Tensor& like) const {
  const BatchShare& share = options.share;
  const auto batch = static_cast<std::int64_t>(options.targets.size());
  DenoisingDraws draws;
  if (options.draws) {
    draws = *options.draws;
  } else {
    RTDETR_CHECK(options.generator.has_value(), "training needs a generator for the denoising queries");
    draws = draw_denoising(batch * share.world, plan.queries, options_.num_classes, *options.generator,
                           like.options().device(options.targets.front().boxes_cxcywh.device()));
    if (share.world > 1) draws = share_of(draws, share.rank, share.world);
  }
  DenoisingQueries noisy =
      make_denoising_queries(options.targets, options_.num_classes, options_.denoising, draws, share.largest_count);
  noisy.box_logits = noisy.box_logits.to(like.scalar_type());
  if (const auto padding = slots - plan.queries; padding > 0) {
    const bool padding_class = options_.denoising.padding == DenoisingOptions::Padding::kClass;
    noisy.labels = torch::constant_pad_nd(noisy.labels, {0, padding}, padding_class ? options_.num_classes : -1);
    noisy.box_logits = torch::constant_pad_nd(noisy.box_logits, {0, 0, 0, padding});
  }
  if (!noisy.labels.is_cpu()) return noisy;
  const std::vector<Tensor> there = upload({noisy.labels, noisy.box_logits}, like.device());
  noisy.labels = there[0];
  noisy.box_logits = there[1];
  return noisy;
}

/// [B, K] → [B, K, D]
Tensor RTDETRDecoderImpl::embed_classes(const Tensor& labels) const {
  if (options_.denoising.padding == DenoisingOptions::Padding::kClass)
    return torch::embedding(denoising_classes_, labels, options_.num_classes);
  const Tensor real = labels.ge(0).unsqueeze(-1);
  return torch::embedding(denoising_classes_, labels.clamp_min(0)) * real;
}

/// Added rather than boolean, and in the type that attention computes in: it would convert another in every layer. On a
/// GPU a row begins at a multiple of 16 numbers, as its attention wants it, too. On the CPU it has the denoising
/// queries' rows alone: attention is computed apart for the others, in fewer operations; a GPU would wait for more
/// launches.
Tensor RTDETRDecoderImpl::attention_mask(const BlockedPairs& shape, const Tensor& content) {
  const auto device = content.device();
  const bool autocast = at::autocast::is_autocast_enabled(device.type());
  const auto type = autocast ? at::autocast::get_autocast_dtype(device.type()) : content.scalar_type();
  const auto options = torch::TensorOptions(type).device(device);
  return masks_.get(shape, options, [&] {
    const torch::NoGradGuard no_grad;
    const auto total = shape.queries + shape.matching;
    const auto length = device.is_cpu() ? total : (total + 15) / 16 * 16;
    const Tensor mask = torch::zeros({total, length}, options).narrow(1, 0, total);
    mask.masked_fill_(blocked_pairs(shape, device), -std::numeric_limits<double>::infinity());
    return device.is_cpu() ? mask.narrow(0, 0, shape.queries).clone() : mask;
  });
}

}  // namespace rtdetr
