#include "core/plot/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>

#include "core/base/check.h"
#include "core/plot/canvas.h"
#include "core/plot/style.h"

namespace rtdetr {
namespace {

using style::kInk, style::kTextHeight, style::kTitleHeight;

constexpr Color kGrid{225, 225, 225};
constexpr std::size_t kMostTicks = 1000;

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void include(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  /// A range without width, or of no data at all, gets some.
  void open_up() {
    if (!(low <= high)) low = 0, high = 1;
    constexpr double kSame = 1e-9;  // numbers so near each other leave no room for ticks
    if (high - low <= kSame * std::max(std::fabs(low), std::fabs(high)))
      low -= std::max(std::fabs(low) * 0.1, 0.5), high += std::max(std::fabs(high) * 0.1, 0.5);
  }
};

/// The round number (1, 2 or 5 times a power of ten) that divides the range into at most `most` steps.
double round_step(const Range& range, int most) {
  const double exact = (range.high - range.low) / std::max(most, 1);
  const double power = std::pow(10, std::floor(std::log10(exact)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= exact * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::string tick_text(double value, double step) {
  if (std::fabs(value) < step * 1e-6) value = 0;
  char text[64];
  const double largest = std::max(std::fabs(value), step);
  if (largest >= 1e6 || step < 1e-5) {
    std::snprintf(text, sizeof text, "%g", value);
  } else {
    std::snprintf(text, sizeof text, "%.*f", std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9))),
                  value);
  }
  return text;
}

/// The plot's frame and how data coordinates fall into it.
struct Plot {
  Range x, y;
  double left, right, top, bottom;  // pixels
  double x_step, y_step;

