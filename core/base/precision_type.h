#pragma once

namespace rtdetr {

/// Number type of a model's forward and backward pass; weights, boxes, losses and the optimizer stay float32.
enum class Precision {
  kFloat32,
  kBFloat16,
  kFloat16,
  kInt8,  ///< of the model prepared for a CPU alone, from a file with a calibration (docs/howto/number_types.md)
};

}  // namespace rtdetr
