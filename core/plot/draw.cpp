#include "core/plot/draw.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/plot/canvas.h"
#include "core/plot/drawable_text.h"

namespace rtdetr {
namespace {

struct Style {
  int line_width;
  double text_height;
};

Style style_for(const Picture& picture, const DrawOptions& options) {
  const double side = std::sqrt(static_cast<double>(picture.width) * picture.height);
  Style style;
  style.line_width =
      options.line_width > 0 ? options.line_width : std::max(1, static_cast<int>(std::lround(side / 300)));
  style.text_height = options.text_height > 0 ? options.text_height : std::max(7.0, side / 65);
  return style;
}

bool is_finite(const DrawnBox& box) {
  return std::isfinite(box.x0) && std::isfinite(box.y0) && std::isfinite(box.x1) && std::isfinite(box.y1);
}

/// The plate sits on the box's upper edge; inside the box where there is no room above, and never beyond the border.
void draw_plate(Canvas& canvas, const DrawnBox& box, const Style& style) {
  const double padding = std::ceil(style.text_height * 0.4);
  const std::string text = drawable_name(box.text, box.label);
  const double width = Canvas::text_width(text, style.text_height) + 2 * padding;
  const double height = style.text_height + 2 * padding;
  const double half_line = style.line_width / 2.0;
  double x = box.x0 - half_line, y = box.y0 - half_line - height + 1;
  if (y < 0) y = std::max(0.0, box.y0 - half_line);
  x = std::max(0.0, std::min(x, canvas.width() - width));
  y = std::max(0.0, std::min(y, canvas.height() - height));
  const Color color = palette_color(box.label);
  canvas.fill({x, y}, {x + width - 1, y + height - 1}, color);
  canvas.text({x + padding, y + padding + style.text_height}, text, style.text_height, readable_on(color));
}

/// A coloured line between two dark ones shows on any background.
void draw_frame(Canvas& canvas, const DrawnBox& box, const Style& style) {
  const Point top_left{box.x0, box.y0}, bottom_right{box.x1, box.y1};
  canvas.rectangle(top_left, bottom_right, Color{40, 40, 40}, style.line_width + 2);
  canvas.rectangle(top_left, bottom_right, palette_color(box.label), style.line_width);
}

}  // namespace

std::string label_text(const std::string& name, double score) {
  if (!(score >= 0)) return name;
  char digits[32];
  std::snprintf(digits, sizeof digits, " %.2f", score);
  return name + digits;
}

void draw_boxes(Picture& picture, std::span<const DrawnBox> boxes, const DrawOptions& options) {
  const Style style = style_for(picture, options);
  Canvas canvas(picture);
  for (std::size_t i = boxes.size(); i-- > 0;) {
    if (is_finite(boxes[i])) draw_frame(canvas, boxes[i], style);
  }
  for (std::size_t i = boxes.size(); i-- > 0;) {
    if (is_finite(boxes[i]) && !boxes[i].text.empty()) draw_plate(canvas, boxes[i], style);
  }
}

}  // namespace rtdetr