  Point at(double data_x, double data_y) const {
    return {left + (data_x - x.low) / (x.high - x.low) * (right - left),
            bottom - (data_y - y.low) / (y.high - y.low) * (bottom - top)};
  }
  static std::vector<double> ticks(const Range& range, double step) {
    const double first = std::ceil(range.low / step - 1e-9), last = std::floor(range.high / step + 1e-6);
    std::vector<double> ticks;
    for (double k = first; k <= last && ticks.size() < kMostTicks; ++k) ticks.push_back(k * step);
    return ticks;
  }
};

void fit_ranges(Plot& plot, std::span<const ChartSeries> series, const ChartOptions& options) {
  for (const ChartSeries& curve : series) {
    RTDETR_CHECK(curve.x.size() == curve.y.size(), "curve '" + curve.name + "' has " + std::to_string(curve.x.size()) +
                                                       " x and " + std::to_string(curve.y.size()) + " y values");
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      if (!std::isfinite(curve.x[i]) || !std::isfinite(curve.y[i])) continue;
      plot.x.include(curve.x[i]);
      plot.y.include(curve.y[i]);
    }
  }
  if (std::isfinite(options.y_low)) plot.y.low = options.y_low;
  if (std::isfinite(options.y_high)) plot.y.high = options.y_high;
  plot.x.open_up();
  plot.y.open_up();
}

/// All x are whole numbers: ticks between them would mean nothing.
bool counts_along_x(std::span<const ChartSeries> series) {
  return std::all_of(series.begin(), series.end(), [](const ChartSeries& curve) {
    return std::all_of(curve.x.begin(), curve.x.end(), [](double x) { return std::floor(x) == x; });
  });
}

/// Ranges first, then margins: the left one is as wide as the widest number beside the axis.
Plot lay_out(std::span<const ChartSeries> series, const ChartOptions& options) {
  Plot plot;
  fit_ranges(plot, series, options);
  plot.top = options.title.empty() ? 14 : 36;
  plot.bottom = options.height - (options.x_label.empty() ? 30 : 48);
  plot.y_step = round_step(plot.y, std::max(2, static_cast<int>((plot.bottom - plot.top) / 45)));
  if (!std::isfinite(options.y_low)) plot.y.low = std::floor(plot.y.low / plot.y_step + 1e-9) * plot.y_step;
  if (!std::isfinite(options.y_high)) plot.y.high = std::ceil(plot.y.high / plot.y_step - 1e-9) * plot.y_step;
  double widest = 0;
  for (const double tick : Plot::ticks(plot.y, plot.y_step))
    widest = std::max(widest, Canvas::text_width(tick_text(tick, plot.y_step), kTextHeight));
  plot.left = widest + (options.y_label.empty() ? 18 : 40);
  plot.right = options.width - 18;
  plot.x_step = round_step(plot.x, std::max(2, static_cast<int>((plot.right - plot.left) / 70)));
  if (counts_along_x(series)) plot.x_step = std::max(plot.x_step, 1.0);
  return plot;
}

void draw_axes(Canvas& canvas, const Plot& plot, const ChartOptions& options) {
  for (const double tick : Plot::ticks(plot.y, plot.y_step)) {
    const double y = plot.at(plot.x.low, tick).y;
    const std::string text = tick_text(tick, plot.y_step);
    canvas.line({plot.left, y}, {plot.right, y}, kGrid);
    canvas.text({plot.left - 7 - Canvas::text_width(text, kTextHeight), y + kTextHeight / 2}, text, kTextHeight, kInk);
  }
  for (const double tick : Plot::ticks(plot.x, plot.x_step)) {
    const double x = plot.at(tick, plot.y.low).x;
    const std::string text = tick_text(tick, plot.x_step);
    canvas.line({x, plot.bottom}, {x, plot.top}, kGrid);
    canvas.text({x - Canvas::text_width(text, kTextHeight) / 2, plot.bottom + 8 + kTextHeight}, text, kTextHeight,
                kInk);
  }
  canvas.line({plot.left, plot.top}, {plot.left, plot.bottom}, kInk);
  canvas.line({plot.left, plot.bottom}, {plot.right, plot.bottom}, kInk);
  const double middle_x = (plot.left + plot.right) / 2, middle_y = (plot.top + plot.bottom) / 2;
  canvas.text({middle_x - Canvas::text_width(options.title, kTitleHeight) / 2, 24}, options.title, kTitleHeight,
              kBlack);
  canvas.text({middle_x - Canvas::text_width(options.x_label, kTextHeight) / 2, options.height - 12.0}, options.x_label,
              kTextHeight, kInk);
  canvas.text_upwards({14, middle_y}, options.y_label, kTextHeight, kInk);
}

void draw_curve(Canvas& canvas, const Plot& plot, const ChartSeries& curve, Color color) {
  constexpr std::size_t kMostDots = 60, kMostBold = 600;  // a longer curve is a line alone, a very long one a thin line
  std::vector<Point> points;
  for (std::size_t i = 0; i < curve.x.size(); ++i) points.push_back(plot.at(curve.x[i], curve.y[i]));
  if (!curve.dots_only) canvas.polyline(points, color, points.size() > kMostBold ? 1 : 2);
  if (points.size() > kMostDots && !curve.dots_only) return;
  for (const Point& point : points) canvas.disc(point, 3, color);
  for (std::size_t i = 0; i < std::min(points.size(), curve.notes.size()); ++i)
    canvas.text({points[i].x + 6, points[i].y - 6}, curve.notes[i], kTextHeight, kInk);
}

/// The index of the first highest value; 0 of none.
std::size_t highest_of(const std::vector<double>& values) {
  const auto lower = [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; };
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end(), lower) - values.begin());
}

