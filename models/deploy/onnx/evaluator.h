#pragma once

#include "core/base/cpp20.h"

#include <map>
#include <span>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/onnx/onnx_model.h"

namespace rtdetr {

struct OnnxEvaluation {
  /// Of the graph's floats: kFloat32 computes as the file says (float16 stays float16), kFloat64 makes them all
  /// float64.
  torch::ScalarType floats = torch::kFloat32;
  torch::Device device = torch::kCPU;
};

using OnnxValues = std::map<std::string, torch::Tensor>;

/// Runs a model of operator set 17 on LibTorch, one node after the other: slow, small and literal, to see whether a
/// file computes what it should (docs/decisions/0008-onnx-by-hand.md). A value is freed after its last reader.
class OnnxEvaluator {
 public:
  /// @throws CheckpointError  naming the node, if an operator or an attribute is not known, or a value is read that is
  ///                          not there
  explicit OnnxEvaluator(const OnnxModel& model, const OnnxEvaluation& options = {});

  /// @param inputs  by name, all that the graph declares; floats are brought to the evaluation's type
  /// @param wanted  values to hand out, of any node; empty: the graph's outputs
  /// @throws CheckpointError  naming the node that cannot take its inputs, or the input or output that has another type
  ///                          or shape than the graph declares
  OnnxValues run(const OnnxValues& inputs, std::span<const std::string> wanted = {}) const;

 private:
  void check_nodes() const;

  OnnxGraph graph_;  ///< without the constants' bytes
  OnnxEvaluation options_;
  OnnxValues constants_;
};

}  // namespace rtdetr
