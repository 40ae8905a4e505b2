#pragma once

#include <cstdint>
#include <vector>

#include "core/distributed/process_group.h"
#include "core/tensor/detection.h"
#include "data/dataset/dataset.h"
#include "data/dataset/metric_types.h"
#include "data/dataset/sample.h"
#include "models/graph/head.h"

/// What an evaluation finds: each process in its own pictures, then all together.
namespace rtdetr {

/// By one layer of the head, in the pictures of one process.
struct LayerFindings {
  struct Picture {
    std::int64_t index = 0, detections = 0;
  };
  std::vector<Picture> pictures;            ///< in the order in which they were seen
  std::vector<MetricDetection> detections;  ///< of the first picture, best first, then of the next
};

/// Appends one batch's detections to the findings of every one of `layers`. The host waits for the device once.
/// @param options  of Head::postprocess
/// @throws DivergedError  for scores or boxes that are not finite
void collect(const Head& head, const std::vector<HeadLayer>& layers, const ModelOutput& output, const Batch& batch,
             const Dataset& dataset, const PostprocessOptions& options, std::vector<LayerFindings>& by_layer);

/// The detections of all processes, in the order of the data set's pictures: what one process would have found alone.
std::vector<MetricDetection> gather(LayerFindings mine, ProcessGroup& group);

}  // namespace rtdetr
