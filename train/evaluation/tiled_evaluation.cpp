#include "train/evaluation/tiled_evaluation.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "core/base/clock.h"
#include "core/base/read_ahead.h"
#include "core/ops/device_memory.h"
#include "data/dataset/sample.h"
#include "data/evaluation/coco_metric.h"
#include "train/evaluation/findings.h"

namespace rtdetr {
namespace {

constexpr int kCocoDetections = 100;  ///< of a class in a picture that the metric looks at

/// COCO's own limit is to be the only one.
TileOptions without_limit(TileOptions tiles, std::size_t classes) {
  tiles.max_detections = std::max(tiles.max_detections, kCocoDetections * static_cast<int>(classes));
  return tiles;
}

void append(LayerFindings& findings, std::int64_t index, const std::vector<Detection>& found, const Dataset& dataset) {
  for (const Detection& object : found)
    findings.detections.push_back(
        {.image_id = dataset.pictures[static_cast<std::size_t>(index)].id,
         .category_id = dataset.classes.category_ids.at(static_cast<std::size_t>(object.label)),
         .box_xywh = {object.x0, object.y0, double{object.x1} - object.x0, double{object.y1} - object.y0},
         .score = object.score});
  findings.pictures.push_back({index, std::ssize(found)});
}

}  // namespace

Evaluation evaluate_tiled(const Detector& detector, const HeadLayer& layer, const Dataset& dataset,
                          const TileOptions& tiles, const EvaluatorOptions& options, ProcessGroup& group) {
  const double begin = seconds_now();
  const TileOptions limits = without_limit(tiles, dataset.classes.names.size());
  const std::int64_t rank = group.rank(), world = group.size(), all = std::ssize(dataset.pictures);
  const std::int64_t mine = (all - rank + world - 1) / world;
  const auto index_of = [&](std::size_t i) { return rank + static_cast<std::int64_t>(i) * world; };
  ReadAhead<Sample> samples(static_cast<std::size_t>(mine), options.workers,
                            static_cast<std::size_t>(options.workers) + 1,
                            [&](std::size_t i) { return load_sample(dataset, index_of(i)); });
  LoadLimit limit("a smaller batch= or imgsz= needs less");
  const PictureLoad load{tiles.batch, detector.input_height(), detector.input_width()};
  LayerFindings findings;
  for (std::int64_t done = 0; done < mine; ++done) {
    const Sample sample = std::move(*samples.next());
    const auto index = static_cast<std::size_t>(index_of(static_cast<std::size_t>(done)));
    require_few_tiles(dataset.pictures[index].file.string(), sample.picture.full_size(), limits);
    const std::vector<Detection> found =
        limit.run(load, [&] { return detect_tiled(detector, sample.picture, limits); });
    append(findings, static_cast<std::int64_t>(index), found, dataset);
    if (options.progress) options.progress(std::min(all, (done + 1) * world));
  }
  Evaluation evaluation;
  evaluation.pictures = all;
  evaluation.detections = gather(std::move(findings), group);
  evaluation.layers.push_back(
      {.layer = layer, .metric = evaluate_coco(dataset.truth, evaluation.detections, options.threads)});
  evaluation.seconds = seconds_now() - begin;
  return evaluation;
}

}  // namespace rtdetr
