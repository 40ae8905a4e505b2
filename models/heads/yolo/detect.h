#pragma once

#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/ops/suppression.h"
#include "core/tensor/dense_boxes.h"
#include "models/graph/head.h"
#include "models/layers/batch_norm.h"
#include "models/layers/conv.h"
#include "models/layers/init.h"
#include "models/layers/recent_tables.h"

namespace rtdetr {

struct DetectOptions {
  struct Map {
    std::int64_t channels = 0, stride = 1;  ///< stride in pixels of the input
  };
  std::vector<Map> maps;  ///< finest first
  std::int64_t num_classes = 80;
  std::int64_t bins = 16;  ///< of each side's distribution: a box reaches at most so many cells, less one, to a side
  Activation activation = Activation::kSilu;
  BatchNormOptions norm;
  AssignmentOptions assignment;
  /// Of detections: candidates above 0.001, of every class.
  SuppressionOptions suppression = {.least_score = 0.001};
};

/// @param sides  height and width of each of the maps
DenseGrid make_grid(const std::vector<std::int64_t>& sides, const std::vector<DetectOptions::Map>& maps,
                    const torch::TensorOptions& like);

/// 1x1 convolution with a bias: what ends each branch. Keys `weight` [out, in, 1, 1], `bias` [out].
class PointConvolutionImpl : public torch::nn::Module, public InitializesWeights {
 public:
  PointConvolutionImpl(std::int64_t in, std::int64_t out);
  Tensor forward(const Tensor& x);
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const;
  void init_weights(const WeightDraws& draws) override;

  Tensor weight, bias;
};
TORCH_MODULE(PointConvolution);

/// The end of YOLOv8 (Ultralytics' `Detect`): every cell of every map predicts a box, as four distributions, and a
/// score for each class, by two branches of two 3x3 convolutions and a 1x1. Detections are what suppression leaves.
/// Keys cv2.i (boxes) and cv3.i (classes) of map i, dfl.conv.weight, which nobody trains.
class DetectImpl : public Head, public InitializesWeights {
 public:
  explicit DetectImpl(const DetectOptions& options);

  /// @param maps  one [B, C_l, H_l, W_l] per input, finest first
  /// @return      one layer of A predictions; their boxes may leave the picture. `extras` is DenseExtras
  /// @note        boxes stay float32 (float64 in a float64 model) under autocast
  /// @throws ConfigError  for a second decoder layer
  ModelOutput forward(const std::vector<Tensor>& maps, const ForwardOptions& options) override;

  /// Every cell's prediction: suppression is not among the operators.
  OnnxPrediction emit(OnnxBuilder& graph, const std::vector<OnnxValue>& maps,
                      const OnnxHeadOptions& options) const override;

  std::int64_t num_layers() const override { return 1; }
  std::vector<HeadLayer> layers() const override { return {{1, "1"}}; }
  /// Suppression looks at boxes in pixels of the picture: their overlap is the same in any.
  std::vector<Detections> postprocess(const Prediction& prediction, std::span<const PictureSize> sizes,
                                      const PostprocessOptions& options) const override;
  bool suppresses() const override { return true; }
  std::vector<std::string> criteria() const override { return {"yolov8"}; }
  Deployment deployment() const override { return Deployment::kUltralytics; }
  /// The reference takes the means of distributions by a convolution.
  double spared_operations(std::int64_t tokens) const override;
  const DetectOptions& options() const { return options_; }

  void init_weights(const WeightDraws& draws) override;

 private:
  struct Branch {
    ConvNormAct first{nullptr}, second{nullptr};
    PointConvolution last{nullptr};
    Tensor forward(const Tensor& map) { return last->forward(second->forward(first->forward(map))); }
    OnnxValue emit(OnnxBuilder& graph, const std::string& path, const OnnxValue& map) const;
  };

  Branch add_branch(const std::string& path, std::int64_t in, std::int64_t width, std::int64_t out);
  DenseGrid grid_of(const std::vector<Tensor>& maps, const torch::TensorOptions& like);

  DetectOptions options_;
  std::vector<Branch> boxes_, classes_;  ///< one of each for a map
  Tensor bins_;                          ///< [1, R, 1, 1] 0, 1, …
  RecentTables<std::vector<std::int64_t>, DenseGrid> grids_;
};
TORCH_MODULE(Detect);

}  // namespace rtdetr
