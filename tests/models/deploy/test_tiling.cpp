#include "models/deploy/tiling.h"

#include <torch/types.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>

#include "core/base/error.h"
#include "core/image/picture.h"
#include "tests/models/tiny_model.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;

namespace {

using Found = std::vector<std::vector<Detection>>;

const TileOptions kTiles{.side = 100, .overlap = 0.2, .whole = false};
/// Of a picture of 180 by 100 pixels: 20 columns are in both.
const std::vector<PictureTile> kTwo{{0, 0, 100, 100}, {80, 0, 100, 100}};

/// {x0, y0, width, height} of each, which a failed check can print.
std::vector<std::vector<int>> numbers(const std::vector<PictureTile>& tiles) {
  std::vector<std::vector<int>> rows;
  for (const PictureTile& tile : tiles) rows.push_back({tile.x0, tile.y0, tile.width, tile.height});
  return rows;
}

std::vector<Detection> merged(const Found& found, const TileOptions& options = kTiles) {
  return merge_tiles(kTwo, found, 180, 100, options);
}

std::vector<float> scores_of(const std::vector<Detection>& found) {
  std::vector<float> scores;
  for (const Detection& object : found) scores.push_back(object.score);
  return scores;
}

bool same_objects(const std::vector<Detection>& a, const std::vector<Detection>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Detection& x, const Detection& y) {
    return x.x0 == y.x0 && x.y0 == y.y0 && x.x1 == y.x1 && x.y1 == y.y1 && x.score == y.score && x.label == y.label;
  });
}

Picture grain(int width, int height) {
  Picture picture(width, height);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<std::uint8_t>(i * i / 7);
  return picture;
}

Picture cut_out(const Picture& picture, const PictureTile& tile) {
  Picture part(tile.width, tile.height);
  for (int y = 0; y < tile.height; ++y)
    std::copy_n(picture.row(tile.y0 + y) + 3 * tile.x0, 3 * tile.width, part.row(y));
  return part;
}

Detector tiny_detector(const test::TemporaryFolder& folder) {
  return Detector(test::save_tiny_model(folder / "tiny.safetensors"), {.min_score = 0});
}

}  // namespace

TEST_CASE("tiles go row by row, and the last of each moves inward to end with the picture") {
  using Rows = std::vector<std::vector<int>>;
  CHECK(numbers(tiles_of(250, 130, kTiles)) == Rows{{0, 0, 100, 100},
                                                    {80, 0, 100, 100},
                                                    {150, 0, 100, 100},
                                                    {0, 30, 100, 100},
                                                    {80, 30, 100, 100},
                                                    {150, 30, 100, 100}});
  CHECK(numbers(tiles_of(180, 100, kTiles)) == numbers(kTwo));
  CHECK(numbers(tiles_of(101, 100, kTiles)) == Rows{{0, 0, 100, 100}, {1, 0, 100, 100}});
  const TileOptions bare{.side = 100, .overlap = 0, .whole = false};
  CHECK(numbers(tiles_of(200, 100, bare)) == Rows{{0, 0, 100, 100}, {100, 0, 100, 100}});
}

TEST_CASE("the whole picture is one more view, unless a tile is that already") {
  const TileOptions with_whole{.side = 100, .overlap = 0.2};
  CHECK(numbers(tiles_of(180, 100, with_whole)).back() == std::vector<int>{0, 0, 180, 100});
  CHECK(tiles_of(180, 100, with_whole).size() == 3);
  CHECK(numbers(tiles_of(90, 50, with_whole)) == std::vector<std::vector<int>>{{0, 0, 90, 50}});
}

