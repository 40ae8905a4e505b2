#include "data/evaluation/metric_pictures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "core/plot/canvas.h"
#include "core/plot/chart.h"
#include "core/plot/histogram.h"
#include "data/evaluation/coco_class_metric.h"

namespace rtdetr {
namespace {

constexpr std::size_t kMostCurves = 10;  // more cannot be told apart

std::string digits(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f", value);
  return text.data();
}

/// 87 → "87", 1234 → "1.2k", 12345 → "12k": four characters at most.
std::string short_count(std::int64_t count) {
  const auto scaled = [&](double unit, const char* letter) {
    const double value = static_cast<double>(count) / unit;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), value < 9.95 ? "%.1f%s" : "%.0f%s", value, letter);
    return std::string(text.data());
  };
  if (count < 1000) return std::to_string(count);
  if (count < 999'500) return scaled(1e3, "k");
  return count < 999'500'000 ? scaled(1e6, "M") : scaled(1e9, "G");
}

std::string name_of(const ClassList& classes, std::int64_t category_id) {
  const auto found = std::find(classes.category_ids.begin(), classes.category_ids.end(), category_id);
  return found == classes.category_ids.end()
             ? std::to_string(category_id)
             : classes.names[static_cast<std::size_t>(found - classes.category_ids.begin())];
}

/// Precision of class k at IoU 0.5, all areas, 100 detections, by recall.
ChartSeries curve_of_class(const MetricResult& result, std::size_t k) {
  ChartSeries curve;
  for (std::size_t r = 0; r < metric::kRecalls; ++r) {
    curve.x.push_back(metric::recall_points()[r]);
    curve.y.push_back(result.precision_at(metric::kIou50, r, k));
  }
  return curve;
}

/// The squares of a confusion matrix and the names around them.
class MatrixPicture {
 public:
  MatrixPicture(const ConfusionMatrix& matrix, const ClassList& classes) : matrix_(matrix) {
    for (std::size_t k = 0; k < matrix.classes; ++k) names_.push_back(classes.names[k]);
    const int lines = static_cast<int>(matrix.classes) + 1;
    cell_ = std::clamp(960 / lines, 12, 64);
    text_height_ = std::clamp(cell_ / 4.5, 6.0, 10.0);
    for (const std::int64_t count : matrix.counts) {
      cell_ = std::max(cell_, static_cast<int>(Canvas::text_width(short_count(count), text_height_)) + 5);
    }
    double widest = Canvas::text_width("false alarm", text_height_);
    for (const std::string& name : names_) widest = std::max(widest, Canvas::text_width(name, text_height_));
    margin_ = static_cast<int>(widest) + 44;
    title_ = "detected (rows) against true (columns), confidence " + digits(matrix.confidence) + ", IoU " +
             digits(matrix.iou);
    const int title_width = static_cast<int>(Canvas::text_width(title_, kTitleHeight)) + 24;
    picture_ = Picture(std::max(margin_ + lines * cell_ + 16, title_width), 48 + lines * cell_ + margin_);
  }

  Picture draw() {
    std::fill(picture_.rgb.begin(), picture_.rgb.end(), std::uint8_t{255});
    Canvas canvas(picture_);
    canvas.text({12, 26}, title_, kTitleHeight, kBlack);
    const std::size_t lines = matrix_.classes + 1;
    for (std::size_t row = 0; row < lines; ++row) {
      draw_names(canvas, row);
      for (std::size_t column = 0; column < lines; ++column) draw_cell(canvas, row, column);
    }
    return std::move(picture_);
  }

 private:
  double left(std::size_t column) const { return margin_ + static_cast<double>(column) * cell_; }
  double top(std::size_t row) const { return 40 + static_cast<double>(row) * cell_; }

  void draw_names(Canvas& canvas, std::size_t i) const {
    constexpr Color kInk{50, 50, 50};
    const bool last = i == matrix_.classes;
    const std::string row = last ? "missed" : names_[i], column = last ? "false alarm" : names_[i];
    canvas.text({margin_ - 8 - Canvas::text_width(row, text_height_), top(i) + (cell_ + text_height_) / 2}, row,
                text_height_, kInk);
    const double bottom = top(matrix_.classes + 1) + 8;
    canvas.text_upwards({left(i) + cell_ / 2.0, bottom + Canvas::text_width(column, text_height_) / 2}, column,
                        text_height_, kInk);
  }

