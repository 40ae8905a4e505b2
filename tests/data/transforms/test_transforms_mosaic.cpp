#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <memory>
#include <set>
#include <vector>

#include "data/transforms/mosaic.h"
#include "tests/data/synthetic_pictures.h"

namespace rtdetr {
namespace {

constexpr int kWidth = 128, kHeight = 96;

std::shared_ptr<const Sample> sample_of(Picture picture, std::vector<LabelledBox> boxes, std::int64_t index) {
  Sample sample;
  sample.original_width = picture.width;
  sample.original_height = picture.height;
  sample.picture = std::move(picture);
  sample.boxes = std::move(boxes);
  sample.picture_index = index;
  return std::make_shared<const Sample>(std::move(sample));
}

TransformOptions mosaic_options() {
  TransformOptions options;
  options.height = kHeight;
  options.width = kWidth;
  options.mosaic = 1;
  options.photometric = 0;
  return options;
}

struct MosaicResult {
  std::vector<float> chw = std::vector<float>(3 * kWidth * kHeight, -1.0f);
  Batch::Image target;
  float at(int channel, int x, int y) const {
    return chw[static_cast<std::size_t>((channel * kHeight + y) * kWidth + x)];
  }
};
MosaicResult draw(const MosaicSamples& samples, const TransformOptions& options, std::uint64_t index) {
  Random random(4, RandomPurpose::kAugmentation, 0, index);
  MosaicResult result;
  draw_mosaic(samples, options, 0, {kHeight, kWidth}, random, result.chw.data(), result.target);
  return result;
}

}  // namespace

TEST_CASE("boxes follow their pixels into every tile of a mosaic") {
  TransformOptions options = mosaic_options();
  options.flip_vertical = options.rotate90 = 0.5;
  int kept = 0, dropped_while_large = 0;
  for (std::uint64_t index = 0; index < 400; ++index) {
    const test::Colour blue{0, 90, 255}, red{255, 90, 0};
    MosaicSamples samples;
    for (std::size_t i = 0; i < 4; ++i) {
      const bool marked = i == index % 4;
      samples[i] = marked ? sample_of(test::rectangle_picture(80, 60, blue, 22, 10, 50, 41, red),
                                      {{{22, 10, 50, 41}, 7}}, static_cast<std::int64_t>(i))
                          : sample_of(test::rectangle_picture(50, 70, blue, 0, 0, 0, 0, red), {}, 0);
    }
    const MosaicResult result = draw(samples, options, index);
    const auto found = test::red_extent(result.chw, kWidth, kHeight);
    INFO("draw " << index);
    if (result.target.labels.empty()) {
      // At the largest scale the rectangle has 67 x 74 pixels; one that is dropped shows a tenth or less of them.
      const float seen = std::max(found[2] - found[0], 0.0f) * std::max(found[3] - found[1], 0.0f);
      dropped_while_large += seen > 0.1f * 67 * 74;
      continue;
    }
    ++kept;
    REQUIRE(result.target.labels == std::vector<std::int64_t>{7});
    const auto& box = result.target.boxes_cxcywh;
    CHECK(found[0] == Approx((box[0] - box[2] / 2) * kWidth).margin(1.6));
    CHECK(found[1] == Approx((box[1] - box[3] / 2) * kHeight).margin(1.6));
    CHECK(found[2] == Approx((box[0] + box[2] / 2) * kWidth).margin(1.6));
    CHECK(found[3] == Approx((box[1] + box[3] / 2) * kHeight).margin(1.6));
  }
  CHECK(kept > 200);
  CHECK(dropped_while_large == 0);
}

TEST_CASE("a mosaic shows its four pictures and grey ground, and nothing else") {
  MosaicSamples samples;
  for (int i = 0; i < 4; ++i) {
    const auto level = static_cast<std::uint8_t>(10 + 40 * i);
    samples[static_cast<std::size_t>(i)] =
        sample_of(test::rectangle_picture(40, 30, {level, level, level}, 0, 0, 0, 0, {}), {}, i);
  }
  const float ground = 114.0f / 255.0f;
  TransformOptions options = mosaic_options();
  options.photometric = 1;
  options.strong_until_epoch = 0;  // so colours stay as they are
  int four = 0, with_ground = 0;
  for (std::uint64_t index = 0; index < 200; ++index) {
    const MosaicResult result = draw(samples, options, index);
    const std::set<float> levels(result.chw.begin(), result.chw.end());
    for (const float level : levels) {
      const bool known = level == ground || level == 10 / 255.0f || level == 50 / 255.0f || level == 90 / 255.0f ||
                         level == 130 / 255.0f;
      CHECK(known);
    }
    with_ground += levels.count(ground) > 0;
    four += levels.size() - levels.count(ground) == 4;
    CHECK(result.target.picture_index == 0);
    CHECK(result.target.original_width == 40);
  }
  CHECK(four > 120);
  CHECK(with_ground > 40);
}

TEST_CASE("without scale and shift the tiles cover the frame") {
  TransformOptions options = mosaic_options();
  options.mosaic_scale = options.mosaic_translate = 0;
  const auto plain = sample_of(test::rectangle_picture(33, 44, {200, 0, 0}, 0, 0, 0, 0, {}), {}, 0);
  for (std::uint64_t index = 0; index < 50; ++index) {
    const MosaicResult result = draw({plain, plain, plain, plain}, options, index);
    CHECK(std::count(result.chw.begin(), result.chw.begin() + kWidth * kHeight, 200 / 255.0f) == kWidth * kHeight);
  }
}

TEST_CASE("letterboxed tiles keep their pictures' shape") {
  TransformOptions options = mosaic_options();
  options.fit = Fit::kLetterbox;
  options.mosaic_scale = options.mosaic_translate = 0;
  const auto plain = sample_of(test::rectangle_picture(33, 44, {200, 0, 0}, 0, 0, 0, 0, {}), {}, 0);
  constexpr int kTile = 72;  // wide, of which 96 is the height of a picture of 33 x 44
  std::int64_t narrowest = kWidth;
  for (std::uint64_t index = 0; index < 50; ++index) {
    const MosaicResult result = draw({plain, plain, plain, plain}, options, index);
    const auto row = result.chw.begin(), row_end = row + kWidth;
    const std::int64_t begin = std::find(row, row_end, 200 / 255.0f) - row;
    const std::int64_t end = std::find(row + begin, row_end, 114 / 255.0f) - row;
    narrowest = std::min(narrowest, end - begin);
    CHECK((begin == 0 || end == std::min<std::int64_t>(kWidth, begin + 2 * kTile)));
    CHECK((end == kWidth || begin == std::max<std::int64_t>(0, end - 2 * kTile)));
    CHECK(std::count(row, row + kWidth * kHeight, 200 / 255.0f) == (end - begin) * kHeight);
  }
  CHECK(narrowest >= kTile);
  CHECK(narrowest < kTile + 10);
}

TEST_CASE("tiles meet anywhere in the frame, and beyond it when the canvas is shifted") {
  MosaicSamples samples;
  for (int i = 0; i < 4; ++i) {
    const auto level = static_cast<std::uint8_t>(10 + 40 * i);
    samples[static_cast<std::size_t>(i)] =
        sample_of(test::rectangle_picture(40, 30, {level, level, level}, 0, 0, 0, 0, {}), {}, i);
  }
  TransformOptions options = mosaic_options();
  options.mosaic_scale = 0;
  const auto less_than_four = [&](double translate) {
    options.mosaic_translate = translate;
    int count = 0;
    for (std::uint64_t index = 0; index < 400; ++index) {
      const MosaicResult result = draw(samples, options, index);
      count += std::set<float>(result.chw.begin(), result.chw.end()).size() < 4;
    }
    return count;
  };
  CHECK(less_than_four(0) < 20);     // the common point on the very edge
  CHECK(less_than_four(0.5) > 100);  // 7 of 16, but for chance

  options.mosaic_translate = 0;
  int left_of_middle = 0, near_left = 0, near_right = 0;
  for (std::uint64_t index = 0; index < 400; ++index) {
    const MosaicResult result = draw(samples, options, index);
    int split = 0;
    while (split + 1 < kWidth && result.at(0, split, 0) == result.at(0, 0, 0)) ++split;
    left_of_middle += split < kWidth / 2;
    near_left += split < kWidth / 8;
    near_right += split > kWidth - kWidth / 8;
  }
  CHECK(left_of_middle == Approx(200).margin(50));
  CHECK(near_left == Approx(50).margin(35));
  CHECK(near_right == Approx(50).margin(35));
}

TEST_CASE("a mosaic drops boxes below two pixels, of a tenth or less, and longer than 100 times their width") {
  constexpr int kLong = 640;
  TransformOptions options = mosaic_options();
  options.width = kLong;
  options.flip = 0;
  const auto whole = sample_of(test::noise_picture(80, 60, 1),
                               {{{0, 0, 80, 60}, 1}, {{30, 20, 31.5f, 22}, 2}, {{0, 30, 80, 31.8f}, 3}}, 0);
  std::array<int, 4> kept{};
  for (std::uint64_t index = 0; index < 400; ++index) {
    Random random(4, RandomPurpose::kAugmentation, 0, index);
    std::vector<float> chw(3 * kLong * kHeight);
    Batch::Image target;
    draw_mosaic({whole, whole, whole, whole}, options, 0, {kHeight, kLong}, random, chw.data(), target);
    for (std::size_t i = 0; i < target.labels.size(); ++i) {
      const float width = target.boxes_cxcywh[4 * i + 2] * kLong, height = target.boxes_cxcywh[4 * i + 3] * kHeight;
      INFO("label " << target.labels[i] << ", " << width << " x " << height);
      CHECK(std::min(width, height) > 1.99f);
      CHECK(std::max(width, height) / std::min(width, height) < 100.1f);
      // A tile has a quarter of the frame's area at least.
      if (target.labels[i] == 1) CHECK(width * height > 0.099f * 0.25f * kLong * kHeight);
      ++kept[static_cast<std::size_t>(target.labels[i])];
    }
  }
  for (const int label : {1, 2, 3}) CHECK(kept[static_cast<std::size_t>(label)] > 100);
}

TEST_CASE("a mosaic of pictures of one pixel is drawn") {
  const auto dot = sample_of(test::noise_picture(1, 1, 1), {{{0, 0, 1, 1}, 3}}, 0);
  std::size_t boxes = 0;
  for (std::uint64_t index = 0; index < 50; ++index) {
    const MosaicResult result = draw({dot, dot, dot, dot}, mosaic_options(), index);
    CAPTURE(index);
    const auto [low, high] = std::ranges::minmax_element(result.chw);
    REQUIRE((*low >= 0 && *high <= 1));  // -1 before
    REQUIRE(result.target.boxes_cxcywh.size() == 4 * result.target.labels.size());
    for (const std::int64_t label : result.target.labels) REQUIRE(label == 3);
    boxes += result.target.labels.size();
  }
  CHECK(boxes > 50);
}

TEST_CASE("mosaic ends with its epoch, and takes no draw when off") {
  TransformOptions options = mosaic_options();
  options.mosaic_until_epoch = 2;
  Random random(1, RandomPurpose::kAugmentation, 0, 0), untouched(1, RandomPurpose::kAugmentation, 0, 0);
  CHECK_FALSE(chance_of_mosaic(options, 2, random));
  CHECK(random.next_u32() == untouched.next_u32());
  CHECK(chance_of_mosaic(options, 1, random));
  CHECK_FALSE(chance_of_mosaic({}, 0, untouched));
}

}  // namespace rtdetr