TEST_CASE("every pixel of a picture is in a tile") {
  const auto [width, height] = GENERATE(table<int, int>({{1, 1}, {99, 301}, {640, 480}, {1000, 101}}));
  for (const double overlap : {0.0, 0.33, 0.9}) {
    Picture seen(width, height);
    for (const PictureTile& tile : tiles_of(width, height, {.side = 100, .overlap = overlap, .whole = false}))
      for (int y = tile.y0; y < tile.y0 + tile.height; ++y)
        std::fill_n(seen.rgb.begin() + (std::ptrdiff_t{y} * width + tile.x0) * 3, 3 * tile.width, std::uint8_t{1});
    CHECK(std::count(seen.rgb.begin(), seen.rgb.end(), 0) == 0);
  }
}

TEST_CASE("tiles of no size, or that hardly move on, are refused") {
  CHECK_THROWS_AS(tiles_of(10, 10, {.side = 0}), ConfigError);
  CHECK_THROWS_AS(tiles_of(10, 10, {.overlap = 0.95}), ConfigError);
  CHECK_THROWS_AS(tiles_of(10, 10, {.overlap = -0.1}), ConfigError);
  CHECK_THROWS_AS(tiles_of(10, 10, {.batch = 0}), ConfigError);
}

TEST_CASE("a picture has 4096 views at most, and more are refused before they are made") {
  const TileOptions bare{.side = 10, .overlap = 0, .whole = false}, with_whole{.side = 10, .overlap = 0};
  CHECK(tiles_of(640, 640, bare).size() == 4096);
  CHECK_THROWS_AS(tiles_of(641, 640, bare), ConfigError);
  CHECK(tiles_of(640, 630, with_whole).size() == 64 * 63 + 1);
  CHECK_THROWS_AS(tiles_of(640, 640, with_whole), ConfigError);
  CHECK_THROWS_WITH(tiles_of(20000, 10000, {.side = 32, .overlap = 0.5}),
                    Contains("tile=32 with overlap=0.5 makes 779,377 views") && Contains("20000x10000 pixels"));
}

TEST_CASE("an object that two tiles see whole is the better one of both, in pixels of the picture") {
  const auto found = merged({{{82, 10, 96, 30, 0.6F, 0}}, {{2, 10, 16, 30, 0.7F, 0}}});
  REQUIRE(scores_of(found) == std::vector<float>{0.7F});
  CHECK(found[0].x0 == 82);
  CHECK(found[0].x1 == 96);
}

TEST_CASE("a box that its tile cuts loses to the whole one, however sure it is; its score is not touched") {
  // 10 of the object's 30 columns are in the left tile: IoU 1/3, but all of the part is inside the whole.
  const auto found = merged({{{90, 40, 100, 60, 0.9F, 0}}, {{10, 40, 40, 60, 0.5F, 0}}});
  REQUIRE(scores_of(found) == std::vector<float>{0.5F});
  CHECK(found[0].x0 == 90);
  CHECK(found[0].x1 == 120);
  CHECK(scores_of(merged({{{90, 40, 100, 60, 0.9F, 0}}, {}})) == std::vector<float>{0.9F});
}

TEST_CASE("a cut box wins over a whole one of less than a quarter of its score") {
  CHECK(scores_of(merged({{{90, 40, 100, 60, 0.9F, 0}}, {{10, 40, 40, 60, 0.22F, 0}}})) == std::vector<float>{0.9F});
  CHECK(scores_of(merged({{{90, 40, 100, 60, 0.9F, 0}}, {{10, 40, 40, 60, 0.23F, 0}}})) == std::vector<float>{0.23F});
}

TEST_CASE("a box at the picture's own border is not cut") {
  const Found left{{{0, 40, 20, 60, 0.5F, 0}}, {}, {{0, 40, 20, 60, 0.4F, 0}}};
  const std::vector<PictureTile> tiles{kTwo[0], kTwo[1], {0, 0, 180, 100}};
  CHECK(scores_of(merge_tiles(tiles, left, 180, 100, kTiles)) == std::vector<float>{0.5F});
}

