#include "data/formats/shapes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace rtdetr {

std::array<double, 4> box_around(std::span<const double> points) {
  // min and max would pass over a NaN among the points.
  if (!std::all_of(points.begin(), points.end(), [](double v) { return std::isfinite(v); })) {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    return {kNone, kNone, kNone, kNone};
  }
  double x0 = points[0], y0 = points[1], x1 = x0, y1 = y0;
  for (std::size_t i = 2; i + 1 < points.size(); i += 2) {
    x0 = std::min(x0, points[i]);
    x1 = std::max(x1, points[i]);
    y0 = std::min(y0, points[i + 1]);
    y1 = std::max(y1, points[i + 1]);
  }
  return {x0, y0, x1 - x0, y1 - y0};
}

std::array<double, 4> box_around_both(const std::array<double, 4>& a, const std::array<double, 4>& b) {
  return box_around(std::array<double, 8>{a[0], a[1], a[0] + a[2], a[1] + a[3], b[0], b[1], b[0] + b[2], b[1] + b[3]});
}

std::array<double, 4> box_around_turned(const std::array<double, 4>& xywh, double degrees,
                                        std::array<double, 2> pivot) {
  const double angle = degrees * std::numbers::pi / 180, cos = std::cos(angle), sin = std::sin(angle);
  const auto [x, y, w, h] = xywh;
  const double pivot_x = x + pivot[0] * w, pivot_y = y + pivot[1] * h;
  std::array<double, 8> corners{x, y, x + w, y, x + w, y + h, x, y + h};
  for (std::size_t i = 0; i < corners.size(); i += 2) {
    const double dx = corners[i] - pivot_x, dy = corners[i + 1] - pivot_y;  // y points down, so this turns clockwise
    corners[i] = pivot_x + dx * cos - dy * sin;
    corners[i + 1] = pivot_y + dx * sin + dy * cos;
  }
  return box_around(corners);
}

std::array<double, 4> box_around_ellipse(std::array<double, 2> centre, std::array<double, 2> radii, double degrees) {
  const double angle = degrees * std::numbers::pi / 180, cos = std::cos(angle), sin = std::sin(angle);
  const double half_w = std::hypot(radii[0] * cos, radii[1] * sin), half_h = std::hypot(radii[0] * sin, radii[1] * cos);
  return {centre[0] - half_w, centre[1] - half_h, 2 * half_w, 2 * half_h};
}

bool take_numbers(JsonReader& json, std::vector<double>& numbers) {
  using Token = JsonReader::Token;
  numbers.clear();
  bool good = true;
  int depth = 0;
  do {
    const Token token = json.next();
    if (token == Token::kBeginArray && depth < 2) {
      ++depth;
    } else if (token == Token::kEndArray) {
      --depth;
    } else if (token == Token::kNumber && json.number()) {
      numbers.push_back(*json.number());
    } else {
      good = false;
      json.skip(token);
    }
  } while (depth > 0);
  if (!good) numbers.clear();
  return good;
}

}  // namespace rtdetr
