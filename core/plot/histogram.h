#pragma once

#include <span>
#include <string>

#include "core/plot/chart.h"

/// Charts of how often something occurs: bars and shades.
namespace rtdetr {

struct Bar {
  std::string name;
  double value = 0;  ///< at least 0
};

/// Lying bars, one below the other, each with its name and number; of names that are too long the middle is left out.
Picture bar_chart(std::span<const Bar> bars, const ChartOptions& options);

/// Where (0, 0) of a density chart is.
enum class Origin { kTopLeft, kBottomLeft };

/// Draws how many points lie where in the unit square, as shades: white for none, darkest for the most. Points outside
/// are counted at the border.
/// @throws InternalError  if x and y differ in length
Picture density_chart(std::span<const double> x, std::span<const double> y, Origin origin, const ChartOptions& options);

}  // namespace rtdetr
