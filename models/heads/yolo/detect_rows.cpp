// How a model YAML says what its last row's YOLO head is like.
#include <cstdint>
#include <limits>
#include <variant>

#include "models/graph/registry.h"
#include "models/heads/yolo/detect.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kAnyNumber = std::numeric_limits<std::int64_t>::max();  // the caller says how many

DetectOptions detect_options(const RowContext& row) {
  const Arguments& args = row.args;
  DetectOptions o;
  for (const FeatureMap& map : row.inputs) o.maps.push_back({map.channels, map.stride});
  o.num_classes = args.integer("nc");
  o.bins = args.integer("reg_max");
  o.activation = activation_from_name(row.activation);
  o.norm = {row.norm_eps, row.norm_momentum, false};
  o.assignment.topk = args.integer("topk");
  o.assignment.least_side = args.number("small_boxes");
  o.suppression.iou = args.number("iou");
  o.suppression.max_kept = args.is_none("max_det") ? kAnyNumber : args.integer("max_det");
  const bool of_class = args.text("nms") == "class", exact = args.text("nms_offset") == "exact";
  o.suppression.rivals = !of_class ? SuppressionOptions::Rivals::kAll
                         : exact   ? SuppressionOptions::Rivals::kOwnClass
                                   : SuppressionOptions::Rivals::kShiftedClass;
  return o;
}

void check_detect(const RowContext& row) {
  check_class_count(row);
  for (std::size_t k = 1; k < row.inputs.size(); ++k) {
    if (row.inputs[k].stride <= row.inputs[k - 1].stride)
      refuse("`from` must name maps from the finest to the coarsest, found strides " +
             std::to_string(row.inputs[k - 1].stride) + " and " + std::to_string(row.inputs[k].stride));
  }
}

std::vector<ArgumentSpec> detect_arguments() {
  return {
      integer_argument("nc", "number of classes").range(1, 1'000'000),
      integer_argument("reg_max", "bins of each side's distribution").fallback(16).range(2, 256).named_only(),
      number_argument("iou", "overlap above which the worse of two boxes goes")
          .fallback(ArgumentValue(0.7))
          .range(0, 1)
          .named_only(),
      integer_argument("max_det", "detections per picture at most, whatever the caller asks for")
          .fallback(std::monostate{})
          .range(1, 100'000)
          .named_only(),
      text_argument("nms", "who suppresses whom: boxes of one class, or all", {"class", "all"})
          .fallback("class")
          .named_only(),
      text_argument("nms_offset", "classes are kept apart exactly, or by moving boxes in float32 as Ultralytics does",
                    {"exact", "ultralytics"})
          .fallback("exact")
          .named_only(),
      number_argument("small_boxes",
                      "training: boxes look for anchors as if their sides were so many pixels; Ultralytics: the second "
                      "map's stride, of the usual maps 16")
          .fallback(ArgumentValue(16.0))
          .range(0, 1024)
          .named_only(),
      integer_argument("topk", "training: anchors that a box may take").fallback(10).range(1, 1000).named_only()};
}

}  // namespace

void register_detect_blocks(Registry& registry) {
  registry.add({.name = "Detect",
                .summary = "YOLOv8's end: a box and scores at every cell, then suppression; the last row",
                .arguments = detect_arguments(),
                .many_inputs = true,
                .build_head = [](const RowContext& row) -> HeadPtr { return Detect(detect_options(row)).ptr(); },
                .check_head = check_detect});
}

}  // namespace rtdetr
