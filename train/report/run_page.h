#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "train/config/settings.h"
#include "train/report/detection_report.h"
#include "train/report/run_record.h"

/// index.html of a run's folder: what train or val found, on one page that a browser opens without a network.
namespace rtdetr {

/// What an evaluation shows beside curves: AP by decoder layer and by class, the confusion matrix, and the pictures
/// with the worst detections. These are in the page itself, small: a page that is sent to somebody has them, too.
std::vector<nlohmann::ordered_json> evaluation_sections(const Dataset& dataset, const Evaluation& evaluation,
                                                        const DetectionReport& report);

/// A training run: curves of all columns of results.csv and of log.jsonl's losses, numbers, events, settings.
/// @param before  the run that it is told against
/// @param found   of the final evaluation; empty while there is none
nlohmann::ordered_json run_page(const RunRecord& run, const std::optional<RunRecord>& before = {},
                                std::span<const nlohmann::ordered_json> found = {});
/// Reads the run's folder and writes its page. @throws Error
void write_run_page(const std::filesystem::path& folder, std::span<const nlohmann::ordered_json> found = {});

/// The same for a run that goes on, of which an epoch costs what it added: a page that cannot be written is a warning,
/// and without results there is none yet.
void write_page_or_warn(RunReader& run, std::span<const nlohmann::ordered_json> found = {});
void write_page_or_warn(const std::filesystem::path& folder, std::span<const nlohmann::ordered_json> found = {});

/// The page of val.
nlohmann::ordered_json evaluation_page(const Settings& settings, const Dataset& dataset, const Evaluation& evaluation,
                                       const DetectionReport& report);

}  // namespace rtdetr
