#pragma once

#include <span>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "data/dataset/class_list.h"
#include "data/dataset/data_problem.h"
#include "data/evaluation/coco_metric.h"

/// How metrics and data problems look in the program's output.
namespace rtdetr {

/// One row per class: name, boxes, AP, AP50, AP75, AR100; "-" where a class has no box.
std::string class_table(const MetricResult& result, const ClassList& classes);
/// [{name, category_id, boxes, ap, ap50, ap75, ar100}], −1 = undefined.
nlohmann::ordered_json classes_json(const MetricResult& result, const ClassList& classes);
/// [{severity, kind, count, message, places}]
nlohmann::ordered_json problems_json(std::span<const DataProblem> problems);

}  // namespace rtdetr
