#include "data/label_picture.h"

#include <algorithm>

#include "core/io/chart.h"
#include "core/io/error.h"

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
  std::vector<Tile> sheet;
  for (std::int64_t i = 0; i < shown; ++i) {
    const Dataset::PictureEntry& entry = dataset.pictures[static_cast<std::size_t>(i * count / shown)];
    try {
      Picture picture = read_picture_of(dataset, entry);
      draw_boxes(picture, label_boxes(dataset, entry));
      sheet.push_back({std::move(picture), entry.file.filename().string()});
    } catch (const Error&) {
      continue;  // named in the report
    }
  }
  return mosaic(sheet);
}

}  // namespace rtdetr
