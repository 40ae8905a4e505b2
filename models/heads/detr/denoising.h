#pragma once

#include <optional>
#include <span>

#include <torch/types.h>

#include "core/tensor/detection.h"

namespace rtdetr {

struct DenoisingOptions {
  std::int64_t count = 100;        ///< positive queries per image, about; 0 = no denoising
  double label_noise_ratio = 0.5;  ///< labels are redrawn with half this probability
  double box_noise_scale = 1.0;    ///< corners of positives move by up to this many half sides; 0 = boxes stay
  double logit_epsilon = 1e-5;     ///< of the inverse sigmoid; Ultralytics 1e-6
  /// Clamp boxes to [epsilon, 1 - epsilon] before the logit (Ultralytics), rather than its numerator and denominator.
  bool clamp_before_logit = false;
  /// Sides that noise has turned inside out become positive (D-FINE), rather than next to nothing in the logit.
  bool mirror = false;
  /// Slots of images with fewer boxes than the largest: an embedded padding class and a point box (official), or a
  /// zero vector and zero logits (Ultralytics).
  enum class Padding { kClass, kZero } padding = Padding::kClass;
  /// A batch without any box: one dummy group, so that every step has the same graph (RT-DETRv2), or no denoising
  /// queries at all (v1, Ultralytics: the embedding then gets no gradient, and data-parallel runs hang; DINO: one of
  /// zero).
  enum class EmptyBatch { kDummyGroup, kNone, kZeroGradient } empty_batch = EmptyBatch::kDummyGroup;
};

/// Queries of a batch with at most `count` boxes in a picture, whatever it has, when shapes are to repeat: K rounded up
/// to a multiple of 2 · count. Those beyond K are padding (blocked_pairs) and nobody's prediction.
std::int64_t repeating_queries(std::int64_t queries, const DenoisingOptions& options);

/// The random numbers of one batch, K = queries per image. Drawn apart from their use, so that tests inject others'.
struct DenoisingDraws {
  Tensor label_u;    ///< [B, K] uniform in [0, 1): the label is redrawn where this is small
  Tensor label_new;  ///< [B, K] int64 uniform in [0, C)
  Tensor sign_bit;   ///< [B, K, 4] int64, 0 = minus, 1 = plus
  Tensor box_u;      ///< [B, K, 4] uniform in [0, 1)
};

struct DenoisingQueries {
  Tensor labels;      ///< [B, K] int64 content class; padding is C (kClass) or -1 (kZero)
  Tensor box_logits;  ///< [B, K, 4] cxcywh before the sigmoid
  DenoisingPairs pairs;
};

/// Groups and queries per image for these targets: K = 2 · largest count · groups; both 0 when there is no denoising.
/// @param largest_count  of a joint batch of which these targets are a share; by default their own
DenoisingPairs plan_denoising(std::span<const Target> targets, const DenoisingOptions& options,
                              std::optional<std::int64_t> largest_count = {});

DenoisingDraws draw_denoising(std::int64_t batch, std::int64_t queries, std::int64_t num_classes,
                              const torch::Generator& generator, const torch::TensorOptions& box_options);

/// Of a joint batch's draws those of one process, which has the pictures `rank`, `rank + world`, … of it.
DenoisingDraws share_of(const DenoisingDraws& joint, std::int64_t rank, std::int64_t world);

/// Builds noisy copies of the targets as extra decoder queries (DN-DETR; contrastive as in DINO §3.3).
/// Per image: G groups of [M positives | M negatives], M the largest number of boxes in the batch. Negatives move
/// one to two half sides. Computed where the targets lie, which is best the CPU: these are many small operations on few
/// numbers.
///
/// @param targets  B entries on one device; boxes cxcywh, fraction of image; N may be 0
/// @param draws    for K = plan_denoising(…).queries
/// @param largest_count  as plan_denoising was told
/// @return         K = 0 and undefined tensors when there is no denoising
/// @note           a pure function: no randomness of its own, and no device synchronisation
DenoisingQueries make_denoising_queries(std::span<const Target> targets, std::int64_t num_classes,
                                        const DenoisingOptions& options, const DenoisingDraws& draws,
                                        std::optional<std::int64_t> largest_count = {});

/// Which query may not attend to which. Matching queries see no denoising query; a group sees itself and the matching
/// queries.
struct BlockedPairs {
  std::int64_t queries = 0;     ///< K, or more: what is more are further groups
  std::int64_t group_size = 0;  ///< 2 · largest count
  std::int64_t matching = 0;    ///< Q
  bool operator==(const BlockedPairs&) const = default;
};
/// @return  [K + Q, K + Q] bool, true = row may not attend to column
Tensor blocked_pairs(const BlockedPairs& shape, const torch::Device& device);

}  // namespace rtdetr