TEST_CASE("boxes of two tiles are one object from half of their union on, or seven tenths of the smaller one") {
  const auto two = [](float x0, float x1, float y1) {
    return merged({{{82, 10, 92, 20, 0.6F, 0}}, {{x0, 10, x1, y1, 0.5F, 0}}}).size();
  };
  CHECK(two(5, 15, 20) == 1);  // 70 of 130
  CHECK(two(6, 16, 20) == 2);  // 60 of 140, and 60 of 100
  CHECK(two(2, 12, 50) == 1);  // 100 of 400, but all of the smaller
  CHECK(two(5, 15, 50) == 1);  // 70 of 430, 70 of 100
  CHECK(two(5.5F, 15.5F, 50) == 2);
  CHECK(two(12, 22, 20) == 2);  // they touch
}

TEST_CASE("what one view tells apart stays apart, and so do classes") {
  const Detection inner{30, 30, 40, 40, 0.5F, 0}, outer{30, 30, 42, 42, 0.8F, 0};
  CHECK(merged({{outer, inner}, {}}).size() == 2);
  CHECK(merged({{{82, 10, 96, 30, 0.6F, 0}}, {{2, 10, 16, 30, 0.7F, 1}}}).size() == 2);
}

TEST_CASE("merged detections come best first, and no more than are wanted") {
  TileOptions few = kTiles;
  few.max_detections = 2;
  const Found found{{{10, 10, 20, 20, 0.3F, 0}, {60, 60, 100, 80, 0.9F, 0}}, {{50, 10, 60, 20, 0.6F, 0}}};
  CHECK(scores_of(merged(found)) == std::vector<float>{0.9F, 0.6F, 0.3F});
  CHECK(scores_of(merged(found, few)) == std::vector<float>{0.9F, 0.6F});
  CHECK(merged({{}, {}}).empty());
}

TEST_CASE("a picture is detected tile by tile, for any batch, as its parts are one by one") {
  const test::TemporaryFolder folder;
  const Detector detector = tiny_detector(folder);
  const Picture picture = grain(180, 130);
  TileOptions options{.side = 100, .overlap = 0.2, .batch = 1};
  const std::vector<PictureTile> tiles = tiles_of(180, 130, options);
  REQUIRE(tiles.size() == 5);
  Found found;
  for (const PictureTile& tile : tiles) found.push_back(detector.detect(cut_out(picture, tile)));
  const auto expected = merge_tiles(tiles, found, 180, 130, options);
  REQUIRE(expected.size() > 10);
  DetectionTimes times;
  CHECK(same_objects(detect_tiled(detector, picture, options, &times), expected));
  CHECK(times.model_ms > 0);
  options.batch = 3;  // whose products round in another order
  const auto batched = detect_tiled(detector, picture, options);
  REQUIRE(batched.size() == expected.size());
  for (std::size_t i = 0; i < batched.size(); ++i) CHECK(std::abs(batched[i].score - expected[i].score) < 1e-5F);
}

TEST_CASE("a picture whose rows overlap is refused before any of its tiles") {
  const test::TemporaryFolder folder;
  const Detector detector = tiny_detector(folder);
  const Picture picture = grain(180, 100);
  const RgbView overlapping{picture.rgb.data(), 180, 50, 400};
  CHECK_THROWS_WITH(detect_tiled(detector, overlapping, kTiles), Contains("has a stride of 400 bytes"));
}

TEST_CASE("a picture no larger than a tile is detected as without tiles; one decoded smaller is refused") {
  const test::TemporaryFolder folder;
  const Detector detector = tiny_detector(folder);
  const Picture picture = grain(90, 60);
  CHECK(same_objects(detect_tiled(detector, picture, kTiles), detector.detect(picture)));
  Picture reduced = picture;
  reduced.reduced_from = {180, 120};
  CHECK_THROWS_AS(detect_tiled(detector, reduced, kTiles), ConfigError);
  CHECK_THROWS_AS(detect_tiled(detector, RgbView{}, kTiles), DataError);
}
