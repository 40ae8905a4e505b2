#pragma once

#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/io/picture.h"

namespace rtdetr {

/// One curve. Points that are not finite leave a gap.
struct ChartSeries {
  std::string name;          ///< in the legend; empty: not listed
  std::vector<double> x, y;  ///< of equal length
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

struct Bar {
  std::string name;
  double value = 0;  ///< at least 0
};

/// Lying bars, one below the other, each with its name and number; names that are too long are cut off.
Picture bar_chart(std::span<const Bar> bars, const ChartOptions& options);

/// Where (0, 0) of a density chart is.
enum class Origin { kTopLeft, kBottomLeft };

/// How many points lie where in the unit square, as shades: white for none, darkest for the most. Points outside are
/// counted at the border.
/// @throws InternalError  if x and y differ in length
Picture density_chart(std::span<const double> x, std::span<const double> y, Origin origin, const ChartOptions& options);

struct Tile {
  Picture picture;
  std::string caption;  ///< below the picture; cut off where it does not fit
};

struct MosaicOptions {
  int columns = 0;  ///< 0: about as many as rows
  int tile_width = 320, tile_height = 320;
};

/// Pictures in rows, each shrunk to fit its tile without changing its shape, with captions; rows as high as the
/// highest.
/// @return  empty (0x0) when there are no tiles
Picture mosaic(std::span<const Tile> tiles, const MosaicOptions& options = {});

}  // namespace rtdetr
