#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "data/loader/loader.h"
#include "tests/data/synthetic_pictures.h"

namespace rtdetr::test {

/// A data set whose pictures come from make_sample, not from files.
inline Dataset make_dataset(std::int64_t count) {
  Dataset dataset;
  dataset.name = "synthetic";
  for (std::int64_t i = 0; i < count; ++i) {
    Dataset::PictureEntry entry;
    entry.file = "picture" + std::to_string(i) + ".jpg";
    entry.id = i;
    dataset.pictures.push_back(entry);
  }
  return dataset;
}

inline Sample make_sample(std::int64_t index) {
  Sample sample;
  sample.picture = noise_picture(20 + static_cast<int>(index % 7), 30 - static_cast<int>(index % 5),
                                 static_cast<std::uint64_t>(index));
  sample.picture_index = index;
  sample.original_width = sample.picture.width;
  sample.original_height = sample.picture.height;
  for (int b = 0; b < static_cast<int>(index % 3); ++b) {
    sample.boxes.push_back({{2.0f + static_cast<float>(b), 3, 15, 18}, static_cast<std::int32_t>(index)});
  }
  return sample;
}

/// Sleeps for some time that is different from call to call, so that samples are ready in any order.
inline Sample make_sample_late(std::int64_t index) {
  static std::atomic<unsigned> calls{0};
  const unsigned mixed = calls.fetch_add(1) * 2654435761u;
  std::this_thread::sleep_for(std::chrono::microseconds((mixed >> 20) % 1500));
  return make_sample(index);
}

inline TransformOptions small_training() {
  TransformOptions options;
  options.height = 24;
  options.width = 32;
  options.multi_scale = {24, 32, 40};
  return options;
}

inline TransformOptions small_evaluation() {
  TransformOptions options = small_training();
  options.augment = false;
  return options;
}

inline LoaderOptions loading(int threads) {
  LoaderOptions options;
  options.batch_size = 4;
  options.threads = threads;
  options.seed = 9;
  options.cache_mib = 0;
  options.max_bad = 1.0;
  return options;
}

inline std::uint64_t hash_bytes(std::uint64_t hash, const void* data, std::size_t bytes) {
  const auto* begin = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < bytes; ++i) hash = (hash ^ begin[i]) * 1099511628211u;
  return hash;
}

inline std::uint64_t hash_of(const Batch& batch) {
  std::uint64_t hash = hash_bytes(1469598103934665603u, batch.images.data(), batch.images.size() * sizeof(float));
  for (const Batch::Image& image : batch.targets) {
    hash = hash_bytes(hash, image.labels.data(), image.labels.size() * sizeof(std::int64_t));
    hash = hash_bytes(hash, image.boxes_cxcywh.data(), image.boxes_cxcywh.size() * sizeof(float));
    hash = hash_bytes(hash, &image.picture_index, sizeof image.picture_index);
  }
  return hash;
}

inline std::vector<std::uint64_t> rest_of_epoch(Loader& loader) {
  std::vector<std::uint64_t> hashes;
  while (const auto batch = loader.next()) hashes.push_back(hash_of(*batch));
  return hashes;
}

inline std::vector<std::int64_t> pictures_of_epoch(Loader& loader) {
  std::vector<std::int64_t> pictures;
  while (const auto batch = loader.next()) {
    for (const auto& image : batch->targets) pictures.push_back(image.picture_index);
  }
  return pictures;
}

/// What each picture of an epoch became, by rank, batch and position.
struct SeenPicture {
  std::int64_t rank, batch, picture;
  std::uint64_t hash;  ///< of its pixels and boxes
  bool operator==(const SeenPicture&) const = default;
  bool operator<(const SeenPicture& other) const {
    return std::tie(rank, batch, picture, hash) < std::tie(other.rank, other.batch, other.picture, other.hash);
  }
};

inline std::vector<SeenPicture> seen_by(Loader& loader, std::int64_t rank, std::int64_t first_batch,
                                        bool with_repeated) {
  std::vector<SeenPicture> seen;
  for (std::int64_t number = first_batch; const auto batch = loader.next(); ++number) {
    const std::size_t floats = batch->images.size() / static_cast<std::size_t>(batch->size);
    for (std::int64_t i = 0; i < batch->size - (with_repeated ? 0 : batch->repeated); ++i) {
      const Batch::Image& image = batch->targets[static_cast<std::size_t>(i)];
      std::uint64_t hash =
          hash_bytes(1, batch->images.data() + static_cast<std::size_t>(i) * floats, floats * sizeof(float));
      hash = hash_bytes(hash, image.boxes_cxcywh.data(), image.boxes_cxcywh.size() * sizeof(float));
      seen.push_back({rank, number, image.picture_index, hash});
    }
  }
  return seen;
}

/// An epoch of every rank of a world, without the pictures that only fill up, as one process would number them.
inline std::vector<SeenPicture> epoch_of_world(const Dataset& dataset, const TransformOptions& transforms,
                                               LoaderOptions options, std::int64_t world) {
  std::vector<SeenPicture> all;
  options.world = world;
  for (options.rank = 0; options.rank < world; ++options.rank) {
    Loader loader(dataset, transforms, options, make_sample_late);
    loader.start(3);
    const auto seen = seen_by(loader, 0, 0, /*with_repeated=*/false);
    all.insert(all.end(), seen.begin(), seen.end());
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace rtdetr::test
