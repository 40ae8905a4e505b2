#include "data/coco_eval.h"

#include "data/coco_annotations.h"
#include "data/coco_results.h"

namespace rtdetr {
namespace {

void note(std::vector<DataProblem>& problems, std::int64_t count, const char* kind, const char* message,
          const std::filesystem::path& file) {
  if (count == 0) return;
  DataProblem& problem = problems.emplace_back();
  problem.kind = kind;
  problem.where = file.string();
  problem.message = message;
  problem.count = count;
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
  note(evaluation.problems, evaluation.result.detections_left_out, "unknown_result_category",
       "results are of categories that the annotations do not list; left out", results);
  note(evaluation.problems, evaluation.result.unusable_boxes, "unusable_result_box",
       "result boxes have a side that is not positive or not a number; they match nothing", results);
  return evaluation;
}

}  // namespace rtdetr
