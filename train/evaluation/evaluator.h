#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/precision.h"
#include "core/distributed/process_group.h"
#include "core/image/fit.h"
#include "core/image/picture_size.h"
#include "core/image/resize.h"
#include "data/dataset/dataset.h"
#include "data/evaluation/coco_metric.h"
#include "losses/options.h"
#include "models/deploy/wanted_pairs.h"
#include "models/graph/model.h"

namespace rtdetr {

/// What predicts in a model's place, such as an engine or a file of another format.
struct Predictor {
  /// @param images       [B, 3, H, W]
  /// @param valid_sizes  ForwardOptions'
  /// @return             as of a pass with all_layers, or with `last_alone` one prediction, the detecting layer's
  std::function<ModelOutput(const torch::Tensor& images, std::span<const PictureSize> valid_sizes)> run;
  bool last_alone = false;
  /// Runs on one picture. @return  milliseconds of a pass that ends at each of the head's layers, in their order.
  /// Empty: `run` is timed as a whole.
  std::function<std::vector<double>(const torch::Tensor& picture)> layer_ms = {};

  explicit operator bool() const { return static_cast<bool>(run); }
};

struct EvaluatorOptions {
  std::int64_t height = 640, width = 640;     ///< of the input; with Fit::kKeepRatio its two limits
  std::int64_t batch = 16;                    ///< of all processes together
  torch::Device device = torch::kCPU;         ///< where the model lies
  Precision precision = Precision::kFloat32;  ///< of its forward pass
  int workers = 4;                            ///< threads that read pictures
  int threads = 1;                            ///< of the metric
  Resampling resampling = Resampling::kPillowBilinear;
  Fit fit = Fit::kStretch;
  /// With these, the loss terms of the head's layers are averaged over the pictures as well.
  std::optional<CriterionOptions> criterion;
  std::function<void(std::int64_t pictures)> progress = {};  ///< called after each batch with how many are done
  Predictor predictor = {};                                  ///< with one, its predictions are evaluated
  WantedPairs wanted = {};                                   ///< others are no detections
  SuppressionChoice suppression = {};                        ///< of a head that suppresses
};

/// What one pass over a data set yields.
struct Evaluation {
  struct Layer {
    HeadLayer layer;
    MetricResult metric;
    double ms = -1;  ///< see time_layers; -1 = not measured
  };
  std::vector<Layer> layers;                ///< the head's, in its order
  std::size_t detects_with = 0;             ///< index of the one that the model detects with (Head::usual_layers)
  std::vector<MetricDetection> detections;  ///< of that one, in the data set's image and category ids
  std::vector<std::pair<std::string, double>> losses;
  std::int64_t pictures = 0;
  double seconds = 0;

  const Layer& detecting() const { return layers[detects_with]; }
};

/// COCO evaluation of every layer that the head names from one forward pass per batch. The model is put into evaluation
/// mode; gradients are off.
///
/// Of several processes each takes its part of every batch, and all have the whole result: detections in the order of
/// the data set, each picture's once, and losses over the boxes of the whole batch. So the numbers are those of one
/// process, as far as a picture's are the same to the last bit in a batch of another size.
///
/// @param cancelled  asked once for each batch, in every process alike; true ends the evaluation without a result, and
///                   must be true in all processes or none
/// @param group      the processes that evaluate together: each comes here with the same weights
/// @throws DataError; DivergedError  for scores that are not finite
std::optional<Evaluation> evaluate(DetectionModel& model, const Dataset& dataset, const EvaluatorOptions& options,
                                   const std::function<bool()>& cancelled = {}, ProcessGroup& group = world_of_one());

/// Milliseconds per picture of the model cut after each of its head's layers, in their order, batch 1: the median of
/// `runs` forward passes each, taken in turns so that a disturbance of the machine hits all layers alike. Layer 0,
/// which no pass can stop at, is layer 1 less the average cost of a layer (−1 if there is only one). Decoding, resizing
/// and sorting the scores are not in it.
/// @param options  height, width, device and precision
std::vector<double> time_layers(DetectionModel& model, const EvaluatorOptions& options, int runs = 10);

/// Puts these times, or the predictor's, into the layers; those that a fused model does not have stay without one. Fuse
/// the model first: that is what people deploy.
void add_times(Evaluation& evaluation, DetectionModel& model, const EvaluatorOptions& options);

}  // namespace rtdetr
