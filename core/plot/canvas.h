#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/image/picture.h"

namespace rtdetr {

struct Color {
  std::uint8_t red = 0, green = 0, blue = 0;
};
inline constexpr Color kBlack{0, 0, 0};
inline constexpr Color kWhite{255, 255, 255};

/// Colour of a class: fifteen that people with any colour vision can tell apart (Okabe and Ito's, then
/// Tol's muted ones), then from the start again.
Color palette_color(std::int64_t index);
/// Colour of a curve: those of them that stand out from white paper, the most different first.
Color curve_color(std::int64_t index);
/// Black or white, whichever is easier to read on it.
Color readable_on(Color background);

struct Point {
  double x = 0, y = 0;  ///< pixels, centre of the top left one is (0, 0)
};

/// Lines and letters on a picture, smoothed. What lies outside the picture is not drawn; points that are not finite
/// draw nothing. OpenCV's drawing stays behind this header. Letters are ASCII, as
/// drawable_text writes others; the names of classes come through drawable_name, so that none is all '?'.
class Canvas {
 public:
  explicit Canvas(Picture& picture) : picture_(picture) {}

  void line(Point from, Point to, Color color, int width = 1);
  void polyline(std::span<const Point> points, Color color, int width = 1);
  void rectangle(Point top_left, Point bottom_right, Color color, int width = 1);
  void fill(Point top_left, Point bottom_right, Color color);
  void disc(Point centre, double radius, Color color);
  /// @param left_baseline  where the first letter stands
  /// @param height         of a capital letter, pixels
  void text(Point left_baseline, const std::string& text, double height, Color color);
  /// The same, read from bottom to top; `centre` is the middle of the text.
  void text_upwards(Point centre, const std::string& text, double height, Color color);
  static double text_width(const std::string& text, double height);

  int width() const { return picture_.width; }
  int height() const { return picture_.height; }

 private:
  Picture& picture_;
};

}  // namespace rtdetr
