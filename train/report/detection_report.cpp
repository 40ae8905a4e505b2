#include "train/report/detection_report.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include <nlohmann/json.hpp>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "data/evaluation/metric_pictures.h"
#include "train/report/text_layout.h"

namespace rtdetr {
namespace {

struct Means {
  double precision = 0, recall = 0, f1 = 0;
};

/// Over the classes that have boxes; precision over those of them that have detections, NaN where none has.
Means means_of(const DetectionReport& report) {
  Means sum;
  double with_boxes = 0, with_detections = 0;
  for (const ScoredMatches& matches : report.curves.classes) {
    if (matches.boxes == 0) continue;
    const MatchCounts point = matches.at(report.confusion.confidence);
    if (point.hits + point.wrong > 0) {
      sum.precision += point.precision();
      ++with_detections;
    }
    sum.recall += point.recall();
    sum.f1 += point.f1();
    ++with_boxes;
  }
  const double boxes = std::max(with_boxes, 1.0);
  return {sum.precision / with_detections, sum.recall / boxes, sum.f1 / boxes};
}

/// RFC 4180: a text with a comma, quote or line feed stands in quotes.
std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

std::string csv_number(double value) { return value >= 0 ? format_double(value) : ""; }

void write_class_csv(const DetectionReport& report, const MetricResult& metric, const ClassList& classes,
                     const std::filesystem::path& csv) {
  std::string text = "class,category_id,boxes,AP,AP50,AP75,AR100,confidence,precision,recall,F1,hits,wrong,missed\n";
  for (std::size_t k = 0; k < classes.names.size(); ++k) {
    const std::int64_t id = classes.category_ids[k];
    const auto found = std::find_if(metric.classes.begin(), metric.classes.end(),
                                    [&](const MetricResult::Class& one) { return one.category_id == id; });
    const MetricResult::Class one = found == metric.classes.end() ? MetricResult::Class{} : *found;
    const MatchCounts point = report.curves.classes[k].at(report.confusion.confidence);
    const std::vector<std::string> cells{csv_text(classes.names[k]),
                                         std::to_string(id),
                                         std::to_string(report.curves.classes[k].boxes),
                                         csv_number(one.ap),
                                         csv_number(one.ap50),
                                         csv_number(one.ap75),
                                         csv_number(one.ar100),
                                         format_double(report.confusion.confidence),
                                         csv_number(point.precision()),
                                         format_double(point.recall()),
                                         format_double(point.f1()),
                                         std::to_string(point.hits),
                                         std::to_string(point.wrong),
                                         std::to_string(point.missed)};
    text += join(cells, ",") + "\n";
  }
  write_text_atomically(csv, text);
}

void write_confusion_csv(const ConfusionMatrix& matrix, const ClassList& classes, const std::filesystem::path& csv) {
  std::vector<std::string> cells{"detected"};
  for (const std::string& name : classes.names) cells.push_back(csv_text(name));
  cells.emplace_back("false alarm");
  std::string text = join(cells, ",") + "\n";
  for (std::size_t row = 0; row <= matrix.classes; ++row) {
    cells = {row < matrix.classes ? csv_text(classes.names[row]) : "missed"};
    for (std::size_t column = 0; column <= matrix.classes; ++column) {
      const bool nothing = row == matrix.classes && column == matrix.classes;
      cells.push_back(nothing ? "" : std::to_string(matrix.at(row, column)));
    }
    text += join(cells, ",") + "\n";
  }
  write_text_atomically(csv, text);
}

}  // namespace

DetectionReport report_detections(const Evaluation& evaluation, const Dataset& dataset, double confidence) {
  const DetectionMatcher matcher(dataset.truth, evaluation.detections, dataset.classes);
  DetectionReport report;
  report.curves = matcher.curves();
  report.confusion = matcher.confusion(confidence > 0 ? confidence : report.curves.best_confidence);
  report.pictures = matcher.by_picture(report.confusion.confidence);
  report.errors = split_errors(dataset.truth, evaluation.detections);
  return report;
}

std::optional<double> best_confidence(const Evaluation& evaluation, const Dataset& dataset) {
  const OperatingCurves curves = DetectionMatcher(dataset.truth, evaluation.detections, dataset.classes).curves();
  if (*std::max_element(curves.f1.begin(), curves.f1.end()) <= 0) return std::nullopt;
  return std::max(curves.best_confidence, 0.01);  // at 0 every query is a detection
}

std::string operating_point_text(const DetectionReport& report) {
  const Means means = means_of(report);
  const bool best = report.confusion.confidence == report.curves.best_confidence;
  return "precision " + fixed_or_dash(means.precision, 3) + ", recall " + fixed(means.recall, 3) + ", F1 " +
         fixed(means.f1, 3) + " at confidence " + fixed(report.confusion.confidence, 2) + (best ? " (best F1)" : "") +
         " and IoU 0.5, mean of the classes\n";
}

nlohmann::ordered_json operating_point_json(const DetectionReport& report, const ClassList& classes) {
  const Means means = means_of(report);
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (std::size_t k = 0; k < classes.names.size(); ++k) {
    const MatchCounts point = report.curves.classes[k].at(report.confusion.confidence);
    rows.push_back({{"name", classes.names[k]},
                    {"precision", point.precision()},
                    {"recall", point.recall()},
                    {"f1", point.f1()},
                    {"hits", point.hits},
                    {"wrong", point.wrong},
                    {"missed", point.missed}});
  }
  return {{"confidence", report.confusion.confidence},
          {"best_confidence", report.curves.best_confidence},
          {"iou", report.confusion.iou},
          {"precision", means.precision},
          {"recall", means.recall},
          {"f1", means.f1},
          {"classes", rows}};
}

std::string error_split_text(const ErrorSplit& errors) {
  const auto points = [](double share) { return fixed(100 * share, 1); };
  TextTable table({{"errors at IoU 0.5", TextTable::Align::kLeft}, {"count"}, {"points of AP50"}});
  for (const ErrorKindName& kind : kErrorKinds)
    table.add({kind.word, with_thousands(errors.count[kind.kind]), points(errors.cost[kind.kind])});
  table.add({"all false positives", "", points(errors.false_positives)});
  table.add({"all false negatives", "", points(errors.false_negatives)});
  return table.text();
}

nlohmann::ordered_json error_split_json(const ErrorSplit& errors) {
  nlohmann::ordered_json kinds = nlohmann::ordered_json::array();
  for (const ErrorKindName& kind : kErrorKinds)
    kinds.push_back({{"kind", kind.field}, {"count", errors.count[kind.kind]}, {"cost", errors.cost[kind.kind]}});
  return {{"ap50", errors.ap50},
          {"kinds", kinds},
          {"false_positives", errors.false_positives},
          {"false_negatives", errors.false_negatives}};
}

void write_metric_tables(const DetectionReport& report, const MetricResult& metric, const ClassList& classes,
                         const std::filesystem::path& folder) {
  write_class_csv(report, metric, classes, folder / "metrics_per_class.csv");
  write_confusion_csv(report.confusion, classes, folder / "confusion_matrix.csv");
}

void write_metric_pictures(const DetectionReport& report, const MetricResult& metric, const ClassList& classes,
                           const std::filesystem::path& folder) {
  const auto over_confidence = [&](CurveMeasure measure) {
    return confidence_picture(report.curves, classes, measure);
  };
  constexpr std::size_t kMostDrawn = 200;  // its side is some 25 pixels a class
  if (classes.names.size() <= kMostDrawn) {
    write_picture(folder / "confusion_matrix.png", confusion_picture(report.confusion, classes));
    write_picture(folder / "confusion_matrix_normalized.png",
                  confusion_picture(report.confusion, classes, ConfusionCells::kShares));
  } else {
    log::info("the confusion matrix of " + std::to_string(classes.names.size()) +
              " classes is in confusion_matrix.csv alone; up to " + std::to_string(kMostDrawn) + " are drawn");
  }
  write_picture(folder / "BoxPR_curve.png", precision_recall_picture(metric, classes));
  write_picture(folder / "BoxF1_curve.png", over_confidence(CurveMeasure::kF1));
  write_picture(folder / "BoxP_curve.png", over_confidence(CurveMeasure::kPrecision));
  write_picture(folder / "BoxR_curve.png", over_confidence(CurveMeasure::kRecall));
  write_picture(folder / "errors.png", error_split_picture(report.errors));
}

}  // namespace rtdetr
