#include "data/tools/label_picture.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/plot/contact_sheet.h"

namespace rtdetr {

namespace {

/// Lines and letters that are still to be seen when the picture is shrunk to a tile.
DrawOptions legible_in_tile(const Picture& picture) {
  const ContactSheetOptions tile;
  const double shrink = std::max({1.0, static_cast<double>(picture.width) / tile.tile_width,
                                  static_cast<double>(picture.height) / tile.tile_height});
  return {.line_width = static_cast<int>(std::lround(1.5 * shrink)), .text_height = 7 * shrink};
}

}  // namespace

std::vector<DrawnBox> label_boxes(const Dataset& dataset, const Dataset::PictureEntry& entry) {
  std::vector<DrawnBox> boxes;
  for (std::uint32_t i = entry.first_box; i < entry.first_box + entry.box_count; ++i) {
    const Dataset::BoxEntry& box = dataset.boxes[i];
    boxes.push_back({box.xyxy[0], box.xyxy[1], box.xyxy[2], box.xyxy[3], box.label,
                     label_text(dataset.classes.names[static_cast<std::size_t>(box.label)])});
  }
  return boxes;
}

Picture draw_label_sheet(const Dataset& dataset, int tiles) {
  const auto count = static_cast<std::int64_t>(dataset.pictures.size());
  const std::int64_t shown = std::min<std::int64_t>(tiles, count);
  std::vector<Tile> sheet;
  for (std::int64_t i = 0; i < shown; ++i) {
    const Dataset::PictureEntry& entry = dataset.pictures[static_cast<std::size_t>(i * count / shown)];
    try {
      Picture picture = read_picture_of(dataset, entry);
      draw_boxes(picture, label_boxes(dataset, entry), legible_in_tile(picture));
      sheet.push_back({std::move(picture), entry.file.filename().string()});
    } catch (const Error&) {
      continue;  // named in the report
    }
  }
  return contact_sheet(sheet);
}

}  // namespace rtdetr