/// How much of the curves lies in a part of the plot, where the legend would hide it: points, and some between them. A
/// curve's highest point, which is what many charts are looked at for, counts as many.
std::size_t points_in(const Plot& plot, std::span<const ChartSeries> series, Point top_left, Point bottom_right) {
  constexpr int kBetween = 8;
  constexpr std::size_t kHighest = 1000;
  std::size_t count = 0;
  for (const ChartSeries& curve : series) {
    const std::size_t highest = highest_of(curve.y);
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      const std::size_t next = std::min(i + 1, curve.x.size() - 1);
      for (int k = 0; k < kBetween; ++k) {
        const double share = static_cast<double>(k) / kBetween;
        const Point p = plot.at(curve.x[i] + share * (curve.x[next] - curve.x[i]),
                                curve.y[i] + share * (curve.y[next] - curve.y[i]));
        const bool hidden = p.x >= top_left.x && p.x <= bottom_right.x && p.y >= top_left.y && p.y <= bottom_right.y;
        if (hidden) count += i == highest && k == 0 ? kHighest : 1;
      }
    }
  }
  return count;
}

/// Where a legend of this size hides least: in a corner if one is free, else anywhere.
Point place_legend(const Plot& plot, std::span<const ChartSeries> series, double width, double height) {
  constexpr int kSteps = 8;
  constexpr double kMargin = 6;
  std::vector<std::pair<int, int>> places{{kSteps, 0}, {0, 0}, {kSteps, kSteps}, {0, kSteps}};
  for (int y = 0; y <= kSteps; ++y) {
    for (int x = 0; x <= kSteps; ++x) places.emplace_back(x, y);
  }
  Point best{};
  std::size_t fewest = std::numeric_limits<std::size_t>::max();
  for (const auto& [step_x, step_y] : places) {
    const Point place{plot.left + kMargin + (plot.right - plot.left - 2 * kMargin - width) * step_x / kSteps,
                      plot.top + kMargin + (plot.bottom - plot.top - 2 * kMargin - height) * step_y / kSteps};
    const Point from{place.x - kMargin, place.y - kMargin};
    const Point to{place.x + width + kMargin, place.y + height + kMargin};
    const std::size_t hidden = points_in(plot, series, from, to);
    if (hidden < fewest) fewest = hidden, best = place;
  }
  return best;
}

void draw_legend(Canvas& canvas, const Plot& plot, std::span<const ChartSeries> series) {
  constexpr double kLine = 17, kSample = 22, kPadding = 8;
  double width = 0;
  int lines = 0;
  for (const ChartSeries& curve : series) {
    width = std::max(width, Canvas::text_width(curve.name, kTextHeight));
    lines += !curve.name.empty();
  }
  if (lines == 0) return;
  width += kSample + 3 * kPadding;
  const double height = lines * kLine + kPadding;
  const Point best = place_legend(plot, series, width, height);
  canvas.fill(best, {best.x + width, best.y + height}, kWhite);
  canvas.rectangle(best, {best.x + width, best.y + height}, kGrid);
  double y = best.y + kPadding / 2 + kLine / 2;
  for (std::size_t i = 0; i < series.size(); ++i) {
    if (series[i].name.empty()) continue;
    canvas.line({best.x + kPadding, y}, {best.x + kPadding + kSample, y}, curve_color(static_cast<std::int64_t>(i)), 2);
    canvas.text({best.x + 2 * kPadding + kSample, y + kTextHeight / 2}, series[i].name, kTextHeight, kInk);
    y += kLine;
  }
}

}  // namespace

Picture line_chart(std::span<const ChartSeries> series, const ChartOptions& options) {
  RTDETR_CHECK(options.width >= 160 && options.height >= 120, "a chart needs at least 160x120 pixels");
  Picture picture(options.width, options.height);
  std::fill(picture.rgb.begin(), picture.rgb.end(), std::uint8_t{255});
  Canvas canvas(picture);
  const Plot plot = lay_out(series, options);
  draw_axes(canvas, plot, options);
  for (std::size_t i = 0; i < series.size(); ++i) {
    draw_curve(canvas, plot, series[i], curve_color(static_cast<std::int64_t>(i)));
  }
  draw_legend(canvas, plot, series);
  return picture;
}

}  // namespace rtdetr
