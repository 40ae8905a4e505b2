#include "core/plot/canvas.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "core/plot/drawable_text.h"

namespace rtdetr {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kCapitalHeight = 22;  // of that font at scale 1, pixels
constexpr int kFractionBits = 4;       // OpenCV's fixed-point coordinates

cv::Mat pixels_of(Picture& picture) { return {picture.height, picture.width, CV_8UC3, picture.rgb.data()}; }

cv::Scalar scalar(Color color) { return {double(color.red), double(color.green), double(color.blue)}; }

bool is_finite(Point point) { return std::isfinite(point.x) && std::isfinite(point.y); }

/// Far points are drawn nearer: OpenCV's integers overflow, and nobody sees the difference at a picture's border.
cv::Point fixed_point(Point point) {
  static constexpr double kFar = 1e6;
  const auto fixed = [](double v) {
    return static_cast<int>(std::lround(std::clamp(v, -kFar, kFar) * (1 << kFractionBits)));
  };
  return {fixed(point.x), fixed(point.y)};
}

double scale_of(double height) { return height / kCapitalHeight; }
int stroke_of(double height) { return std::max(1, static_cast<int>(std::lround(height / 9))); }

}  // namespace

Color palette_color(std::int64_t index) {
  static constexpr std::array<Color, 15> kColors = {{{230, 159, 0},
                                                     {86, 180, 233},
                                                     {0, 158, 115},
                                                     {240, 228, 66},
                                                     {0, 114, 178},
                                                     {213, 94, 0},
                                                     {204, 121, 167},
                                                     {51, 34, 136},
                                                     {136, 204, 238},
                                                     {17, 119, 51},
                                                     {153, 153, 51},
                                                     {136, 34, 85},
                                                     {68, 170, 153},
                                                     {204, 102, 119},
                                                     {170, 68, 153}}};
  const auto count = static_cast<std::int64_t>(kColors.size());
  return kColors[static_cast<std::size_t>(((index % count) + count) % count)];
}

Color curve_color(std::int64_t index) {
  static constexpr std::array<std::int64_t, 10> kOrder = {4, 5, 2, 6, 1, 0, 7, 9, 11, 12};
  return palette_color(kOrder[static_cast<std::size_t>(index) % kOrder.size()]);
}

Color readable_on(Color background) {
  const double brightness = 0.299 * background.red + 0.587 * background.green + 0.114 * background.blue;
  return brightness > 125 ? kBlack : kWhite;
}

void Canvas::line(Point from, Point to, Color color, int width) { polyline(std::array{from, to}, color, width); }

void Canvas::polyline(std::span<const Point> points, Color color, int width) {
  cv::Mat pixels = pixels_of(picture_);
  for (std::size_t i = 1; i < points.size(); ++i) {
    if (!is_finite(points[i - 1]) || !is_finite(points[i])) continue;
    cv::line(pixels, fixed_point(points[i - 1]), fixed_point(points[i]), scalar(color), width, cv::LINE_AA,
             kFractionBits);
  }
}

/// Four filled bars: sharper than smoothed lines.
void Canvas::rectangle(Point top_left, Point bottom_right, Color color, int width) {
  const double x0 = std::round(top_left.x), y0 = std::round(top_left.y);
  const double x1 = std::round(bottom_right.x), y1 = std::round(bottom_right.y);
  const double before = (width - 1) / 2, after = width / 2;  // whole pixels on either side of the edge
  fill({x0 - before, y0 - before}, {x1 + after, y0 + after}, color);
  fill({x0 - before, y1 - before}, {x1 + after, y1 + after}, color);
  fill({x0 - before, y0 - before}, {x0 + after, y1 + after}, color);
  fill({x1 - before, y0 - before}, {x1 + after, y1 + after}, color);
}

void Canvas::fill(Point top_left, Point bottom_right, Color color) {
  if (!is_finite(top_left) || !is_finite(bottom_right)) return;
  const auto inside = [](double v, int size) { return static_cast<int>(std::clamp(std::round(v), 0.0, double(size))); };
  const int x0 = inside(top_left.x, width()), x1 = inside(bottom_right.x + 1, width());
  const int y0 = inside(top_left.y, height()), y1 = inside(bottom_right.y + 1, height());
  for (int y = y0; y < y1; ++y) {
    for (int x = x0; x < x1; ++x) {
      std::uint8_t* pixel = picture_.row(y) + static_cast<std::size_t>(x) * 3;
      pixel[0] = color.red;
      pixel[1] = color.green;
      pixel[2] = color.blue;
    }
  }
}

void Canvas::disc(Point centre, double radius, Color color) {
  if (!is_finite(centre)) return;
  cv::Mat pixels = pixels_of(picture_);
  const int fixed_radius = static_cast<int>(std::lround(radius * (1 << kFractionBits)));
  cv::circle(pixels, fixed_point(centre), fixed_radius, scalar(color), cv::FILLED, cv::LINE_AA, kFractionBits);
}

void Canvas::text(Point left_baseline, const std::string& text, double height, Color color) {
  if (!is_finite(left_baseline)) return;
  cv::Mat pixels = pixels_of(picture_);
  const cv::Point at(static_cast<int>(std::lround(left_baseline.x)), static_cast<int>(std::lround(left_baseline.y)));
  cv::putText(pixels, drawable_text(text), at, kFont, scale_of(height), scalar(color), stroke_of(height), cv::LINE_AA);
}

void Canvas::text_upwards(Point centre, const std::string& text, double height, Color color) {
  // Drawn on a turned copy of the strip it covers, which is then turned back.
  const int length = static_cast<int>(text_width(text, height)) + 4, thickness = static_cast<int>(height * 2) + 4;
  const cv::Rect strip(static_cast<int>(centre.x) - thickness / 2, static_cast<int>(centre.y) - length / 2, thickness,
                       length);
  cv::Mat pixels = pixels_of(picture_);
  if ((strip & cv::Rect(0, 0, pixels.cols, pixels.rows)) != strip) return;
  cv::Mat turned;
  cv::rotate(pixels(strip), turned, cv::ROTATE_90_CLOCKWISE);
  cv::putText(turned, drawable_text(text), {2, (thickness + static_cast<int>(height)) / 2}, kFont, scale_of(height),
              scalar(color), stroke_of(height), cv::LINE_AA);
  cv::Mat back;
  cv::rotate(turned, back, cv::ROTATE_90_COUNTERCLOCKWISE);
  back.copyTo(pixels(strip));
}

double Canvas::text_width(const std::string& text, double height) {
  int baseline = 0;
  return cv::getTextSize(drawable_text(text), kFont, scale_of(height), stroke_of(height), &baseline).width;
}

}  // namespace rtdetr
