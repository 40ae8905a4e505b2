#pragma once

#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/image/picture.h"

namespace rtdetr {

/// One curve. Points that are not finite leave a gap.
struct ChartSeries {
  std::string name;                     ///< in the legend; empty: not listed
  std::vector<double> x, y;             ///< of equal length
  bool dots_only = false;               ///< no line through them
  std::vector<std::string> notes = {};  ///< short texts beside the points; may be fewer
};

struct ChartOptions {
  std::string title, x_label, y_label;
  int width = 640, height = 420;
  double y_low = std::numeric_limits<double>::quiet_NaN();   ///< bottom of the axis; NaN: from the data
  double y_high = std::numeric_limits<double>::quiet_NaN();  ///< top of the axis; NaN: from the data
};

/// A line chart with ticks at round numbers, a grid and a legend. Curves take the colours of canvas.h in turn.
/// @throws InternalError  if a curve's x and y differ in length
Picture line_chart(std::span<const ChartSeries> series, const ChartOptions& options);

}  // namespace rtdetr
