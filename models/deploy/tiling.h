#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/image/picture_size.h"
#include "core/image/rgb_view.h"
#include "models/deploy/detector.h"

/// Small objects in large pictures: the model reads overlapping tiles of the picture, each at its input size, and what
/// it finds in them is brought together.
///
/// An object in the overlap of two tiles is found twice, and one at a tile's edge is found in part. So detections of
/// different views (tiles, or the picture as a whole) that mean one object are told apart from those of one view, which
/// the model itself has told apart: those stay, as they do without tiles.
namespace rtdetr {

/// A part of a picture, in its pixels.
struct PictureTile {
  int x0 = 0, y0 = 0, width = 0, height = 0;
};

struct TileOptions {
  int side = 640;        ///< of a tile, pixels of the picture, at least 1; a smaller picture has smaller ones
  double overlap = 0.2;  ///< share of the side that neighbours have in common, [0, 0.9]
  bool whole = true;     ///< the picture as a whole is one more view: objects larger than the overlap
  int batch = 8;         ///< views that go through the model together, at least 1
  /// Two detections of one class in different views are one object from this intersection over union on, or
  double iou = 0.5;
  /// from this intersection over the smaller box on: a part of an object lies inside the whole.
  double containment = 0.7;
  int max_detections = 300;  ///< of the picture, at least 1
};

/// The tiles of a picture, row by row: from its upper left corner on, each `overlap` short of the one before, and the
/// last of a row and of a column moved inward to end with the picture. Behind them the whole picture, if it is wanted
/// and not the only tile.
/// @throws ConfigError  for options out of range, and for more than 4096 views
std::vector<PictureTile> tiles_of(int width, int height, const TileOptions& options);

/// @throws DataError  naming the picture, if it has too many for tiles_of
void require_few_tiles(const std::string& name, const PictureSize& size, const TileOptions& options);

/// Brings together what was found in the tiles of one picture. Of detections that are one object the best is kept; one
/// that is cut, that is, ends within a hundredth of its tile at an edge inside the picture, counts a quarter of its
/// score there, so that a whole one wins unless it is next to nothing. Scores themselves stay.
///
/// @param found  an entry per tile, boxes in pixels of the tile
/// @return       best first, boxes in pixels of the picture
/// @note         compares each detection with those that are kept: quadratic in what one class has
std::vector<Detection> merge_tiles(std::span<const PictureTile> tiles, std::span<const std::vector<Detection>> found,
                                   int width, int height, const TileOptions& options);

/// Detects in the tiles of one picture, `options.batch` at a time. The detector's own limits (score, detections) are
/// those of each view.
/// @param times  the sum over its views
/// @throws Error  as Detector::detect; ConfigError  as tiles_of, and for a picture that was decoded smaller than it is
std::vector<Detection> detect_tiled(const Detector& detector, const RgbView& picture, const TileOptions& options,
                                    DetectionTimes* times = nullptr);

}  // namespace rtdetr
