#pragma once

#include <span>
#include <string>

#include "core/image/picture.h"

namespace rtdetr {

struct Tile {
  Picture picture;
  std::string caption;  ///< below the picture; cut off where it does not fit
};

struct ContactSheetOptions {
  int columns = 0;  ///< 0: about as many as rows
  int tile_width = 320, tile_height = 320;
};

/// Pictures in rows, each shrunk to fit its tile without changing its shape, with captions; rows as high as the
/// highest.
/// @return  empty (0x0) when there are no tiles
Picture contact_sheet(std::span<const Tile> tiles, const ContactSheetOptions& options = {});

}  // namespace rtdetr
