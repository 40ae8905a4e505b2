#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>
#include <vector>

#include "core/base/error.h"
#include "core/image/chw.h"
#include "core/image/placement.h"
#include "data/loader/loader.h"
#include "data/transforms/transforms.h"
#include "tests/data/synthetic_pictures.h"

namespace rtdetr {
namespace {

using test::noise_picture;
using test::rectangle_picture;

constexpr float kGrey = 114.0f / 255.0f;

TransformOptions fitted(Fit fit, bool augment = false) {
  TransformOptions options;
  options.fit = fit;
  options.augment = augment;
  options.photometric = 0;
  options.height = 64;
  options.width = 96;
  return options;
}

Sample fitted_sample(Picture picture, std::vector<LabelledBox> boxes) {
  Sample sample;
  sample.original_width = picture.width;
  sample.original_height = picture.height;
  sample.picture = std::move(picture);
  sample.boxes = std::move(boxes);
  return sample;
}

struct FittedImage {
  FrameSize size;
  std::vector<float> chw;
  Batch::Image target;

  /// xyxy, pixels of the image
  std::array<float, 4> box(std::size_t i, const TransformOptions& options) const {
    const float* box = target.boxes_cxcywh.data() + 4 * i;
    const bool padded = options.fit == Fit::kKeepRatio;
    const auto width = static_cast<float>(padded ? target.placement.unit.width : size.width),
               height = static_cast<float>(padded ? target.placement.unit.height : size.height);
    return {(box[0] - box[2] / 2) * width, (box[1] - box[3] / 2) * height, (box[0] + box[2] / 2) * width,
            (box[1] + box[3] / 2) * height};
  }
};

FittedImage fit_sample(const Sample& sample, const TransformOptions& options, std::uint64_t index = 0) {
  Random random(1, RandomPurpose::kAugmentation, 0, index);
  const FrameSize frame = draw_frame_size(options, 1, 0, static_cast<std::int64_t>(index));
  FittedImage image{canvas_of(options, frame), {}, {}};
  image.chw.assign(static_cast<std::size_t>(3 * image.size.height * image.size.width), -1.0f);
  transform(sample, options, 0, frame, random, image.chw.data(), image.target);
  return image;
}

/// What the image has to be: the picture, resized by itself, on its ground.
std::vector<float> pasted(const Picture& picture, const Placement& placement, const FrameSize& size, float ground) {
  std::vector<float> image(static_cast<std::size_t>(3 * size.height * size.width), ground);
  std::vector<float> part(static_cast<std::size_t>(3 * placement.height) * static_cast<std::size_t>(placement.width));
  to_chw_float(resize(picture, placement.width, placement.height), part.data());
  const float* from = part.data();
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < placement.height; ++y, from += placement.width)
      std::copy_n(from, placement.width, image.data() + (c * size.height + placement.y + y) * size.width + placement.x);
  return image;
}

}  // namespace

TEST_CASE("a letterboxed picture is the resized one in the middle of grey") {
  for (const PictureSize sides : {PictureSize{50, 40}, {40, 50}, {301, 7}, {1, 1}, {96, 64}, {3, 200}}) {
    const Picture picture = noise_picture(sides.width, sides.height, 3);
    const FittedImage image = fit_sample(fitted_sample(picture, {}), fitted(Fit::kLetterbox));
    INFO(sides.width << "x" << sides.height);
    const Placement placement = place(sides, {64, 96}, Fit::kLetterbox);
    CHECK(image.chw == pasted(picture, placement, image.size, kGrey));
  }
}

TEST_CASE("a picture that keeps its ratio is the resized one at the top left of nothing") {
  for (const PictureSize sides : {PictureSize{50, 40}, {40, 50}, {301, 7}, {1, 1}, {3, 200}}) {
    const Picture picture = noise_picture(sides.width, sides.height, 3);
    const FittedImage image = fit_sample(fitted_sample(picture, {}), fitted(Fit::kKeepRatio));
    INFO(sides.width << "x" << sides.height);
    CHECK((image.size.height == 96 && image.size.width == 96));
    CHECK(image.chw == pasted(picture, place(sides, {64, 96}, Fit::kKeepRatio), image.size, 0));
  }
}

TEST_CASE("boxes lie on what they enclose, however the picture fills the image and whatever was drawn for it") {
  for (const Fit fit : {Fit::kStretch, Fit::kLetterbox, Fit::kKeepRatio}) {
    TransformOptions options = fitted(fit, /*augment=*/true);
    options.flip = options.flip_vertical = options.rotate90 = options.zoom_out = 0.5;
    options.zoom_out_max = 1.5;
    options.iou_crop = 0;
    options.multi_scale = {64, 96, 128};
    const Sample sample =
        fitted_sample(rectangle_picture(120, 200, {0, 0, 255}, 30, 60, 90, 120, {255, 0, 0}), {{{30, 60, 90, 120}, 1}});
    for (std::uint64_t index = 0; index < 24; ++index) {
      const FittedImage image = fit_sample(sample, options, index);
      // The frame that boxes are told of is the one that was drawn.
      const auto seen =
          test::red_extent(image.chw, static_cast<int>(image.size.width), static_cast<int>(image.size.height));
      REQUIRE(image.target.labels.size() == 1);
      for (std::size_t side = 0; side < 4; ++side) {
        INFO(word_of(fit, kFitWords) << " draw " << index << " side " << side);
        CHECK(std::abs(image.box(0, options)[side] - seen[side]) <= 1.5f);
      }
    }
  }
}

