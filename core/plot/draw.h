#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/image/picture.h"

namespace rtdetr {

/// A box with a name to be drawn on a picture.
struct DrawnBox {
  float x0 = 0, y0 = 0, x1 = 0, y1 = 0;  ///< xyxy, pixels; may reach over the border
  std::int64_t label = 0;                ///< class index: the same class always has the same colour (canvas.h)
  std::string text;                      ///< on the plate, through drawable_name: e.g. label_text; empty: no plate
};

/// "RBC 0.93"; without a score below zero, e.g. for ground truth: "RBC".
std::string label_text(const std::string& name, double score = -1);

struct DrawOptions {
  int line_width = 0;      ///< pixels; 0: from the picture's size
  double text_height = 0;  ///< of a capital letter, pixels; 0: from the picture's size
};

/// Draws boxes and their plates into the picture. The first box is the most important: it lies on top. Boxes that are
/// not finite are left out.
void draw_boxes(Picture& picture, std::span<const DrawnBox> boxes, const DrawOptions& options = {});

}  // namespace rtdetr
