#include "core/plot/histogram.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "core/base/check.h"
#include "core/plot/canvas.h"
#include "core/plot/style.h"

namespace rtdetr {
namespace {

using style::cut_to, style::kInk, style::kTextHeight, style::kTitleHeight;

constexpr double kTop = 36, kMargin = 18;

Picture blank(const ChartOptions& options) {
  Picture picture(options.width, options.height);
  std::fill(picture.rgb.begin(), picture.rgb.end(), std::uint8_t{255});
  Canvas(picture).text({(options.width - Canvas::text_width(options.title, kTitleHeight)) / 2, 24}, options.title,
                       kTitleHeight, kBlack);
  return picture;
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

constexpr int kCells = 48;  ///< of a density chart, each way

/// Counts by cell, [kCells * kCells], row 0 at y = 0.
std::vector<double> count_cells(std::span<const double> x, std::span<const double> y) {
  std::vector<double> counts(static_cast<std::size_t>(kCells) * kCells);
  const auto cell = [](double share) {
    return std::min(static_cast<int>(std::clamp(share, 0.0, 1.0) * kCells), kCells - 1);
  };
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) continue;
    counts[static_cast<std::size_t>(cell(y[i]) * kCells + cell(x[i]))] += 1;
  }
  return counts;
}

/// White to dark blue. The square root lets single points show beside crowded places.
Color shade(double share) {
  const double depth = std::sqrt(share);
  const auto mix = [&](double dark) { return static_cast<std::uint8_t>(std::lround(255 + depth * (dark - 255))); };
  return {mix(8), mix(48), mix(107)};
}

}  // namespace

Picture bar_chart(std::span<const Bar> bars, const ChartOptions& options) {
  constexpr double kWidestName = 0.35, kThickest = 26;
  Picture picture = blank(options);
  Canvas canvas(picture);
  double most = 1, names = 0, numbers = 0;
  for (const Bar& bar : bars) {
    most = std::max(most, bar.value);
    names = std::max(names, Canvas::text_width(bar.name, kTextHeight));
    numbers = std::max(numbers, Canvas::text_width(number_text(bar.value), kTextHeight));
  }
  names = std::min(names, kWidestName * options.width);
  const double left = kMargin + names + 8, right = options.width - kMargin - numbers - 8;
  const double pitch =
      std::min(kThickest, (options.height - kTop - kMargin) / std::max<double>(1, static_cast<double>(bars.size())));
  double y = kTop + 4;
  for (const Bar& bar : bars) {
    const double end = left + bar.value / most * (right - left), baseline = y + pitch / 2 + kTextHeight / 2;
    const std::string name = cut_to(bar.name, names);
    canvas.text({left - 8 - Canvas::text_width(name, kTextHeight), baseline}, name, kTextHeight, kInk);
    canvas.fill({left, y + pitch * 0.1}, {end, y + pitch * 0.9}, curve_color(0));
    canvas.text({end + 6, baseline}, number_text(bar.value), kTextHeight, kInk);
    y += pitch;
  }
  return picture;
}

Picture density_chart(std::span<const double> x, std::span<const double> y, Origin origin,
                      const ChartOptions& options) {
  RTDETR_CHECK(x.size() == y.size(),
               "a density chart of " + std::to_string(x.size()) + " x and " + std::to_string(y.size()) + " y values");
  Picture picture = blank(options);
  Canvas canvas(picture);
  const std::vector<double> counts = count_cells(x, y);
  const double most = std::max(1.0, *std::max_element(counts.begin(), counts.end()));
  const double side = std::floor((std::min<double>(options.width, options.height) - kTop - 44) / kCells);
  const double left = (options.width - side * kCells) / 2, bottom = kTop + side * kCells;
  for (int row = 0; row < kCells; ++row) {
    for (int column = 0; column < kCells; ++column) {
      const double count = counts[static_cast<std::size_t>(row * kCells + column)];
      if (count == 0) continue;
      const double at_x = left + column * side;
      const double at_y = origin == Origin::kTopLeft ? kTop + row * side : bottom - (row + 1) * side;
      canvas.fill({at_x, at_y}, {at_x + side - 1, at_y + side - 1}, shade(count / most));
    }
  }
  canvas.rectangle({left - 1, kTop - 1}, {left + side * kCells, bottom}, kInk);
  const double zero_y = origin == Origin::kTopLeft ? kTop + kTextHeight : bottom;
  const double one_y = origin == Origin::kTopLeft ? bottom : kTop + kTextHeight;
  canvas.text({left - 14, zero_y}, "0", kTextHeight, kInk);
  canvas.text({left - 14, one_y}, "1", kTextHeight, kInk);
  canvas.text({left, bottom + 8 + kTextHeight}, "0", kTextHeight, kInk);
  canvas.text({left + side * kCells - 8, bottom + 8 + kTextHeight}, "1", kTextHeight, kInk);
  const double middle = left + side * kCells / 2;
  canvas.text({middle - Canvas::text_width(options.x_label, kTextHeight) / 2, bottom + 8 + kTextHeight},
              options.x_label, kTextHeight, kInk);
  canvas.text_upwards({left - 24, (kTop + bottom) / 2}, options.y_label, kTextHeight, kInk);
  return picture;
}

}  // namespace rtdetr
