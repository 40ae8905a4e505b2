#pragma once

#include <filesystem>
#include <vector>

#include "data/dataset/class_list.h"
#include "data/dataset/data_problem.h"
#include "data/evaluation/coco_metric.h"

namespace rtdetr {

struct CocoEvaluation {
  MetricResult result;
  ClassList classes;                  ///< by ascending category id, as in result.classes
  std::vector<DataProblem> problems;  ///< what was found in the files; warnings only
};

/// Evaluates a result file against an annotation file: `rtdetr coco-eval`.
/// @throws DataError  as read_coco_annotations (errors are thrown), read_coco_results, evaluate_coco; IoError
CocoEvaluation evaluate_coco_files(const std::filesystem::path& annotations, const std::filesystem::path& results,
                                   int threads = 1);

}  // namespace rtdetr