TEST_CASE("evaluation keeps tiny boxes where they are; training drops those that are below min_box in the image") {
  // 400 wide becomes 96: 0.24 pixels for each of the picture.
  const std::vector<LabelledBox> boxes{{{100, 50, 100, 50}, 0}, {{100, 50, 103, 53}, 1}, {{100, 50, 105, 55}, 2}};
  for (const Fit fit : {Fit::kLetterbox, Fit::kKeepRatio}) {
    const Sample sample = fitted_sample(noise_picture(400, 100, 1), boxes);
    const FittedImage all = fit_sample(sample, fitted(fit));
    REQUIRE(all.target.labels.size() == 3);
    const Placement& placement = all.target.placement;
    for (std::size_t i = 0; i < 3; ++i) {
      const std::array<float, 4> box = all.box(i, fitted(fit));
      const std::array<double, 4> back = placement.to_picture({box[0], box[1], box[2], box[3]});
      for (std::size_t side = 0; side < 4; ++side) CHECK(std::abs(back[side] - boxes[i].xyxy[side]) < 1e-3);
    }
    TransformOptions training = fitted(fit, true);
    training.zoom_out = training.iou_crop = training.flip = 0;
    CHECK(fit_sample(sample, training).target.labels == std::vector<std::int64_t>{2});
  }
}

TEST_CASE("of two limits multi-scale draws the shorter one") {
  TransformOptions options = fitted(Fit::kKeepRatio, true);
  options.height = 800;
  options.width = 1333;
  options.multi_scale = {1024, 1344, 1664};  // 0.77, 1.01 and 1.25 of the longer: 615, 807 and 999 of the shorter
  std::set<std::int64_t> drawn;
  for (std::int64_t batch = 0; batch < 40; ++batch) {
    const FrameSize limits = draw_frame_size(options, 1, 0, batch);
    CHECK(limits.width == 1333);
    drawn.insert(limits.height);
  }
  CHECK(drawn == std::set<std::int64_t>{608, 800, 992});
}

TEST_CASE("pictures of several sizes are not blended into one") {
  for (double TransformOptions::*probability :
       {&TransformOptions::mosaic, &TransformOptions::mixup, &TransformOptions::copy_blend}) {
    TransformOptions options = fitted(Fit::kKeepRatio, true);
    options.*probability = 0.5;
    CHECK_THROWS_WITH(check_transform_options(options), Catch::Contains("fit=keep_ratio"));
    options.fit = Fit::kLetterbox;
    CHECK_NOTHROW(check_transform_options(options));
  }
}

TEST_CASE("a padded batch is as large as its largest picture, and each picture is as alone") {
  const std::vector<PictureSize> sides{{100, 50}, {90, 60}, {120, 40}, {30, 60}, {20, 300}};
  Dataset dataset;
  for (std::size_t i = 0; i < sides.size(); ++i) {
    dataset.pictures.push_back({});
    dataset.pictures.back().id = static_cast<std::int64_t>(i);
  }
  const auto sample = [&](std::int64_t index) {
    const PictureSize& size = sides[static_cast<std::size_t>(index)];
    Sample made = fitted_sample(noise_picture(size.width, size.height, static_cast<std::uint64_t>(index)), {});
    made.picture_index = index;
    return made;
  };
  TransformOptions options = fitted(Fit::kKeepRatio);
  options.stride = 16;
  for (const int threads : {0, 3}) {
    LoaderOptions loading;
    loading.batch_size = 3;
    loading.threads = threads;
    loading.shuffle = loading.drop_last = false;
    Loader loader(dataset, options, loading, sample);
    loader.start(0);
    // By hand: 96x48, 96x64 and 96x32; then 48x96 and 6x96. The room was 96x96.
    for (const FrameSize expected : {FrameSize{64, 96}, FrameSize{96, 48}}) {
      const auto batch = loader.next();
      REQUIRE(batch);
      CHECK(batch->is_padded);
      CHECK((batch->height == expected.height && batch->width == expected.width));
      for (std::int64_t b = 0; b < batch->size; ++b) {
        const Batch::Image& image = batch->targets[static_cast<std::size_t>(b)];
        const Sample alone = sample(image.picture_index);
        const Placement placement = place({alone.picture.width, alone.picture.height}, {64, 96}, Fit::kKeepRatio);
        const std::vector<float> wanted = pasted(alone.picture, placement, expected, 0);
        const float* found = batch->images.data() + b * static_cast<std::int64_t>(wanted.size());
        CHECK(std::equal(wanted.begin(), wanted.end(), found));
        CHECK((image.placement.width == placement.width && image.placement.height == placement.height));
      }
    }
  }
}

}  // namespace rtdetr
