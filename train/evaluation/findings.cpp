#include "train/evaluation/findings.h"

#include <algorithm>
#include <span>
#include <utility>

#include <torch/types.h>

#include "core/base/check.h"
#include "core/image/placement.h"
#include "core/tensor/download.h"
#include "models/graph/fitted_pictures.h"

namespace rtdetr {
namespace {

/// @param found  on the host
void append_detections(LayerFindings& findings, const Detections& found, std::int64_t image_id,
                       const ClassList& classes) {
  const auto boxes = found.boxes_xyxy.to(torch::kFloat64).contiguous();
  const auto scores = found.scores.to(torch::kFloat64).contiguous();
  if (!scores.isfinite().all().item<bool>() || !boxes.isfinite().all().item<bool>())
    throw outputs_not_finite("scores or boxes for picture " + std::to_string(image_id));
  const auto labels = found.labels.contiguous();
  const double* box = boxes.const_data_ptr<double>();
  for (std::int64_t i = 0; i < labels.numel(); ++i, box += 4) {
    const auto label = static_cast<std::size_t>(labels.const_data_ptr<std::int64_t>()[i]);
    findings.detections.push_back({.image_id = image_id,
                                   .category_id = classes.category_ids.at(label),
                                   .box_xywh = {box[0], box[1], box[2] - box[0], box[3] - box[1]},
                                   .score = scores.const_data_ptr<double>()[i]});
  }
}

/// A picture's detections among those of its process.
struct PictureFindings {
  std::int64_t index = 0;
  std::span<const MetricDetection> detections;
};

void append_pictures(const std::vector<LayerFindings::Picture>& pictures, std::span<const MetricDetection> detections,
                     std::vector<PictureFindings>& list) {
  for (const LayerFindings::Picture& picture : pictures) {
    const auto count = static_cast<std::size_t>(picture.detections);
    list.push_back({picture.index, detections.first(count)});
    detections = detections.subspan(count);
  }
}

}  // namespace

void collect(const Head& head, const std::vector<HeadLayer>& layers, const ModelOutput& output, const Batch& batch,
             const Dataset& dataset, const PostprocessOptions& options, std::vector<LayerFindings>& by_layer) {
  std::vector<Placement> placements;
  for (const Batch::Image& image : batch.targets) placements.push_back(image.placement);
  const std::vector<PictureSize> sizes = sizes_of_boxes(placements);
  std::vector<Detections> found;  // of a layer in all pictures, then of the next
  for (const HeadLayer& layer : layers) {
    const auto of_layer = head.postprocess(prediction_at(output, layer), sizes, options);
    found.insert(found.end(), of_layer.begin(), of_layer.end());
  }
  found = download(found);
  for (std::size_t i = 0; i < found.size(); ++i) {
    LayerFindings& findings = by_layer[i / sizes.size()];
    bring_into_picture(placements[i % sizes.size()], found[i]);
    const std::int64_t index = batch.targets[i % sizes.size()].picture_index;
    append_detections(findings, found[i], dataset.pictures[static_cast<std::size_t>(index)].id, dataset.classes);
    findings.pictures.push_back({index, found[i].labels.numel()});
  }
}

std::vector<MetricDetection> gather(LayerFindings mine, ProcessGroup& group) {
  if (group.size() == 1) return std::move(mine.detections);
  const auto pictures = group.all_gather(mine.pictures);
  const auto detections = group.all_gather(mine.detections);
  std::vector<PictureFindings> list;
  for (std::size_t rank = 0; rank < pictures.size(); ++rank) append_pictures(pictures[rank], detections[rank], list);
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
  std::vector<MetricDetection> all;
  for (const PictureFindings& picture : list)
    all.insert(all.end(), picture.detections.begin(), picture.detections.end());
  return all;
}

}  // namespace rtdetr
