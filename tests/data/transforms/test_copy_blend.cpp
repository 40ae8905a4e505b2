#include "data/transforms/copy_blend.h"

#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

namespace rtdetr {
namespace {

constexpr std::int64_t kBlendWidth = 128, kBlendHeight = 64;  // whole pixels are whole as shares, too

/// Pictures of one colour each, 0.1 apart.
Batch plain_batch(std::int64_t size) {
  Batch batch;
  batch.size = size;
  batch.width = kBlendWidth;
  batch.height = kBlendHeight;
  batch.images = FloatBlock(static_cast<std::size_t>(size * 3 * kBlendWidth * kBlendHeight));
  batch.targets.resize(static_cast<std::size_t>(size));
  for (std::int64_t i = 0; i < size; ++i)
    std::fill_n(batch.images.data() + i * 3 * kBlendWidth * kBlendHeight, 3 * kBlendWidth * kBlendHeight,
                0.1f * static_cast<float>(i));
  return batch;
}

void add_box(Batch& batch, std::size_t position, std::int64_t label, float x0, float y0, float x1, float y1) {
  Batch::Image& target = batch.targets[position];
  target.labels.push_back(label);
  target.boxes_cxcywh.insert(target.boxes_cxcywh.end(), {(x0 + x1) / 2 / kBlendWidth, (y0 + y1) / 2 / kBlendHeight,
                                                         (x1 - x0) / kBlendWidth, (y1 - y0) / kBlendHeight});
}

Batch batch_of_objects() {
  Batch batch = plain_batch(3);
  add_box(batch, 0, 1, 10, 10, 30, 25);
  add_box(batch, 0, 2, 0, 0, 128, 64);     // the whole picture
  add_box(batch, 1, 3, 108, 44, 128, 64);  // in a corner
  add_box(batch, 1, 4, 5, 5, 14, 16);      // 99 pixels
  add_box(batch, 2, 5, 40, 20, 50, 30);    // 100 pixels
  return batch;
}

float pixel(const Batch& batch, std::int64_t position, std::int64_t channel, std::int64_t x, std::int64_t y) {
  return batch.images[static_cast<std::size_t>(((position * 3 + channel) * kBlendHeight + y) * kBlendWidth + x)];
}

bool covers(const BlendPatch& patch, std::int64_t x, std::int64_t y) {
  return x >= patch.x && x < patch.x + patch.width && y >= patch.y && y < patch.y + patch.height;
}

}  // namespace

TEST_CASE("three different objects of at least 100 pixels go to each picture, whole, with a margin that both have") {
  const Batch batch = batch_of_objects();
  const std::vector<std::array<std::int64_t, 2>> sizes{{0, 0}, {20, 15}, {128, 64}, {20, 20}, {0, 0}, {10, 10}};
  std::set<std::int64_t> labels, places;
  std::int64_t widest = 0;
  for (std::uint64_t index = 0; index < 400; ++index) {
    Random random(3, RandomPurpose::kCopyBlend, 0, index);
    const BlendPlan plan = draw_blend_plan(batch, random);
    CHECK((plan.share >= 0.45 && plan.share <= 0.55));
    REQUIRE(plan.patches.size() == 3);
    for (const std::vector<BlendPatch>& patches : plan.patches) {
      std::set<std::int64_t> once;
      for (const BlendPatch& patch : patches) {
        once.insert(patch.label);
        const auto [width, height] = sizes.at(static_cast<std::size_t>(patch.label));
        CHECK(patch.box_cxcywh[2] * kBlendWidth == Approx(width));
        CHECK(patch.box_cxcywh[3] * kBlendHeight == Approx(height));
        const auto x0 = static_cast<std::int64_t>((patch.box_cxcywh[0] - patch.box_cxcywh[2] / 2) * kBlendWidth + 0.5f);
        CHECK((patch.x <= x0 && x0 + width <= patch.x + patch.width));
        CHECK((patch.x >= 0 && patch.y >= 0 && patch.x + patch.width <= kBlendWidth &&
               patch.y + patch.height <= kBlendHeight));
        CHECK((patch.source_x >= 0 && patch.source_y >= 0 && patch.source_x + patch.width <= kBlendWidth &&
               patch.source_y + patch.height <= kBlendHeight));
        CHECK((x0 - patch.x <= width / 4 && patch.width - width <= 2 * (width / 4)));
        if (patch.label == 1) places.insert(x0);
        if (patch.label == 1) widest = std::max(widest, patch.width);
      }
      CHECK(once.size() == 3);
      labels.insert(once.begin(), once.end());
    }
  }
  CHECK(labels == std::set<std::int64_t>{1, 2, 3, 5});
  CHECK(places.size() == 109);  // everywhere from 0 to the last place where it is whole
  CHECK((widest > 26 && widest <= 30));
}

TEST_CASE("patches are blended in turn from the batch as it came, and their boxes are added") {
  const Batch before = batch_of_objects();
  Batch batch = batch_of_objects();
  Random random(3, RandomPurpose::kCopyBlend, 0, 1);
  const BlendPlan plan = draw_blend_plan(batch, random);
  blend_patches(plan, batch);
  for (std::int64_t position = 0; position < 3; ++position) {
    const auto& patches = plan.patches[static_cast<std::size_t>(position)];
    for (std::int64_t y = 0; y < kBlendHeight; ++y) {
      for (std::int64_t x = 0; x < kBlendWidth; ++x) {
        double wanted = 0.1 * static_cast<double>(position);
        for (const BlendPatch& patch : patches)
          if (covers(patch, x, y))
            wanted = plan.share * wanted + (1 - plan.share) * 0.1 * static_cast<double>(patch.from);
        for (const std::int64_t channel : {0, 2}) {
          if (std::abs(pixel(batch, position, channel, x, y) - wanted) > 1e-6)
            FAIL("picture " << position << " at " << x << ", " << y);
        }
      }
    }
    const Batch::Image &old = before.targets[static_cast<std::size_t>(position)],
                       &target = batch.targets[static_cast<std::size_t>(position)];
    REQUIRE(target.labels.size() == old.labels.size() + 3);
    CHECK(target.labels.back() == patches.back().label);
    CHECK(target.boxes_cxcywh.size() == 4 * target.labels.size());
    CHECK(std::equal(old.boxes_cxcywh.begin(), old.boxes_cxcywh.end(), target.boxes_cxcywh.begin()));
  }
}

TEST_CASE("a cut patch has the pixels of its place") {
  Batch batch = plain_batch(2);
  add_box(batch, 1, 7, 20, 30, 40, 40);
  float* other = batch.images.data() + 3 * kBlendWidth * kBlendHeight;
  for (std::int64_t i = 0; i < 3 * kBlendWidth * kBlendHeight; ++i) other[i] = static_cast<float>(i);
  Random random(3, RandomPurpose::kCopyBlend, 0, 5);
  BlendPlan plan = draw_blend_plan(batch, random);
  REQUIRE(plan.patches[0].size() == 1);  // as many as there are
  const BlendPatch& patch = plan.patches[0][0];
  const float source = pixel(batch, 1, 2, patch.source_x + 3, patch.source_y + 4);
  plan.patches[1].clear();
  blend_patches(plan, batch);
  CHECK(pixel(batch, 0, 2, patch.x + 3, patch.y + 4) == Approx((1 - plan.share) * source));
}

TEST_CASE("a batch without a large object stays as it is") {
  Batch batch = plain_batch(2);
  add_box(batch, 0, 4, 5, 5, 14, 16);
  Random random(3, RandomPurpose::kCopyBlend, 0, 0);
  blend_patches(draw_blend_plan(batch, random), batch);
  CHECK(batch.targets[0].labels == std::vector<std::int64_t>{4});
  CHECK(batch.targets[1].labels.empty());
  CHECK(pixel(batch, 0, 0, 8, 8) == 0);
}

}  // namespace rtdetr
