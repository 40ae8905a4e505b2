#include "data/transforms/affine.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <vector>

#include "tests/data/synthetic_pictures.h"

namespace rtdetr {
namespace {

constexpr int kFrameWidth = 128, kFrameHeight = 96;

Sample marked_sample(int width, int height, std::array<int, 4> mark) {
  Sample sample;
  sample.picture =
      test::rectangle_picture(width, height, {0, 90, 255}, mark[0], mark[1], mark[2], mark[3], {255, 90, 0});
  sample.original_width = width;
  sample.original_height = height;
  sample.picture_index = 5;
  sample.boxes = {{{static_cast<float>(mark[0]), static_cast<float>(mark[1]), static_cast<float>(mark[2]),
                    static_cast<float>(mark[3])},
                   7}};
  return sample;
}

TransformOptions affine_options() {
  TransformOptions options;
  options.height = kFrameHeight;
  options.width = kFrameWidth;
  options.photometric = options.flip = 0;
  options.affine = 1;
  return options;
}

struct AffineResult {
  std::vector<float> chw = std::vector<float>(3 * kFrameWidth * kFrameHeight, -1.0f);
  Batch::Image target;
};

AffineResult shown(const Sample& sample, const TransformOptions& options, std::uint64_t index) {
  Random random(4, RandomPurpose::kAugmentation, 0, index);
  AffineResult result;
  draw_affine(sample, options, 0, {kFrameHeight, kFrameWidth}, random, result.chw.data(), result.target);
  return result;
}

}  // namespace

TEST_CASE("a picture that is scaled and shifted has its boxes where their pixels are") {
  TransformOptions options = affine_options();
  options.flip = options.flip_vertical = options.rotate90 = 0.5;
  options.mosaic_scale = 0.9;
  const Sample sample = marked_sample(80, 60, {22, 10, 50, 41});
  int kept = 0, with_ground = 0;
  float smallest = 1, largest = 0;
  for (std::uint64_t index = 0; index < 400; ++index) {
    const AffineResult result = shown(sample, options, index);
    INFO("draw " << index);
    with_ground += std::count(result.chw.begin(), result.chw.end(), 114.0f / 255.0f) > 100;
    CHECK(*std::min_element(result.chw.begin(), result.chw.end()) >= 0);  // every pixel is written
    CHECK(result.target.picture_index == 5);
    CHECK(result.target.original_width == 80);
    if (result.target.labels.empty()) continue;
    ++kept;
    REQUIRE(result.target.labels == std::vector<std::int64_t>{7});
    const auto& box = result.target.boxes_cxcywh;
    const auto found = test::red_extent(result.chw, kFrameWidth, kFrameHeight);
    CHECK(found[0] == Approx((box[0] - box[2] / 2) * kFrameWidth).margin(1.6));
    CHECK(found[1] == Approx((box[1] - box[3] / 2) * kFrameHeight).margin(1.6));
    CHECK(found[2] == Approx((box[0] + box[2] / 2) * kFrameWidth).margin(1.6));
    CHECK(found[3] == Approx((box[1] + box[3] / 2) * kFrameHeight).margin(1.6));
    smallest = std::min(smallest, box[2]);
    largest = std::max(largest, box[2]);
  }
  CHECK(kept > 300);
  CHECK(with_ground > 150);
  CHECK(smallest < 0.1f);  // a rectangle of 28 of 80 columns, at 0.1 to 1.9 of its size
  CHECK(largest > 0.6f);
}

TEST_CASE("without scale and shift it is the picture in its place, stretched or letterboxed") {
  TransformOptions options = affine_options();
  options.fit = GENERATE(Fit::kStretch, Fit::kLetterbox);
  options.mosaic_scale = options.mosaic_translate = 0;
  const Sample sample = marked_sample(80, 45, {22, 10, 50, 41});
  const AffineResult result = shown(sample, options, 3);
  options.zoom_out = options.iou_crop = 0;
  Random random(4, RandomPurpose::kAugmentation, 0, 3);
  AffineResult plain;
  transform(sample, options, 0, {kFrameHeight, kFrameWidth}, random, plain.chw.data(), plain.target);
  CHECK(result.chw == plain.chw);
  REQUIRE(result.target.boxes_cxcywh.size() == 4);
  for (int i = 0; i < 4; ++i) CHECK(result.target.boxes_cxcywh[i] == Approx(plain.target.boxes_cxcywh[i]).margin(1e-6));
}

TEST_CASE("a shift moves the middle by its share of a side at most, and uses all of it") {
  TransformOptions options = affine_options();
  options.mosaic_scale = 0;
  options.mosaic_translate = 0.25;
  const Sample sample = marked_sample(128, 96, {54, 38, 74, 58});  // in the middle
  float low = 1, high = 0;
  for (std::uint64_t index = 0; index < 400; ++index) {
    const AffineResult result = shown(sample, options, index);
    REQUIRE(result.target.boxes_cxcywh.size() == 4);
    low = std::min(low, result.target.boxes_cxcywh[0]);
    high = std::max(high, result.target.boxes_cxcywh[0]);
  }
  CHECK(low == Approx(0.25).margin(0.01));
  CHECK(high == Approx(0.75).margin(0.01));
}

TEST_CASE("boxes of which little is left are dropped, and what is off takes no draw") {
  TransformOptions options = affine_options();
  options.mosaic_scale = 0;
  options.mosaic_translate = 0.5;
  const Sample sample = marked_sample(128, 96, {0, 0, 20, 20});  // in the corner
  int dropped = 0;
  for (std::uint64_t index = 0; index < 200; ++index) {
    const AffineResult result = shown(sample, options, index);
    dropped += result.target.labels.empty();
    if (result.target.labels.empty()) continue;
    const double part = result.target.boxes_cxcywh[2] * kFrameWidth * result.target.boxes_cxcywh[3] * kFrameHeight;
    CHECK(part > 0.1 * 400);
  }
  CHECK(dropped > 60);
  Random random(4, RandomPurpose::kAugmentation, 0, 1), untouched(4, RandomPurpose::kAugmentation, 0, 1);
  options.affine = 0;
  CHECK_FALSE(chance_of_affine(options, random));
  CHECK(random.next_u32() == untouched.next_u32());
  options.affine = 1;
  CHECK(chance_of_affine(options, random));
  options.augment = false;
  CHECK_FALSE(chance_of_affine(options, random));
}

}  // namespace rtdetr
