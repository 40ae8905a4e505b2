#pragma once

#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "train/report/run_record.h"

/// Several runs on one page: curves over each other, numbers, the settings in which the runs differ, and what each
/// one's own page says of its best weights: AP by layer and class, the confusion matrix, the worst pictures.
namespace rtdetr {

/// Names of the runs: of their folders, or whole paths where two have the same.
std::vector<std::string> run_names(std::span<const RunRecord> runs);

nlohmann::ordered_json comparison_page(std::span<const RunRecord> runs);

/// A table of two runs, of their numbers and the settings that they were told differently.
nlohmann::ordered_json difference_section(const RunRecord& run, const RunRecord& before);

}  // namespace rtdetr
