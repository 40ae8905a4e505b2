#pragma once

#include <cstdint>
#include <string>

#include "core/image/image_size.h"
#include "core/onnx/onnx_model.h"
#include "models/graph/model.h"

namespace rtdetr {

/// Whose readers an ONNX file is for. Inputs: `images` [N, 3, H, W], RGB in [0, 1].
enum class OnnxOutputs {
  /// And `orig_target_sizes` [N, 2] int64, width and height; `labels` [N, D] int64, `boxes` [N, D, 4] xyxy in pixels,
  /// `scores` [N, D]: best first, as the official export.
  kOfficial,
  kRaw,          ///< `logits` [N, Q, C] before the sigmoid, `pred_boxes` [N, Q, 4] cxcywh in fractions (Hugging Face)
  kUltralytics,  ///< `output0` [N, D, 6]: cx, cy, w, h in fractions, score, class; best first
};

struct OnnxExportOptions {
  ImageSize size;
  OnnxOutputs outputs = OnnxOutputs::kOfficial;
  std::int64_t max_detections = 300;  ///< D, or as many pairs of query and class as there are
  bool grid_sample = false;           ///< see OnnxHeadOptions
  /// kFloat16 keeps boxes and norms in float32; kDouble is for tests.
  OnnxType float_type = OnnxType::kFloat;
};

struct OnnxExport {
  OnnxModel model;
  std::string logits, boxes;  ///< the values that are the head's last prediction, whatever the outputs are
  std::string tokens;         ///< and its selected tokens; empty: it selects none
};

/// The graph of a fused model, with a batch axis "N". The producer and the metadata are the caller's.
/// @throws ModelError  naming the row whose module has no ONNX form
OnnxExport make_onnx_model(const DetectionModelImpl& model, const OnnxExportOptions& options);

}  // namespace rtdetr
