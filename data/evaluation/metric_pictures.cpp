#include "data/evaluation/metric_pictures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "core/base/text.h"
#include "core/plot/canvas.h"
#include "core/plot/chart.h"
#include "core/plot/drawable_text.h"
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

constexpr std::size_t kLongestDrawnName = 20;  // a longer one would take the room of what it names

std::string drawn_name(const ClassList& classes, std::size_t k) {
  return shortened(drawable_name(classes.names[k], static_cast<std::int64_t>(k)), kLongestDrawnName);
}

/// The id as a number, if the list does not have it.
std::string drawn_name_of(const ClassList& classes, std::int64_t category_id) {
  const auto index = std::ranges::find(classes.category_ids, category_id) - classes.category_ids.begin();
  return shortened(drawable_name(classes.name_of(category_id), index), kLongestDrawnName);
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

struct MeasureWords {
  const char* name;
  std::array<double, kConfidences> OperatingCurves::*mean;  ///< over the classes
  double (MatchCounts::*of_counts)() const;                 ///< of one class
};

MeasureWords words_of(CurveMeasure measure) {
  switch (measure) {
    case CurveMeasure::kPrecision:
      return {"precision", &OperatingCurves::precision, &MatchCounts::precision};
    case CurveMeasure::kRecall:
      return {"recall", &OperatingCurves::recall, &MatchCounts::recall};
    case CurveMeasure::kF1:
      break;
  }
  return {"F1", &OperatingCurves::f1, &MatchCounts::f1};
}

/// @param value  at confidence i / 100
template <typename Value>
ChartSeries over_confidences(const std::string& name, const Value& value) {
  ChartSeries curve{name, {}, {}};
  for (int i = 0; i < kConfidences; ++i) {
    curve.x.push_back(i / 100.0);
    curve.y.push_back(value(i));
  }
  return curve;
}

/// The squares of a confusion matrix and the names around them.
class MatrixPicture {
 public:
  MatrixPicture(const ConfusionMatrix& matrix, const ClassList& classes, ConfusionCells cells)
      : matrix_(matrix), cells_(cells), columns_(matrix.classes + 1) {
    for (std::size_t k = 0; k < matrix.classes; ++k) names_.push_back(drawn_name(classes, k));
    const int lines = static_cast<int>(matrix.classes) + 1;
    cell_ = std::clamp(960 / lines, 12, 64);
    text_height_ = std::clamp(cell_ / 4.5, 6.0, 10.0);
    for (std::size_t column = 0; column < columns_.size(); ++column) {
      for (std::size_t row = 0; row < columns_.size(); ++row) columns_[column] += matrix.at(row, column);
      for (std::size_t row = 0; row < columns_.size(); ++row)
        cell_ = std::max(cell_, static_cast<int>(Canvas::text_width(cell_text(row, column), text_height_)) + 5);
    }
    double widest = Canvas::text_width("false alarm", text_height_);
    for (const std::string& name : names_) widest = std::max(widest, Canvas::text_width(name, text_height_));
    margin_ = static_cast<int>(widest) + 44;
    title_ = {"detected (rows) against true (columns)",
              std::string(cells == ConfusionCells::kShares ? "shares of columns, " : "") + "confidence " +
                  digits(matrix.confidence) + ", IoU " + digits(matrix.iou)};
    const int width = margin_ + lines * cell_ + 16;
    const std::string whole = join(title_, ", ");
    if (title_width(whole) <= width) title_ = {whole};
    top_ = 40 + kTitleLine * (static_cast<int>(title_.size()) - 1);
    picture_ = Picture(std::max({width, title_width(title_.front()), title_width(title_.back())}),
                       top_ + lines * cell_ + margin_ + 8);
  }

  Picture draw() {
    std::fill(picture_.rgb.begin(), picture_.rgb.end(), std::uint8_t{255});
    Canvas canvas(picture_);
    for (std::size_t i = 0; i < title_.size(); ++i)
      canvas.text({12, 26 + static_cast<double>(i) * kTitleLine}, title_[i], kTitleHeight, kBlack);
    const std::size_t lines = matrix_.classes + 1;
    for (std::size_t row = 0; row < lines; ++row) {
      draw_names(canvas, row);
      for (std::size_t column = 0; column < lines; ++column) draw_cell(canvas, row, column);
    }
    return std::move(picture_);
  }

 private:
  static int title_width(const std::string& text) {
    return static_cast<int>(Canvas::text_width(text, kTitleHeight)) + 24;
  }
  double left(std::size_t column) const { return margin_ + static_cast<double>(column) * cell_; }
  double top(std::size_t row) const { return top_ + static_cast<double>(row) * cell_; }

  double share(std::size_t row, std::size_t column) const {
    const std::int64_t whole = columns_[column];
    return whole == 0 ? 0 : static_cast<double>(matrix_.at(row, column)) / static_cast<double>(whole);
  }

  /// Empty where there is nothing to say, also for a share that would read 0.00.
  std::string cell_text(std::size_t row, std::size_t column) const {
    if (cells_ == ConfusionCells::kShares) return share(row, column) < 0.005 ? "" : digits(share(row, column));
    const std::int64_t count = matrix_.at(row, column);
    return count == 0 ? "" : short_count(count);
  }

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
    const double dark = share(row, column);
    const auto fade = [&](int full) { return static_cast<std::uint8_t>(255 - dark * (255 - full)); };
    const Color color{fade(8), fade(81), fade(156)};
    const Point from{left(column), top(row)}, to{left(column) + cell_ - 1, top(row) + cell_ - 1};
    canvas.fill(from, to, color);
    canvas.rectangle(from, to, {225, 225, 225});
    const std::string text = cell_text(row, column);
    const double width = Canvas::text_width(text, text_height_);
    canvas.text({from.x + (cell_ - width) / 2, from.y + (cell_ + text_height_) / 2}, text, text_height_,
                readable_on(color));
  }

  static constexpr double kTitleHeight = 10;
  static constexpr int kTitleLine = 18;
  const ConfusionMatrix& matrix_;
  ConfusionCells cells_;
  std::vector<std::int64_t> columns_;  // their sums
  std::vector<std::string> names_;
  std::vector<std::string> title_;  // two lines where one would be wider than the matrix
  int cell_ = 0, margin_ = 0, top_ = 0;
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
    curve.name = drawn_name_of(classes, one.category_id) + " " + digits(one.ap50);
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

Picture confidence_picture(const OperatingCurves& curves, const ClassList& classes, CurveMeasure measure) {
  const MeasureWords words = words_of(measure);
  const std::array<double, kConfidences>& mean = curves.*words.mean;
  std::vector<ChartSeries> shown{over_confidences("mean", [&](int i) { return mean[static_cast<std::size_t>(i)]; })};
  for (std::size_t k = 0; k < curves.classes.size() && curves.classes.size() <= kMostCurves; ++k) {
    const ScoredMatches& matches = curves.classes[k];
    if (matches.boxes == 0) continue;
    shown.push_back(
        over_confidences(drawn_name(classes, k), [&](int i) { return (matches.at(i / 100.0).*words.of_counts)(); }));
  }
  std::size_t best = 0;
  for (std::size_t i = 1; i < mean.size(); ++i) best = mean[i] > mean[best] || std::isnan(mean[best]) ? i : best;
  std::string title = std::string(words.name) + " at IoU 0.5";
  if (!std::isnan(mean[best]))
    title += ": best " + digits(mean[best]) + " at " + digits(static_cast<double>(best) / 100);
  return line_chart(shown, {.title = title, .x_label = "confidence", .y_label = words.name, .y_low = 0, .y_high = 1});
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

Picture confusion_picture(const ConfusionMatrix& matrix, const ClassList& classes, ConfusionCells cells) {
  return MatrixPicture(matrix, classes, cells).draw();
}

}  // namespace rtdetr
