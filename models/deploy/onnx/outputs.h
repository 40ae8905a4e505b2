#pragma once

#include <cstdint>
#include <string>

#include "core/image/image_size.h"
#include "core/onnx/onnx_model.h"
#include "core/onnx/onnx_outputs.h"
#include "models/graph/model.h"

namespace rtdetr {

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
