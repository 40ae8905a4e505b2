#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <memory>
#include <vector>

#include <torch/types.h>

/// The nouns that models, losses and train share. Letters: B batch, Q queries, C classes, L decoder layers,
/// K denoising queries, N boxes of one image.
namespace rtdetr {

using torch::Tensor;

/// Ground truth of one image.
struct Target {
  Tensor labels;        ///< [N] int64, class index in [0, C)
  Tensor boxes_cxcywh;  ///< [N, 4] fraction of the image; N may be 0
};

/// Raw output of one prediction head.
struct Prediction {
  Tensor logits;        ///< [B, Q, C] before the sigmoid
  Tensor boxes_cxcywh;  ///< [B, Q, 4] fraction of the image, after the sigmoid
};

/// Which denoising queries reconstruct which box.
struct DenoisingPairs {
  /// B entries: G·n_b slots of the positive queries of image b, group by group; the g-th run of n_b slots belongs to
  /// boxes 0 … n_b-1 in order. Numbers of the host, which alone needs them.
  std::vector<std::vector<std::int64_t>> positive_slots;
  std::int64_t groups = 0;   ///< G
  std::int64_t queries = 0;  ///< K, denoising queries per image
};

/// What a head hands its own criterion besides predictions, such as distributions of the boxes: the two derive from it
/// what they agree on, and nobody else looks inside.
struct HeadExtras {
  virtual ~HeadExtras() = default;
};

/// Everything one forward pass yields.
struct ModelOutput {
  std::vector<Prediction> layers;     ///< L decoder layers, first to last (only as far as the pass went)
  Prediction encoder;                 ///< the selected encoder tokens; undefined where a head selects none
  Tensor topk_indices;                ///< [B, Q] int64 into the flattened tokens, best first; undefined likewise
  std::vector<Prediction> denoising;  ///< L layers of [B, K, …]; empty outside training
  DenoisingPairs denoising_pairs;
  std::shared_ptr<const HeadExtras> extras;  ///< nullptr: the head has none
};

/// Final result for one image, best first.
struct Detections {
  Tensor boxes_xyxy;  ///< [D, 4] float, pixels of the original picture
  Tensor scores;      ///< [D] float, [0, 1]
  Tensor labels;      ///< [D] int64, class index
};

}  // namespace rtdetr
