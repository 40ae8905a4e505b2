#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "data/dataset/class_list.h"
#include "train/evaluation/evaluator.h"

namespace rtdetr {

/// AP, AP50, AP75, AP by size, AR and milliseconds of every layer, under the name that the head gives it.
std::string layer_table(const Evaluation& evaluation);
/// Of `val` and `train` with json=true: stats and classes of the last layer, every layer's stats and milliseconds (null
/// = not measured).
nlohmann::ordered_json evaluation_json(const Evaluation& evaluation, const ClassList& classes);

}  // namespace rtdetr
