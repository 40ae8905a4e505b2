#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <torch/types.h>

#include "core/onnx/onnx_model.h"

namespace rtdetr {

/// What a graph says of its inputs and outputs, held against the values of one run: their types, their axes, and that
/// axes of one name have one size.
class OnnxDeclarations {
 public:
  /// @param floats  OnnxEvaluation's
  explicit OnnxDeclarations(torch::ScalarType floats) : floats_(floats) {}

  /// `given` as the graph takes it: floating numbers in the type of the evaluation. @throws CheckpointError  as check()
  torch::Tensor input(const OnnxValueInfo& declared, const torch::Tensor& given);
  /// @throws CheckpointError  naming the value, what it is and what it should be
  void check(const OnnxValueInfo& declared, const torch::Tensor& value);

 private:
  std::string text_of(const OnnxValueInfo& declared) const;

  torch::ScalarType floats_;
  std::map<std::string, std::int64_t> sizes_;  ///< by the axes' names
};

}  // namespace rtdetr
