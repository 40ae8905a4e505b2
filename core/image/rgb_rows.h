#pragma once

#include <cstdint>
#include <vector>

#include "core/image/image_view.h"
#include "core/image/picture.h"

namespace rtdetr {

/// The rows of a picture as RGB bytes: its own where they are that, else each converted as it is asked for, into a
/// ring. So a resize looks at any format, and no more of the picture is in memory twice than it sees at a time.
class RgbRows {
 public:
  /// @param picture     of at least one pixel; outlives this object
  /// @param kept        rows that are looked at together, at least 1
  /// @param read_ahead  bytes that must be readable beyond a row's end
  RgbRows(const ImageView& picture, int kept, int read_ahead);
  /// Stays until one of the rows is asked for that lie a multiple of `kept` away.
  const std::uint8_t* row(int y);

 private:
  ImageView picture_;
  int kept_, read_ahead_;
  std::size_t row_bytes_;  ///< of the ring
  std::vector<std::uint8_t> ring_;
  std::vector<int> held_;  ///< by place in the ring: its row; -1 = none
};

/// All of it. Luma and chroma become bytes as ITU-R BT.601 and BT.709 say, rounded, out of range cut; a pixel takes the
/// chroma of its 2 x 2 neighbours.
Picture to_rgb(const ImageView& picture);

}  // namespace rtdetr
