#include "core/plot/contact_sheet.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/check.h"
#include "core/image/resize.h"
#include "core/plot/canvas.h"
#include "core/plot/style.h"
#include "core/plot/thumbnail.h"

namespace rtdetr {
namespace {

using style::cut_to, style::kInk, style::kTextHeight;

constexpr int kGap = 6;
constexpr int kCaptionHeight = 20;
constexpr Color kBackground{245, 245, 245};

PictureSize size_in_tile(const Picture& picture, const ContactSheetOptions& options) {
  return fitting_size({picture.width, picture.height}, options.tile_width, options.tile_height);
}

void place_tile(Picture& sheet, const Tile& tile, int x, int y, const ContactSheetOptions& options) {
  int bottom = y + options.tile_height;
  if (tile.picture.width > 0 && tile.picture.height > 0) {
    const PictureSize size = size_in_tile(tile.picture, options);
    const Picture small = resize(tile.picture, size.width, size.height);
    const int left = x + (options.tile_width - size.width) / 2, top = y + (options.tile_height - size.height) / 2;
    bottom = top + size.height;
    for (int row = 0; row < size.height; ++row) {
      std::memcpy(sheet.row(top + row) + static_cast<std::size_t>(left) * 3, small.row(row),
                  static_cast<std::size_t>(size.width) * 3);
    }
  }
  Canvas canvas(sheet);
  const std::string caption = cut_to(tile.caption, options.tile_width);
  canvas.text({static_cast<double>(x), bottom + kTextHeight + 5}, caption, kTextHeight, kInk);
}

/// Tiles no higher than the highest picture needs; captions need the width.
ContactSheetOptions tightened(std::span<const Tile> tiles, const ContactSheetOptions& most) {
  ContactSheetOptions options = most;
  options.tile_height = 1;
  for (const Tile& tile : tiles) {
    options.tile_height = std::max(options.tile_height, size_in_tile(tile.picture, most).height);
  }
  return options;
}

}  // namespace

Picture contact_sheet(std::span<const Tile> tiles, const ContactSheetOptions& most) {
  if (tiles.empty()) return {};
  RTDETR_CHECK(most.tile_width > 0 && most.tile_height > 0, "a contact sheet's tiles need a size");
  const ContactSheetOptions options = tightened(tiles, most);
  const int count = static_cast<int>(tiles.size());
  const int wanted = options.columns > 0 ? options.columns : static_cast<int>(std::ceil(std::sqrt(count)));
  const int columns = std::min(wanted, count), rows = (count + columns - 1) / columns;
  const bool captions = std::any_of(tiles.begin(), tiles.end(), [](const Tile& tile) { return !tile.caption.empty(); });
  const int step_x = options.tile_width + kGap, step_y = options.tile_height + kGap + (captions ? kCaptionHeight : 0);
  Picture sheet(columns * step_x + kGap, rows * step_y + kGap);
  Canvas(sheet).fill({0, 0}, {double(sheet.width), double(sheet.height)}, kBackground);
  for (int i = 0; i < count; ++i) {
    place_tile(sheet, tiles[static_cast<std::size_t>(i)], kGap + (i % columns) * step_x, kGap + (i / columns) * step_y,
               options);
  }
  return sheet;
}

}  // namespace rtdetr
