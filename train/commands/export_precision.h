#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "core/image/image_size.h"
#include "models/deploy/output_comparison.h"
#include "train/commands/model_source.h"
#include "train/config/settings.h"
#include "train/evaluation/evaluator.h"

namespace rtdetr {

/// What rounding an exported file costs on the data set of verify=.
struct ExportPrecision {
  double original = 0, rounded = 0;   ///< AP
  std::int64_t pictures = 0, of = 0;  ///< on how many, of how many
};

/// AP of the model and of the file that was written of it; absent for pictures, for a model YAML, which has learnt
/// nothing, and where a signal ends it: the file is there by then. At most verify_pictures= pictures are taken, evenly
/// spread over the data set, and the time that is left is shown.
/// @param rounded  what the file predicts
/// @param type     in which: "fp16"
std::optional<ExportPrecision> export_precision(const Settings& settings, OpenedModel& original, const ImageSize& size,
                                                const Predictor& rounded, const std::string& type);
/// "AP on val.yaml: 0.4120 before, 0.4117 in fp16, 0.0003 less"; without a data set, what says it.
std::string text_of(const std::optional<ExportPrecision>& precision, const Settings& settings, const std::string& type);
nlohmann::ordered_json to_json(const ExportPrecision& precision);

/// "rounding to fp16 moves scores by up to …": the same without a data set. @param type  "fp16"
std::string text_of(const RoundingCost& cost, const std::string& type);
nlohmann::ordered_json to_json(const RoundingCost& cost);

}  // namespace rtdetr
