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
  bool free_size = false;  ///< height and width are the caller's, multiples of the model's stride; `size` says nothing
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

/// The graph of a fused model, with a batch axis "N", and "height" and "width" if asked for. Of a picture of fewer
/// tokens than the model has queries no graph of free size makes anything. The producer and the metadata are the
/// caller's.
/// @throws ModelError  naming the row whose module has no ONNX form
OnnxExport make_onnx_model(const DetectionModelImpl& model, const OnnxExportOptions& options);

}  // namespace rtdetr
