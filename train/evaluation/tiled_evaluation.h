#pragma once

#include "core/distributed/process_group.h"
#include "data/dataset/dataset.h"
#include "models/deploy/detector.h"
#include "models/deploy/tiling.h"
#include "models/graph/head.h"
#include "train/evaluation/evaluator.h"

namespace rtdetr {

/// COCO evaluation of what a detector finds tile by tile (models/deploy/tiling.h), of its last layer alone: the merged
/// detections of a picture, with no score left out, are what is judged.
///
/// Of several processes each takes the pictures whose index leaves its rank, and all have the whole result, as of
/// `evaluate`.
///
/// @param detector  of min_score 0
/// @param layer     at which it predicts
/// @param options   workers, threads and progress; batch and sizes are the tiles' and the detector's
/// @throws DataError
Evaluation evaluate_tiled(const Detector& detector, const HeadLayer& layer, const Dataset& dataset,
                          const TileOptions& tiles, const EvaluatorOptions& options,
                          ProcessGroup& group = world_of_one());

}  // namespace rtdetr
