#include "data/tools/label_picture.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/plot/contact_sheet.h"
#include "core/plot/thumbnail.h"

namespace rtdetr {

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
  const ContactSheetOptions options;
  std::vector<Tile> sheet;
  for (std::int64_t i = 0; i < shown; ++i) {
    const Dataset::PictureEntry& entry = dataset.pictures[static_cast<std::size_t>(i * count / shown)];
    try {
      Thumbnail small = thumbnail(read_picture_of(dataset, entry), options.tile_width, options.tile_height);
      draw_boxes(small.picture, small.scaled(label_boxes(dataset, entry)));
      sheet.push_back({std::move(small.picture), entry.file.filename().string()});
    } catch (const Error&) {
      continue;  // named in the report
    }
  }
  return contact_sheet(sheet, options);
}

}  // namespace rtdetr
