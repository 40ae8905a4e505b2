#include "data/tools/coco_eval.h"

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <unordered_map>

#include "core/base/error.h"
#include "core/base/text.h"
#include "data/dataset/box_convention.h"
#include "data/formats/coco_annotations.h"
#include "data/formats/coco_results.h"

namespace rtdetr {
namespace {

/// "0, 3, 4 and 2 more".
std::string first_ids(const std::set<std::int64_t>& ids) {
  constexpr std::size_t kShown = 5;
  std::vector<std::string> shown;
  for (const std::int64_t id : ids) {
    if (shown.size() == kShown) break;
    shown.push_back(std::to_string(id));
  }
  const std::string more = ids.size() > kShown ? " and " + std::to_string(ids.size() - kShown) + " more" : "";
  return shown.empty() ? "none" : join(shown, ", ") + more;
}

void note(std::vector<DataProblem>& problems, std::int64_t count, const char* kind, const char* message,
          const std::string& where) {
  if (count == 0) return;
  DataProblem& problem = problems.emplace_back();
  problem.kind = kind;
  problem.where = where;
  problem.message = message;
  problem.count = count;
}

/// "0, 3, 4 and 2 more; the annotations have 1, 2".
std::string unknown_categories(std::span<const MetricDetection> detections, const ClassList& classes) {
  const std::set<std::int64_t> known(classes.category_ids.begin(), classes.category_ids.end());
  std::set<std::int64_t> unknown;
  for (const MetricDetection& detection : detections) {
    if (!known.contains(detection.category_id)) unknown.insert(detection.category_id);
  }
  return first_ids(unknown) + "; the annotations have " + first_ids(known);
}

void find_unlike_boxes(const CocoAnnotations& file, std::span<const MetricDetection> detections,
                       const std::string& results, std::vector<DataProblem>& problems) {
  std::unordered_map<std::int64_t, const CocoAnnotations::Image*> images;
  for (const auto& image : file.images) images[image.id] = &image;
  BoxConvention convention;
  for (const MetricDetection& detection : detections) {
    const auto image = images.find(detection.image_id);
    if (image != images.end()) convention.add(detection.box_xywh, image->second->width, image->second->height);
  }
  note(problems, convention.are_fractions() ? 1 : 0, "result_fractions",
       "every box lies within the first pixel, so they are fractions; pixels are wanted", results);
  note(problems, convention.are_corners() ? 1 : 0, "result_corners",
       "boxes look like [x0, y0, x1, y1], and are taken as [x, y, width, height]", results);
}

}  // namespace

CocoEvaluation evaluate_coco_files(const std::filesystem::path& annotations, const std::filesystem::path& results,
                                   int threads) {
  CocoEvaluation evaluation;
  CocoAnnotations file = read_coco_annotations(annotations);
  throw_if_errors(file.problems, annotations.string());
  for (const auto& category : file.categories) {
    evaluation.classes.names.push_back(category.name);
    evaluation.classes.category_ids.push_back(category.id);
  }
  evaluation.problems = std::move(file.problems);
  const MetricInput input = take_metric_input(file);
  const std::vector<MetricDetection> detections = read_coco_results(results);
  evaluation.result = evaluate_coco(input, detections, threads);
  const bool only_crowds = !input.truths.empty() && std::ranges::all_of(input.truths, &MetricTruth::crowd);
  note(evaluation.problems, evaluation.result.ap() < 0 ? 1 : 0, "no_boxes",
       only_crowds
           ? "every annotation is a crowd (iscrowd 1), so there is nothing to find: AP is undefined (-1)"
           : "no annotation is of a listed image and category, so there is nothing to find: AP is undefined (-1)",
       annotations.string());
  note(evaluation.problems, evaluation.result.detections_left_out, "unknown_result_category",
       "results are of categories that the annotations do not list; left out",
       results.string() + ": " + unknown_categories(detections, evaluation.classes));
  note(evaluation.problems, evaluation.result.unusable_boxes, "unusable_result_box",
       "result boxes have a side that is not positive or not a number; they match nothing", results.string());
  find_unlike_boxes(file, detections, results.string(), evaluation.problems);
  return evaluation;
}

}  // namespace rtdetr
