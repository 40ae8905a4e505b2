#pragma once

#include <array>

#include "core/base/choices.h"

namespace rtdetr {

/// Whose readers an ONNX file is for. Inputs: `images` [N, 3, H, W], RGB in [0, 1].
enum class OnnxOutputs {
  /// And `orig_target_sizes` [N, 2] int64, width and height; `labels` [N, D] int64, `boxes` [N, D, 4] xyxy in pixels,
  /// `scores` [N, D]: best first, as the official export.
  kOfficial,
  kRaw,  ///< `logits` [N, Q, C] before the sigmoid, `pred_boxes` [N, Q, 4] cxcywh in fractions (Hugging Face)
  /// `output0` [N, D, 6]: cx, cy, w, h in fractions, score, class; best first. Of a model that suppresses (YOLOv8) all
  /// that it predicts, [N, 4 + C, Q]: cx, cy, w, h in pixels of the input, a score of each class.
  kUltralytics,
};
inline constexpr std::array<Choice<OnnxOutputs>, 3> kOnnxOutputsWords{
    {{"official", OnnxOutputs::kOfficial}, {"raw", OnnxOutputs::kRaw}, {"ultralytics", OnnxOutputs::kUltralytics}}};

}  // namespace rtdetr