  void draw_cell(Canvas& canvas, std::size_t row, std::size_t column) const {
    if (row == matrix_.classes && column == matrix_.classes) return;  // nothing taken for nothing
    std::int64_t whole = 0;
    for (std::size_t r = 0; r <= matrix_.classes; ++r) whole += matrix_.at(r, column);
    const std::int64_t count = matrix_.at(row, column);
    const double share = whole == 0 ? 0 : static_cast<double>(count) / static_cast<double>(whole);
    const auto fade = [&](int full) { return static_cast<std::uint8_t>(255 - share * (255 - full)); };
    const Color color{fade(8), fade(81), fade(156)};
    const Point from{left(column), top(row)}, to{left(column) + cell_ - 1, top(row) + cell_ - 1};
    canvas.fill(from, to, color);
    canvas.rectangle(from, to, {225, 225, 225});
    if (count == 0) return;
    const std::string text = short_count(count);
    const double width = Canvas::text_width(text, text_height_);
    canvas.text({from.x + (cell_ - width) / 2, from.y + (cell_ + text_height_) / 2}, text, text_height_,
                readable_on(color));
  }

  static constexpr double kTitleHeight = 10;
  const ConfusionMatrix& matrix_;
  std::vector<std::string> names_;
  std::string title_;
  int cell_ = 0, margin_ = 0;
  double text_height_ = 0;
  Picture picture_;
};

}  // namespace

Picture precision_recall_picture(const MetricResult& result, const ClassList& classes) {
  std::vector<ChartSeries> curves(1);
  double sum_ap = 0;
  std::size_t counted = 0;
  for (std::size_t k = 0; k < result.classes.size(); ++k) {
    const MetricResult::Class& one = result.classes[k];
    if (one.ap50 < 0) continue;
    ChartSeries curve = curve_of_class(result, k);
    curve.name = name_of(classes, one.category_id) + " " + digits(one.ap50);
    if (counted++ == 0) {
      curves.front().x = curve.x;
      curves.front().y.assign(curve.y.size(), 0);
    }
    for (std::size_t i = 0; i < curve.y.size(); ++i) curves.front().y[i] += curve.y[i];
    sum_ap += one.ap50;
    if (result.classes.size() <= kMostCurves) curves.push_back(std::move(curve));
  }
  for (double& value : curves.front().y) value /= static_cast<double>(counted);
  if (counted > 0) curves.front().name = "mean AP50 " + digits(sum_ap / static_cast<double>(counted));
  return line_chart(curves, {.title = "precision and recall at IoU 0.5",
                             .x_label = "recall",
                             .y_label = "precision",
                             .y_low = 0,
                             .y_high = 1});
}

Picture f1_picture(const OperatingCurves& curves, const ClassList& classes) {
  const auto series = [](const std::string& name, const std::array<double, kConfidences>& values) {
    ChartSeries curve{name, {}, {values.begin(), values.end()}};
    for (int i = 0; i < kConfidences; ++i) curve.x.push_back(i / 100.0);
    return curve;
  };
  std::vector<ChartSeries> shown{series("mean F1", curves.f1), series("precision", curves.precision),
                                 series("recall", curves.recall)};
  for (std::size_t k = 0; k < curves.classes.size() && curves.classes.size() + 3 <= kMostCurves; ++k) {
    if (curves.classes[k].boxes == 0) continue;
    std::array<double, kConfidences> f1{};
    for (int i = 0; i < kConfidences; ++i) f1[static_cast<std::size_t>(i)] = curves.classes[k].at(i / 100.0).f1();
    shown.push_back(series("F1 of " + classes.names[k], f1));
  }
  const double best = *std::max_element(curves.f1.begin(), curves.f1.end());
  return line_chart(shown, {.title = "F1 at IoU 0.5: best " + digits(best) + " at " + digits(curves.best_confidence),
                            .x_label = "confidence",
                            .y_low = 0,
                            .y_high = 1});
}

Picture error_split_picture(const ErrorSplit& split) {
  const auto points = [](double share) { return std::round(share * 1000) / 10; };
  std::vector<Bar> bars;
  for (const ErrorKindName& kind : kErrorKinds)
    bars.push_back(
        {std::string(kind.word) + " (" + short_count(split.count[kind.kind]) + ")", points(split.cost[kind.kind])});
  bars.push_back({"all false positives", std::max(points(split.false_positives), 0.0)});
  bars.push_back({"all false negatives", std::max(points(split.false_negatives), 0.0)});
  return bar_chart(bars, {.title = "points of AP50 (" + digits(split.ap50) + ") that each kind of error costs",
                          .width = 640,
                          .height = 280});
}

Picture confusion_picture(const ConfusionMatrix& matrix, const ClassList& classes) {
  return MatrixPicture(matrix, classes).draw();
}

}  // namespace rtdetr
