#pragma once

#include <functional>
#include <string>
#include <vector>

#include <torch/types.h>

#include "models/deploy/onnx/evaluator.h"
#include "models/deploy/onnx/outputs.h"
#include "models/deploy/output_comparison.h"
#include "models/graph/model.h"

namespace rtdetr {

/// An ONNX file, as read back, beside the model that it was made of: what it computes is compared with what that
/// computes, and where the two part is found row by row of the YAML.
class OnnxVerification {
 public:
  /// @param model    float32, in evaluation mode, fused or not
  /// @param written  its export, of which the model may have been read from a file
  /// @throws CheckpointError  if the file has operators that are not known
  OnnxVerification(DetectionModel model, OnnxExport written);

  /// The file's prediction against the model's, as compare_outputs has it, and its outputs against what the model's
  /// head makes of the file's prediction; the larger differences of both.
  /// @param input  [B, 3, H, W] float32
  OutputDifference compare(const torch::Tensor& input);

  struct RoundedComparison {
    RoundingCost prediction;  ///< against the model's
    double outputs = 0;       ///< against what the model's head makes of the file's prediction
  };
  /// The same of a file of a half type.
  RoundedComparison compare_rounded(const torch::Tensor& input);

  /// Where the difference begins: the first row whose map differs by more than `tolerance` of its largest value, "row 3
  /// (RepC3)"; else the head's row, or "the outputs", which are no row, if the head's prediction is the model's.
  std::string first_difference(const torch::Tensor& input, double tolerance);

 private:
  std::vector<std::string> names_of_prediction() const;
  OnnxValues evaluate(const torch::Tensor& input) const;  ///< prediction and outputs
  OrderedOutput ordered_prediction(const OnnxValues& values) const;
  OutputDifference compare_predictions(const torch::Tensor& input, const OnnxValues& found);
  /// What the outputs say beside what the model's head makes of the file's own prediction.
  OutputDifference compare_outputs(const torch::Tensor& input, const OnnxValues& found);
  OutputDifference compare_detections(const OnnxValues& found);

  DetectionModel model_;
  OnnxExport written_;
  OnnxEvaluator evaluator_;
};

/// Is told how many inputs have been compared.
using AfterInput = std::function<void(std::size_t)>;

/// Compares on every input. @throws InternalError  if a difference is above `tolerance`: it says in which row it
///                                                begins, and ends with `consequence`
OutputDifference verify_onnx(DetectionModel model, const OnnxExport& written, const std::vector<torch::Tensor>& inputs,
                             double tolerance, const std::string& consequence, const AfterInput& after_input = {});

/// How far queries may move on average in a float16 file, which is run in float16: scores and fractions of the picture.
inline constexpr double kFloat16Tolerance = 0.005;

/// The same of a float16 file, whose operators verify_onnx() has seen in float32: what rounding costs.
/// @throws InternalError  if queries move by more than kFloat16Tolerance on average, or half of them are others
RoundingCost verify_float16_onnx(DetectionModel model, const OnnxExport& written,
                                 const std::vector<torch::Tensor>& inputs, double tolerance,
                                 const std::string& consequence, const AfterInput& after_input = {});

/// The file as something that predicts: its prediction, in float32, of pictures [B, 3, H, W].
std::function<Prediction(const torch::Tensor&)> onnx_predictor(const OnnxExport& written, torch::Device device);

}  // namespace rtdetr
