#include "data/transforms/transforms.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>
#include <vector>

#include "core/base/error.h"
#include "core/image/chw.h"
#include "data/transforms/photometric.h"
#include "tests/data/synthetic_pictures.h"

namespace rtdetr {
namespace {

using test::noise_picture;
using test::rectangle_picture;

/// The slow way, one step after the other.
std::vector<float> step_by_step(const Picture& picture, const PictureWindow& window, int width, int height,
                                Resampling method) {
  std::vector<float> out(static_cast<std::size_t>(3) * width * height);
  to_chw_float(resize(cut(picture, window), width, height, method), out.data());
  return out;
}

std::vector<float> in_one_pass(const Picture& picture, const PictureWindow& window, int width, int height,
                               Resampling method) {
  // Start from a value that cannot be a result: every float must be written.
  std::vector<float> out(static_cast<std::size_t>(3) * width * height, -1.0f);
  resize_to_chw_float(picture, window, width, height, method, out.data());
  return out;
}

Sample make_sample(Picture picture, std::vector<LabelledBox> boxes) {
  Sample sample;
  sample.original_width = picture.width;
  sample.original_height = picture.height;
  sample.picture = std::move(picture);
  sample.boxes = std::move(boxes);
  return sample;
}

struct Result {
  std::vector<float> chw;
  Batch::Image target;
};
Result run(const Sample& sample, const TransformOptions& options, std::uint64_t index, std::int64_t epoch = 0) {
  Random random(1, RandomPurpose::kAugmentation, static_cast<std::uint64_t>(epoch), index);
  const FrameSize frame = draw_frame_size(options, 1, epoch, 0);
  Result result;
  result.chw.assign(static_cast<std::size_t>(3 * frame.height * frame.width), -1.0f);
  transform(sample, options, epoch, frame, random, result.chw.data(), result.target);
  return result;
}

std::array<double, 4> target_pixels(const Result& result, float width, float height) {
  const auto& box = result.target.boxes_cxcywh;
  return {(box[0] - box[2] / 2) * width, (box[1] - box[3] / 2) * height, (box[0] + box[2] / 2) * width,
          (box[1] + box[3] / 2) * height};
}

TransformOptions shapes_only() {
  TransformOptions options;
  options.photometric = 0;
  options.height = 96;
  options.width = 128;
  return options;
}

}  // namespace

TEST_CASE("one pass over a window gives the bits of cutting, mirroring, resizing and converting in turn") {
  Random random(5, RandomPurpose::kAugmentation, 0, 0);
  const auto between = [&](int low, int high) { return low + static_cast<int>(random.below(high - low + 1)); };
  for (int round = 0; round < 150; ++round) {
    const Picture picture =
        noise_picture(between(1, round % 3 == 0 ? 3 : 60), between(1, 60), static_cast<std::uint64_t>(round));
    PictureWindow window;
    window.width = between(1, 90);
    window.height = between(1, 90);
    window.x = between(-window.width - 3, picture.width + 3);
    window.y = between(-window.height - 3, picture.height + 3);
    window.flip_x = random.chance(0.5);
    window.flip_y = random.chance(0.5);
    const int width = between(1, 100), height = between(1, 100);
    const auto method = round % 5 == 0 ? Resampling::kOpencvLinear : Resampling::kPillowBilinear;
    INFO("round " << round);
    REQUIRE(in_one_pass(picture, window, width, height, method) ==
            step_by_step(picture, window, width, height, method));
  }
}

TEST_CASE("the model reads value / 255, red plane first") {
  Picture picture(2, 1);
  picture.rgb = {255, 128, 0, 1, 2, 3};
  std::vector<float> chw(6);
  to_chw_float(picture, chw.data());
  CHECK(chw == std::vector<float>{1.0f, 1.0f / 255.0f, 128.0f / 255.0f, 2.0f / 255.0f, 0.0f, 3.0f / 255.0f});
}

TEST_CASE("cutting reaches beyond the picture into black and mirrors") {
  Picture picture(2, 1);
  picture.rgb = {1, 2, 3, 4, 5, 6};
  const Picture cut_out = cut(picture, {-1, 0, 4, 2, true, false});
  CHECK(cut_out.rgb == std::vector<std::uint8_t>{0, 0, 0, 4, 5, 6, 1, 2, 3, 0, 0, 0,  //
                                                 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("turning clockwise makes the left column the top row") {
  Picture picture(2, 2);
  picture.rgb = {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4};
  CHECK(turn_clockwise(picture).rgb == std::vector<std::uint8_t>{3, 3, 3, 1, 1, 1, 4, 4, 4, 2, 2, 2});
}

TEST_CASE("boxes follow their pixels through zoom-out, crop, mirrors and turns") {
  TransformOptions options = shapes_only();
  options.flip_vertical = options.rotate90 = 0.5;
  const Sample sample =
      make_sample(rectangle_picture(80, 60, {0, 90, 255}, 22, 10, 50, 41, {255, 90, 0}), {{{22, 10, 50, 41}, 7}});
  int seen = 0;
  for (std::uint64_t index = 0; index < 400; ++index) {
    const Result result = run(sample, options, index);
    INFO("draw " << index);
    // A crop keeps the box's centre, and the rectangle is large: it never shrinks below a pixel.
    REQUIRE(result.target.labels == std::vector<std::int64_t>{7});
    const std::array<float, 4> found = test::red_extent(result.chw, 128, 96);
    const std::array<double, 4> box = target_pixels(result, 128, 96);
    for (int i = 0; i < 4; ++i) REQUIRE(found[i] == Approx(box[i]).margin(1.01));
    ++seen;
  }
  CHECK(seen == 400);
}

TEST_CASE("mirrors and quarter turns reach all eight orientations") {
  TransformOptions options = shapes_only();
  options.zoom_out = options.iou_crop = 0;
  options.flip_vertical = options.rotate90 = 0.5;
  options.height = options.width = 64;
  // Wide, off both middles: every orientation puts it elsewhere.
  const Sample sample =
      make_sample(rectangle_picture(64, 64, {0, 90, 255}, 4, 8, 28, 16, {255, 90, 0}), {{{4, 8, 28, 16}, 0}});
  std::set<std::array<float, 4>> places;
  for (std::uint64_t index = 0; index < 200; ++index) {
    const Result result = run(sample, options, index);
    const std::array<float, 4> found = test::red_extent(result.chw, 64, 64);
    const std::array<double, 4> box = target_pixels(result, 64, 64);
    for (int i = 0; i < 4; ++i) REQUIRE(found[i] == Approx(box[i]).margin(1e-4));
    places.insert(found);
  }
  CHECK(places.size() == 8);
}

TEST_CASE("evaluation resizes and keeps every box") {
  TransformOptions options;
  options.augment = false;
  options.height = 40;
  options.width = 50;
  const Picture picture = noise_picture(100, 80, 1);
  const Sample sample = make_sample(picture, {{{0, 0, 100, 80}, 1}, {{10, 20, 10.5f, 21}, 2}});
  const Result result = run(sample, options, 0);
  CHECK(result.chw == step_by_step(picture, PictureWindow::whole(picture), 50, 40, Resampling::kPillowBilinear));
  CHECK(result.target.labels == std::vector<std::int64_t>{1, 2});
  CHECK(result.target.boxes_cxcywh[0] == 0.5f);
  CHECK(result.target.boxes_cxcywh[2] == 1.0f);
  CHECK(result.target.boxes_cxcywh[4] == Approx(0.1025f));
  CHECK(result.target.original_width == 100);
  CHECK(result.target.original_height == 80);
}

TEST_CASE("training drops a box below one pixel") {
  TransformOptions options = shapes_only();
  options.zoom_out = options.iou_crop = 0;
  const Sample sample = make_sample(noise_picture(64, 48, 2), {{{5, 5, 5.9f, 20}, 1}, {{5, 5, 9, 20}, 2}});
  CHECK(run(sample, options, 0).target.labels == std::vector<std::int64_t>{2});
  // 640 pixels become 128: also what the network's size makes too small.
  const Sample large = make_sample(noise_picture(640, 480, 2), {{{5, 5, 9, 200}, 1}, {{5, 5, 11, 200}, 2}});
  CHECK(run(large, options, 0).target.labels == std::vector<std::int64_t>{2});
}

TEST_CASE("training drops a box below min_box, in the cut picture and in that of the network's size") {
  TransformOptions options = shapes_only();
  options.zoom_out = options.iou_crop = 0;
  options.min_box = 8;
  const Sample small = make_sample(noise_picture(64, 48, 2), {{{5, 5, 12.9f, 20}, 1}, {{5, 5, 13, 20}, 2}});
  CHECK(run(small, options, 0).target.labels == std::vector<std::int64_t>{2});
  const Sample large = make_sample(noise_picture(640, 480, 2), {{{5, 5, 44, 200}, 1}, {{5, 5, 46, 200}, 2}});
  CHECK(run(large, options, 0).target.labels == std::vector<std::int64_t>{2});  // 640 pixels become 128
  options.augment = false;
  CHECK(run(small, options, 0).target.labels == std::vector<std::int64_t>{1, 2});
}

TEST_CASE("boxes below a pixel or with a corner outside are dropped, others stay") {
  std::vector<LabelledBox> boxes{{{0, 0, 20, 10}, 1},   {{3, 3, 4, 4}, 2},     {{3, 3, 3.9f, 9}, 3},
                                 {{3, 3, 9, 3.9f}, 4},  {{-0.1f, 3, 9, 9}, 5}, {{3, -0.1f, 9, 9}, 6},
                                 {{3, 3, 20.1f, 9}, 7}, {{3, 3, 9, 10.1f}, 8}};
  drop_small_boxes(boxes, 20, 10, 1);
  REQUIRE(boxes.size() == 2);
  CHECK(boxes[0].label == 1);
  CHECK(boxes[1].label == 2);
}

TEST_CASE("a picture without boxes passes through with an empty target") {
  const Sample sample = make_sample(noise_picture(64, 48, 3), {});
  for (std::uint64_t index = 0; index < 20; ++index) {
    const Result result = run(sample, shapes_only(), index);
    CHECK(result.target.labels.empty());
    CHECK(result.target.boxes_cxcywh.empty());
    CHECK(*std::min_element(result.chw.begin(), result.chw.end()) >= 0.0f);
  }
}

TEST_CASE("a picture without boxes is zoomed out but never cropped") {
  GeometricOptions options;
  options.iou_crop = 1;
  for (std::uint64_t index = 0; index < 200; ++index) {
    Random random(1, RandomPurpose::kAugmentation, 0, index);
    std::vector<LabelledBox> boxes;
    const Geometry geometry = draw_geometry(options, 40, 30, boxes, random);
    CHECK(geometry.window.x <= 0);
    CHECK(geometry.window.y <= 0);
    CHECK(geometry.window.x + geometry.window.width >= 40);
    CHECK(geometry.window.y + geometry.window.height >= 30);
  }
}

TEST_CASE("a picture of one pixel survives every draw") {
  const Sample sample = make_sample(noise_picture(1, 1, 3), {{{0, 0, 1, 1}, 0}});
  TransformOptions options;
  options.height = options.width = 8;
  options.rotate90 = 0.5;
  int kept = 0;
  for (std::uint64_t index = 0; index < 100; ++index) {
    const Result result = run(sample, options, index);
    CAPTURE(index);
    const auto [low, high] = std::ranges::minmax_element(result.chw);
    REQUIRE((*low >= 0 && *high <= 1));  // -1 before
    REQUIRE(result.target.boxes_cxcywh.size() == 4 * result.target.labels.size());
    for (const std::int64_t label : result.target.labels) REQUIRE(label == 0);
    kept += result.target.labels.empty() ? 0 : 1;
  }
  CHECK(kept > 50);
}

TEST_CASE("from the switch-off epoch on only the mirror is left") {
  TransformOptions options;
  options.height = 48;
  options.width = 64;
  options.strong_until_epoch = 3;
  const Picture picture = noise_picture(64, 48, 4);
  const Sample sample = make_sample(picture, {{{5, 5, 20, 20}, 0}});
  const auto plain = step_by_step(picture, {0, 0, 64, 48}, 64, 48, Resampling::kPillowBilinear);
  const auto mirrored = step_by_step(picture, {0, 0, 64, 48, true}, 64, 48, Resampling::kPillowBilinear);
  int changed = 0;
  for (std::uint64_t index = 0; index < 30; ++index) {
    const Result late = run(sample, options, index, 3);
    CHECK((late.chw == plain || late.chw == mirrored));
    const Result early = run(sample, options, index, 2);
    changed += early.chw != plain && early.chw != mirrored;
  }
  CHECK(changed > 20);
}

TEST_CASE("multi-scale draws one size per batch, uniformly, until its end") {
  TransformOptions options;
  options.multi_scale = {480, 640, 640, 800};
  options.multi_scale_until_epoch = 5;
  int large = 0;
  std::set<std::int64_t> sides;
  for (std::int64_t batch = 0; batch < 4000; ++batch) {
    const FrameSize size = draw_frame_size(options, 7, 2, batch);
    CHECK(size.height == size.width);
    sides.insert(size.height);
    large += size.height == 640;
  }
  CHECK(sides == std::set<std::int64_t>{480, 640, 800});
  CHECK(large == Approx(2000).margin(5 * std::sqrt(4000 * 0.25)));
  const auto first_sides = [&](std::uint64_t seed, std::int64_t epoch) {
    std::vector<std::int64_t> first;
    for (std::int64_t batch = 0; batch < 50; ++batch)
      first.push_back(draw_frame_size(options, seed, epoch, batch).height);
    return first;
  };
  CHECK(first_sides(7, 2) == first_sides(7, 2));
  CHECK(first_sides(7, 2) != first_sides(8, 2));
  CHECK(first_sides(7, 2) != first_sides(7, 3));
  CHECK(draw_frame_size(options, 7, 5, 11).height == 640);
}

TEST_CASE("multi-scale keeps the proportions of a size that is not square") {
  TransformOptions options;
  options.height = 320;
  options.width = 640;
  options.multi_scale = {800};
  const FrameSize size = draw_frame_size(options, 7, 0, 0);
  CHECK(size.width == 800);
  CHECK(size.height == 416);
  options.height = 32;
  options.multi_scale = {256};
  CHECK(draw_frame_size(options, 7, 0, 0).height == 32);  // 12.8, and one stride at least
}

TEST_CASE("multi-scale by nearest neighbours repeats the pixels of the configured size") {
  TransformOptions options = shapes_only();
  options.zoom_out = options.iou_crop = options.flip = 0;
  options.height = options.width = 4;
  const Sample sample = make_sample(noise_picture(9, 7, 5), {});
  const Result base = run(sample, options, 0);
  options.multi_scale = {6};
  options.multi_scale_nearest = true;
  const Result larger = run(sample, options, 0);
  const std::array<int, 6> from{0, 0, 1, 2, 2, 3};  // floor(i · 4/6)
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < 6; ++y) {
      for (int x = 0; x < 6; ++x) {
        CHECK(larger.chw[(c * 6 + y) * 6 + x] == base.chw[(c * 4 + from[y]) * 4 + from[x]]);
      }
    }
  }
}

TEST_CASE("options outside their range are refused by name") {
  TransformOptions options;
  options.iou_crop = 1.5;
  CHECK_THROWS_WITH(check_transform_options(options), "iou_crop: want a probability between 0 and 1, have 1.5");
  options = {};
  options.zoom_out_max = 0.5;
  CHECK_THROWS_AS(check_transform_options(options), ConfigError);
  options = {};
  options.min_box = -1;
  CHECK_THROWS_WITH(check_transform_options(options), "min_box: want 0 to 1024 pixels, have -1");
  options = {};
  options.multi_scale = {640, 0};
  CHECK_THROWS_AS(check_transform_options(options), ConfigError);
  float none = 0;
  CHECK_THROWS_AS(resize_to_chw_float(noise_picture(2, 2, 0), {0, 0, 0, 2}, 4, 4, Resampling::kPillowBilinear, &none),
                  ConfigError);
}

}  // namespace rtdetr
