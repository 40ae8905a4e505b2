#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "data/evaluation/error_split.h"
#include "data/evaluation/operating_points.h"
#include "train/evaluation/evaluator.h"

/// What `val` says beyond the COCO average: how the detections do above one confidence.
namespace rtdetr {

struct DetectionReport {
  OperatingCurves curves;
  ConfusionMatrix confusion;            ///< at the same confidence as what the functions below state
  std::vector<PictureCounts> pictures;  ///< at that confidence, too
  ErrorSplit errors;                    ///< over all confidences
};

/// @param confidence  0: where the mean F1 over the classes is best
DetectionReport report_detections(const Evaluation& evaluation, const Dataset& dataset, double confidence);

/// The confidence at which the mean F1 over the classes is best, at least 0.01; nullopt where nothing is found at all.
std::optional<double> best_confidence(const Evaluation& evaluation, const Dataset& dataset);

/// "precision 0.812, recall 0.776, F1 0.794 at confidence 0.42 and IoU 0.5, mean of the classes".
std::string operating_point_text(const DetectionReport& report);
/// {confidence, iou, precision, recall, f1, classes: [{name, hits, wrong, missed, …}]}
nlohmann::ordered_json operating_point_json(const DetectionReport& report, const ClassList& classes);

/// A table of what each kind of error costs of AP50, in points, and how many there are.
std::string error_split_text(const ErrorSplit& errors);
/// {ap50, kinds: [{kind, count, cost}], false_positives, false_negatives}; shares of 1
nlohmann::ordered_json error_split_json(const ErrorSplit& errors);

/// metrics_per_class.csv: class, category_id, boxes, AP, AP50, AP75, AR100, confidence, precision (empty: undefined),
/// recall, F1, hits, wrong, missed. confusion_matrix.csv: a row for each detected class and one for what was missed, a
/// column for each true class and one for false alarms.
void write_metric_tables(const DetectionReport& report, const MetricResult& metric, const ClassList& classes,
                         const std::filesystem::path& folder);

/// Under Ultralytics' names confusion_matrix.png and _normalized.png, BoxPR_curve.png, BoxF1_curve.png, BoxP_curve.png
/// and BoxR_curve.png; and errors.png.
void write_metric_pictures(const DetectionReport& report, const MetricResult& metric, const ClassList& classes,
                           const std::filesystem::path& folder);

}  // namespace rtdetr
