#pragma once

#include <torch/types.h>

#include "models/graph/model.h"

namespace rtdetr {

/// Largest differences of two models' final predictions.
struct OutputDifference {
  double max_abs = 0;         ///< the larger of the two below
  double max_abs_scores = 0;  ///< of scores in [0, 1]
  double max_abs_boxes = 0;   ///< of cxcywh, fractions of the picture
};
OutputDifference worse_of(const OutputDifference& a, const OutputDifference& b);

/// Runs both models on `input` and compares the last decoder layer. Queries are told apart by the encoder token they
/// come from, for rounding may swap two tokens of nearly equal score. Where it even changes which tokens are selected,
/// the comparison is made in float64 instead (both models are float32 again afterwards).
/// @param input  [B, 3, H, W] float32
OutputDifference compare_outputs(DetectionModel& a, DetectionModel& b, const torch::Tensor& input);

}  // namespace rtdetr
