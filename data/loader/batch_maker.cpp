#include "data/loader/batch_maker.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/base/error.h"
#include "core/image/placement.h"
#include "data/transforms/affine.h"
#include "data/transforms/copy_blend.h"
#include "data/transforms/hsv.h"
#include "data/transforms/mixup.h"
#include "data/transforms/mosaic.h"
#include "data/transforms/turned_mosaic.h"

namespace rtdetr {

std::vector<std::int64_t> epoch_order(std::int64_t count, bool shuffle, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  if (!shuffle) return order;
  Random random(seed, RandomPurpose::kShuffle, static_cast<std::uint64_t>(epoch), 0);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

void cut_to_largest(Batch& batch, std::int64_t stride) {
  std::vector<Placement> placements;
  for (const Batch::Image& image : batch.targets) placements.push_back(image.placement);
  const ImageSize size = input_for(placements, stride);
  float* to = batch.images.data();
  for (std::int64_t plane = 0; plane < 3 * batch.size; ++plane) {
    const float* from = batch.images.data() + plane * batch.height * batch.width;
    for (std::int64_t y = 0; y < size.height; ++y, to += size.width)
      std::memmove(to, from + y * batch.width, static_cast<std::size_t>(size.width) * sizeof(float));
  }
  batch.height = size.height;
  batch.width = size.width;
}

BatchMaker::BatchMaker(const Dataset& dataset, TransformOptions transforms, LoaderOptions options, SampleSource source)
    : dataset_(dataset),
      transforms_(std::move(transforms)),
      options_(options),
      cache_(std::move(source), static_cast<std::int64_t>(dataset.pictures.size()), options.cache_mib << 20),
      pool_(static_cast<std::size_t>(options.prefetch) + 2, options.memory) {}

std::int64_t BatchMaker::batches_per_epoch() const {
  return options_.batches_per_epoch(static_cast<std::int64_t>(dataset_.pictures.size()));
}

void BatchMaker::deal_out(BatchDraft& draft, std::int64_t number) const {
  const auto pictures = static_cast<std::int64_t>(order_.size());
  const std::int64_t first = number * options_.batch_size;
  const std::int64_t shared = std::min(options_.batch_size, pictures - first);  // of all ranks
  draft.batch.size = (shared + options_.world - 1) / options_.world;
  for (std::int64_t i = 0; i < draft.batch.size; ++i) {
    const std::int64_t place = i * options_.world + options_.rank;
    const auto picture_at = [&](std::int64_t at) {
      return order_[static_cast<std::size_t>(at < shared ? first + at : (at - shared) % pictures)];
    };
    draft.pictures.push_back(picture_at(place));
    draft.neighbours.push_back(picture_at(place > 0 ? place - 1 : shared - 1));
    draft.batch.repeated += place >= shared;
  }
}

BatchDraft BatchMaker::begin(std::int64_t epoch, std::int64_t number) {
  if (order_epoch_ != epoch) {
    order_ = epoch_order(static_cast<std::int64_t>(dataset_.pictures.size()), options_.shuffle, options_.seed, epoch);
    order_epoch_ = epoch;
  }
  BatchDraft draft;
  draft.frame = draw_frame_size(transforms_, options_.seed, epoch, number);
  const FrameSize canvas = canvas_of(transforms_, draft.frame);
  draft.epoch = epoch;
  draft.number = number;
  draft.share = draw_batch_share(transforms_, options_.seed, epoch, number);
  deal_out(draft, number);
  const auto size = static_cast<std::size_t>(draft.batch.size);
  draft.bad.resize(size);
  draft.odd.resize(size);
  draft.errors.resize(size);
  draft.batch.height = canvas.height;
  draft.batch.width = canvas.width;
  draft.batch.is_padded = transforms_.fit == Fit::kKeepRatio;
  draft.batch.images = pool_.take(size * 3 * static_cast<std::size_t>(canvas.height * canvas.width));
  draft.batch.targets.resize(size);
  return draft;
}

/// A picture for a position, or a substitute drawn by (seed, epoch, index) if it cannot be read.
std::shared_ptr<const Sample> BatchMaker::read(BatchDraft& draft, std::int64_t position, std::int64_t wanted) {
  constexpr int kTries = 20;
  Random random(options_.seed, RandomPurpose::kSubstitute, static_cast<std::uint64_t>(draft.epoch),
                static_cast<std::uint64_t>(wanted));
  std::int64_t index = wanted;
  std::string reason;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    try {
      std::shared_ptr<const Sample> sample = cache_.get(index);
      const std::vector<std::string>& warnings = sample->picture.warnings;
      if (!warnings.empty()) draft.odd[static_cast<std::size_t>(position)].push_back({index, warnings});
      return sample;
    } catch (const Error& error) {
      if (error.code() != ExitCode::kData && error.code() != ExitCode::kIo) throw;
      reason = error.what();
    }
    draft.bad[static_cast<std::size_t>(position)].push_back({index, reason});
    index = static_cast<std::int64_t>(random.below(dataset_.pictures.size()));
  }
  throw DataError("no readable picture among " + std::to_string(kTries) + " tried; the last: " + reason);
}

void BatchMaker::draw(BatchDraft& draft, std::int64_t position, std::int64_t picture, Random& random, float* chw,
                      Batch::Image& target) {
  const FrameSize frame = draft.frame;
  MosaicSamples samples{read(draft, position, picture)};
  if (!chance_of_mosaic(transforms_, draft.epoch, random)) {
    const auto& draw_one = chance_of_affine(transforms_, random) ? draw_affine : transform;
    draw_one(*samples[0], transforms_, draft.epoch, frame, random, chw, target);
    return;
  }
  for (std::size_t tile = 1; tile < samples.size(); ++tile) {
    samples[tile] = read(draft, position, static_cast<std::int64_t>(random.below(dataset_.pictures.size())));
  }
  const auto& draw_kind = transforms_.mosaic_kind == BlendKind::kDeim ? draw_turned_mosaic : draw_mosaic;
  draw_kind(samples, transforms_, draft.epoch, frame, random, chw, target);
}

Random BatchMaker::random_of(const BatchDraft& draft, std::int64_t picture) const {
  return {options_.seed, RandomPurpose::kAugmentation, static_cast<std::uint64_t>(draft.epoch),
          static_cast<std::uint64_t>(picture)};
}

void BatchMaker::blend(BatchDraft& draft, std::int64_t position, std::int64_t other, std::optional<double> share,
                       Random& random) {
  const auto i = static_cast<std::size_t>(position);
  const std::size_t size = 3 * static_cast<std::size_t>(draft.batch.height * draft.batch.width);
  thread_local std::vector<float> pixels;
  pixels.resize(size);
  Batch::Image target;
  draw(draft, position, other, random, pixels.data(), target);
  mix(draft.batch.images.data() + i * size, pixels.data(), size, share ? *share : draw_mixup_share(random),
      draft.batch.targets[i], target);
}

void BatchMaker::fill(BatchDraft& draft, std::int64_t position) {
  const auto i = static_cast<std::size_t>(position);
  Batch& batch = draft.batch;
  try {
    Random random = random_of(draft, draft.pictures[i]);
    const std::size_t size = 3 * static_cast<std::size_t>(batch.height * batch.width);
    draw(draft, position, draft.pictures[i], random, batch.images.data() + i * size, batch.targets[i]);
    const bool alone = draft.neighbours[i] == draft.pictures[i];  // in its batch
    if (draft.share < 1 && !alone) {
      // The neighbour as its own position draws it, so that no position waits for another one.
      Random of_neighbour = random_of(draft, draft.neighbours[i]);
      blend(draft, position, draft.neighbours[i], draft.share, of_neighbour);
    } else if (draft.share >= 1 && chance_of_mixup(transforms_, draft.epoch, random)) {
      const auto second = static_cast<std::int64_t>(random.below(dataset_.pictures.size()));
      blend(draft, position, second, std::nullopt, random);
    }
    if (changes_hsv(transforms_)) {
      const ChwView image =
          ChwView::whole(batch.images.data() + i * size, static_cast<int>(batch.width), static_cast<int>(batch.height));
      apply_hsv(draw_hsv(transforms_, random), image);
    }
  } catch (const Error& error) {
    const auto& file = dataset_.pictures[static_cast<std::size_t>(draft.pictures[i])].file;
    draft.errors[i] = std::make_exception_ptr(Error(error.code(), file.string() + ": " + error.what()));
  } catch (...) {
    draft.errors[i] = std::current_exception();
  }
}

void BatchMaker::finish(BatchDraft& draft) const {
  const bool failed =
      std::ranges::any_of(draft.errors, [](const std::exception_ptr& error) { return error != nullptr; });
  if (failed) return;
  if (draft.batch.is_padded) cut_to_largest(draft.batch, transforms_.stride);
  if (draft.share < 1) return;
  try {
    const std::int64_t index = draft.number * options_.world + options_.rank;
    Random random(options_.seed, RandomPurpose::kCopyBlend, static_cast<std::uint64_t>(draft.epoch),
                  static_cast<std::uint64_t>(index));
    if (!chance_of_copy_blend(transforms_, draft.epoch, random)) return;
    blend_patches(draw_blend_plan(draft.batch, random), draft.batch);
  } catch (...) {
    draft.errors.front() = std::current_exception();
  }
}

}  // namespace rtdetr
