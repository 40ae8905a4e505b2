#pragma once

#include <vector>

#include "core/tensor/detection.h"
#include "models/layers/recent_tables.h"
#include "models/onnx/onnx_builder.h"

namespace rtdetr {

/// (x − mean) / deviation of a picture in [0, 1], channel by channel: what a backbone expects that was trained so. It
/// is part of the model, so that whoever runs one, trains it or writes it as a file gives it pictures in [0, 1].
class InputNorm {
 public:
  /// @param mean, deviation  of the channels; both empty: pictures stay as they are, at no cost
  InputNorm(std::vector<double> mean, std::vector<double> deviation);
  bool empty() const { return scale_.empty(); }
  /// @param images  [B, C, H, W]
  Tensor forward(const Tensor& images);
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& images) const;

 private:
  struct Tables {
    Tensor scale, shift;  ///< [C, 1, 1]
  };
  Tables tables(const torch::TensorOptions& options) const;

  std::vector<double> scale_, shift_;
  RecentTables<int, Tables> known_;
};

}  // namespace rtdetr
