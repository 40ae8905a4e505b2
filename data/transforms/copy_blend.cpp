#include "data/transforms/copy_blend.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace rtdetr {
namespace {

constexpr std::size_t kObjects = 3;                       // for each picture
constexpr std::int64_t kLeastArea = 100;                  // pixels
constexpr double kLeastMargin = 0.1, kMostMargin = 0.25;  // of an object's sides
constexpr double kLowestShare = 0.45, kHighestShare = 0.55;

double six_digits(double value) { return std::round(value * 1e6) / 1e6; }

/// An object that may be cut out, in whole pixels of its picture.
struct Object {
  std::int64_t from = 0;
  std::int64_t label = 0;
  std::int64_t x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  std::int64_t width() const { return x1 - x0; }
  std::int64_t height() const { return y1 - y0; }
};

std::vector<Object> objects_of(const Batch& batch) {
  std::vector<Object> objects;
  for (std::int64_t from = 0; from < batch.size; ++from) {
    const Batch::Image& target = batch.targets[static_cast<std::size_t>(from)];
    for (std::size_t i = 0; i < target.labels.size(); ++i) {
      const float* box = target.boxes_cxcywh.data() + 4 * i;
      const auto edge = [&](int axis, float side, std::int64_t length) {
        const double place = (box[axis] + side * box[axis + 2]) * static_cast<double>(length);
        return std::clamp<std::int64_t>(static_cast<std::int64_t>(place), 0, length);
      };
      const Object object{from,
                          target.labels[i],
                          edge(0, -0.5f, batch.width),
                          edge(1, -0.5f, batch.height),
                          edge(0, 0.5f, batch.width),
                          edge(1, 0.5f, batch.height)};
      if (object.width() * object.height() >= kLeastArea) objects.push_back(object);
    }
  }
  return objects;
}

/// How far a patch reaches beyond its object at the lower and the upper end of one axis: as far as both pictures go.
std::pair<std::int64_t, std::int64_t> margins(std::int64_t wanted, std::int64_t source, std::int64_t place,
                                              std::int64_t size, std::int64_t length) {
  return {std::min({wanted, source, place}), std::min({wanted, length - source - size, length - place - size})};
}

BlendPatch draw_patch(const Object& object, const Batch& batch, Random& random) {
  const auto place = [&](std::int64_t size, std::int64_t length) {
    return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(length - size + 1)));
  };
  const std::int64_t width = object.width(), height = object.height();
  const std::int64_t x = place(width, batch.width), y = place(height, batch.height);
  const double share = six_digits(random.uniform(kLeastMargin, kMostMargin));
  const auto wanted = [&](std::int64_t side) { return static_cast<std::int64_t>(static_cast<double>(side) * share); };
  const auto [left, right] = margins(wanted(width), object.x0, x, width, batch.width);
  const auto [above, below] = margins(wanted(height), object.y0, y, height, batch.height);
  const auto across = static_cast<float>(batch.width), down = static_cast<float>(batch.height);
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  BlendPatch patch{.from = object.from, .label = object.label};
  patch.source_x = object.x0 - left;
  patch.source_y = object.y0 - above;
  patch.x = x - left;
  patch.y = y - above;
  patch.width = left + width + right;
  patch.height = above + height + below;
  patch.box_cxcywh = {(static_cast<float>(x) + w / 2) / across, (static_cast<float>(y) + h / 2) / down, w / across,
                      h / down};
  return patch;
}

float* row_of(Batch& batch, std::int64_t position, std::int64_t channel, std::int64_t y) {
  return batch.images.data() + ((position * 3 + channel) * batch.height + y) * batch.width;
}

/// 3 · height · width floats of the picture it comes from.
std::vector<float> cut(const BlendPatch& patch, Batch& batch) {
  std::vector<float> pixels;
  pixels.reserve(static_cast<std::size_t>(3 * patch.width * patch.height));
  for (std::int64_t channel = 0; channel < 3; ++channel) {
    for (std::int64_t y = 0; y < patch.height; ++y) {
      const float* row = row_of(batch, patch.from, channel, patch.source_y + y) + patch.source_x;
      pixels.insert(pixels.end(), row, row + patch.width);
    }
  }
  return pixels;
}

void blend(const BlendPatch& patch, const std::vector<float>& pixels, std::int64_t position, double share,
           Batch& batch) {
  const auto there = static_cast<float>(share), patched = static_cast<float>(1 - share);
  const float* pixel = pixels.data();
  for (std::int64_t channel = 0; channel < 3; ++channel) {
    for (std::int64_t y = 0; y < patch.height; ++y) {
      float* row = row_of(batch, position, channel, patch.y + y) + patch.x;
      for (std::int64_t x = 0; x < patch.width; ++x) row[x] = there * row[x] + patched * *pixel++;
    }
  }
}

}  // namespace

BlendPlan draw_blend_plan(const Batch& batch, Random& random) {
  BlendPlan plan{.share = six_digits(random.uniform(kLowestShare, kHighestShare)),
                 .patches = std::vector<std::vector<BlendPatch>>(static_cast<std::size_t>(batch.size))};
  const std::vector<Object> objects = objects_of(batch);
  for (std::vector<BlendPatch>& patches : plan.patches) {
    std::vector<Object> left = objects;
    for (std::size_t i = 0; i < std::min(kObjects, objects.size()); ++i) {
      std::swap(left[i], left[i + random.below(left.size() - i)]);
      patches.push_back(draw_patch(left[i], batch, random));
    }
  }
  return plan;
}

void blend_patches(const BlendPlan& plan, Batch& batch) {
  std::vector<std::vector<float>> pixels;
  for (const std::vector<BlendPatch>& patches : plan.patches)
    for (const BlendPatch& patch : patches) pixels.push_back(cut(patch, batch));
  auto next = pixels.begin();
  for (std::size_t position = 0; position < plan.patches.size(); ++position) {
    Batch::Image& target = batch.targets[position];
    for (const BlendPatch& patch : plan.patches[position]) {
      blend(patch, *next++, static_cast<std::int64_t>(position), plan.share, batch);
      target.labels.push_back(patch.label);
      target.boxes_cxcywh.insert(target.boxes_cxcywh.end(), patch.box_cxcywh.begin(), patch.box_cxcywh.end());
    }
  }
}

bool chance_of_copy_blend(const TransformOptions& options, std::int64_t epoch, Random& random) {
  return options.copy_blend > 0 && may_blend(options, epoch) && random.chance(options.copy_blend);
}

}  // namespace rtdetr
