#include "models/deploy/tiling.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

constexpr double kMostOverlap = 0.9, kEdgeShare = 0.01, kCutWorth = 0.25;
constexpr std::int64_t kMostViews = 4096;

void check_options(const TileOptions& options) {
  if (options.side < 1) throw ConfigError("a tile of " + std::to_string(options.side) + " pixels: must be at least 1");
  if (!(options.overlap >= 0 && options.overlap <= kMostOverlap))
    throw ConfigError("tiles that overlap by " + format_double(options.overlap) + ": must be from 0 to " +
                      format_double(kMostOverlap));
  if (options.batch < 1 || options.max_detections < 1)
    throw ConfigError("a batch of tiles, and the detections of a picture, must be at least 1");
}

int step_of(const TileOptions& options) {
  return std::max(1, static_cast<int>(std::lround(options.side * (1 - options.overlap))));
}

/// How many tiles lie along one side of the picture.
std::int64_t count_along(int length, const TileOptions& options) {
  const std::int64_t rest = std::int64_t{length} - options.side, step = step_of(options);
  return rest <= 0 ? 1 : 1 + (rest + step - 1) / step;
}

void check_count(int width, int height, const TileOptions& options) {
  const std::int64_t tiles = count_along(width, options) * count_along(height, options),
                     views = tiles + (options.whole && tiles > 1 ? 1 : 0);
  if (views <= kMostViews) return;
  throw ConfigError("tile=" + std::to_string(options.side) + " with overlap=" + format_double(options.overlap) +
                    " makes " + with_thousands(views) + " views of a picture of " + std::to_string(width) + "x" +
                    std::to_string(height) + " pixels; at most " + with_thousands(kMostViews) +
                    " are made: give a larger tile= or a smaller overlap=");
}

/// Where tiles begin along one side of the picture.
std::vector<int> starts(int length, const TileOptions& options) {
  std::vector<int> at{0};
  const int step = step_of(options);
  while (at.back() + options.side < length) at.push_back(std::min(at.back() + step, length - options.side));
  return at;
}

struct Candidate {
  Detection object;  ///< in pixels of the picture
  std::size_t tile = 0;
  float worth = 0;  ///< its score, or less if it is cut
};

bool is_cut(const Detection& object, const PictureTile& tile, int width, int height) {
  const auto near = [](int edge, float side, int length) {
    return std::abs(side - static_cast<float>(edge)) <= std::max(1.0, kEdgeShare * length);
  };
  const int x1 = tile.x0 + tile.width, y1 = tile.y0 + tile.height;
  return (tile.x0 > 0 && near(tile.x0, object.x0, tile.width)) || (x1 < width && near(x1, object.x1, tile.width)) ||
         (tile.y0 > 0 && near(tile.y0, object.y0, tile.height)) || (y1 < height && near(y1, object.y1, tile.height));
}

double area_of(const Detection& box) { return double{box.x1 - box.x0} * double{box.y1 - box.y0}; }

/// Whether two detections of different views mean one object.
bool are_one(const Detection& a, const Detection& b, const TileOptions& options) {
  const double width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0),
               height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  if (width <= 0 || height <= 0) return false;
  const double both = width * height, area_a = area_of(a), area_b = area_of(b);
  return both >= options.iou * (area_a + area_b - both) || both >= options.containment * std::min(area_a, area_b);
}

std::vector<Candidate> candidates(std::span<const PictureTile> tiles, std::span<const std::vector<Detection>> found,
                                  int width, int height) {
  std::vector<Candidate> list;
  for (std::size_t t = 0; t < tiles.size(); ++t) {
    const auto dx = static_cast<float>(tiles[t].x0), dy = static_cast<float>(tiles[t].y0);
    for (Detection object : found[t]) {
      object.x0 += dx, object.x1 += dx;
      object.y0 += dy, object.y1 += dy;
      const bool cut = is_cut(object, tiles[t], width, height);
      list.push_back({object, t, cut ? static_cast<float>(kCutWorth) * object.score : object.score});
    }
  }
  std::ranges::stable_sort(list, [](const Candidate& a, const Candidate& b) { return a.worth > b.worth; });
  return list;
}

}  // namespace

std::vector<PictureTile> tiles_of(int width, int height, const TileOptions& options) {
  check_options(options);
  check_count(width, height, options);
  std::vector<PictureTile> tiles;
  for (const int y : starts(height, options))
    for (const int x : starts(width, options))
      tiles.push_back({x, y, std::min(options.side, width), std::min(options.side, height)});
  if (options.whole && tiles.size() > 1) tiles.push_back({0, 0, width, height});
  return tiles;
}

void require_few_tiles(const std::string& name, const PictureSize& size, const TileOptions& options) {
  try {
    tiles_of(size.width, size.height, options);
  } catch (const ConfigError& error) {
    throw DataError(name + ": " + error.what());
  }
}

std::vector<Detection> merge_tiles(std::span<const PictureTile> tiles, std::span<const std::vector<Detection>> found,
                                   int width, int height, const TileOptions& options) {
  RTDETR_CHECK(tiles.size() == found.size(),
               std::to_string(found.size()) + " lists of detections for " + std::to_string(tiles.size()) + " tiles");
  std::vector<Candidate> kept;
  for (const Candidate& next : candidates(tiles, found, width, height)) {
    const bool is_known = std::ranges::any_of(kept, [&](const Candidate& other) {
      return other.object.label == next.object.label && other.tile != next.tile &&
             are_one(other.object, next.object, options);
    });
    if (!is_known) kept.push_back(next);
  }
  std::vector<Detection> result;
  for (const Candidate& candidate : kept) result.push_back(candidate.object);
  std::ranges::stable_sort(result, [](const Detection& a, const Detection& b) { return a.score > b.score; });
  if (std::ssize(result) > options.max_detections) result.resize(static_cast<std::size_t>(options.max_detections));
  return result;
}

std::vector<Detection> detect_tiled(const Detector& detector, const RgbView& picture, const TileOptions& options,
                                    DetectionTimes* times) {
  if (picture.full_width > 0)
    throw ConfigError(
        "a picture that was decoded smaller than it is has lost what its tiles would show; decode it whole");
  const bool overlaps = picture.stride != 0 && picture.stride < std::ptrdiff_t{3} * picture.width;
  if (picture.width <= 0 || picture.height <= 0 || !picture.data || overlaps)
    return detector.detect(picture);  // which says so
  const std::vector<PictureTile> tiles = tiles_of(picture.width, picture.height, options);
  std::vector<RgbView> views;
  for (const PictureTile& tile : tiles)
    views.push_back({picture.row(tile.y0) + std::ptrdiff_t{3} * tile.x0, tile.width, tile.height, picture.step()});
  std::vector<std::vector<Detection>> found;
  DetectionTimes sum;
  for (std::span<const RgbView> rest = views; !rest.empty();) {
    const auto batch = rest.first(std::min(rest.size(), static_cast<std::size_t>(options.batch)));
    rest = rest.subspan(batch.size());
    DetectionTimes own;
    for (std::vector<Detection>& objects : detector.detect(batch, times ? &own : nullptr))
      found.push_back(std::move(objects));
    sum += own;
  }
  if (times) *times = sum;
  return merge_tiles(tiles, found, picture.width, picture.height, options);
}

}  // namespace rtdetr
