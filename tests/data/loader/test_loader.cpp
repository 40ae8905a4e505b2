#include "data/loader/loader.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "data/loader/batch_maker.h"
#include "data/transforms/mixup.h"
#include "tests/data/synthetic_pictures.h"
#include "tests/support/captured_stderr.h"

namespace rtdetr {
namespace {

/// A data set whose pictures come from make_sample, not from files.
Dataset make_dataset(std::int64_t count) {
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

Sample make_sample(std::int64_t index) {
  Sample sample;
  sample.picture = test::noise_picture(20 + static_cast<int>(index % 7), 30 - static_cast<int>(index % 5),
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
Sample make_sample_late(std::int64_t index) {
  static std::atomic<unsigned> calls{0};
  const unsigned mixed = calls.fetch_add(1) * 2654435761u;
  std::this_thread::sleep_for(std::chrono::microseconds((mixed >> 20) % 1500));
  return make_sample(index);
}

SampleSource failing_at(std::set<std::int64_t> broken) {
  return [broken = std::move(broken)](std::int64_t index) {
    if (broken.count(index)) throw DataError("picture" + std::to_string(index) + ".jpg: broken");
    return make_sample(index);
  };
}

TransformOptions small_training() {
  TransformOptions options;
  options.height = 24;
  options.width = 32;
  options.multi_scale = {24, 32, 40};
  return options;
}

TransformOptions small_evaluation() {
  TransformOptions options = small_training();
  options.augment = false;
  return options;
}

LoaderOptions loading(int threads) {
  LoaderOptions options;
  options.batch_size = 4;
  options.threads = threads;
  options.seed = 9;
  options.cache_mib = 0;
  options.max_bad = 1.0;
  return options;
}

std::uint64_t mix(std::uint64_t hash, const void* data, std::size_t bytes) {
  const auto* begin = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < bytes; ++i) hash = (hash ^ begin[i]) * 1099511628211u;
  return hash;
}

std::uint64_t hash_of(const Batch& batch) {
  std::uint64_t hash = mix(1469598103934665603u, batch.images.data(), batch.images.size() * sizeof(float));
  for (const Batch::Image& image : batch.targets) {
    hash = mix(hash, image.labels.data(), image.labels.size() * sizeof(std::int64_t));
    hash = mix(hash, image.boxes_cxcywh.data(), image.boxes_cxcywh.size() * sizeof(float));
    hash = mix(hash, &image.picture_index, sizeof image.picture_index);
  }
  return hash;
}

std::vector<std::uint64_t> rest_of_epoch(Loader& loader) {
  std::vector<std::uint64_t> hashes;
  while (const auto batch = loader.next()) hashes.push_back(hash_of(*batch));
  return hashes;
}

std::vector<std::int64_t> pictures_of_epoch(Loader& loader) {
  std::vector<std::int64_t> pictures;
  while (const auto batch = loader.next()) {
    for (const auto& image : batch->targets) pictures.push_back(image.picture_index);
  }
  return pictures;
}

}  // namespace

TEST_CASE("batches are the same for any number of threads, any prefetch and any delay") {
  const Dataset dataset = make_dataset(23);
  std::vector<std::vector<std::uint64_t>> epochs;
  {
    Loader loader(dataset, small_training(), loading(0), make_sample);
    for (int epoch = 0; epoch < 3; ++epoch) {
      loader.start(epoch);
      epochs.push_back(rest_of_epoch(loader));
    }
  }
  REQUIRE(epochs[0].size() == 5);
  CHECK(epochs[0] != epochs[1]);
  for (const int threads : {1, 2, 4, 8}) {
    LoaderOptions options = loading(threads);
    options.prefetch = 1 + threads % 3;
    Loader loader(dataset, small_training(), options, make_sample_late);
    for (int epoch = 0; epoch < 3; ++epoch) {
      loader.start(epoch);
      INFO(threads << " threads, epoch " << epoch);
      CHECK(rest_of_epoch(loader) == epochs[static_cast<std::size_t>(epoch)]);
    }
  }
}

TEST_CASE("mosaics are the same for any number of threads and show boxes of other pictures") {
  const Dataset dataset = make_dataset(23);
  TransformOptions transforms = small_training();
  transforms.mosaic = 0.5;
  std::vector<std::uint64_t> whole;
  for (const int threads : {0, 3}) {
    Loader loader(dataset, transforms, loading(threads), make_sample_late);
    loader.start(0);
    int foreign = 0;  // make_sample labels a picture's boxes with its index
    std::vector<std::uint64_t> hashes;
    while (const auto batch = loader.next()) {
      hashes.push_back(hash_of(*batch));
      for (const Batch::Image& image : batch->targets) {
        foreign += std::any_of(image.labels.begin(), image.labels.end(),
                               [&](std::int64_t label) { return label != image.picture_index; });
      }
    }
    CHECK(foreign > 2);
    if (threads == 0) whole = hashes;
    CHECK(hashes == whole);
  }
}

TEST_CASE("blended pictures are the same for any number of threads and keep the boxes of both") {
  const Dataset dataset = make_dataset(23);
  TransformOptions transforms = small_training();
  std::size_t boxes = 0, blended_boxes = 0;
  std::vector<std::uint64_t> whole;
  for (const int threads : {0, 3}) {
    for (const double mixup : {0.0, 1.0}) {
      transforms.mixup = mixup;
      Loader loader(dataset, transforms, loading(threads), make_sample_late);
      loader.start(0);
      std::vector<std::uint64_t> hashes;
      while (const auto batch = loader.next()) {
        hashes.push_back(hash_of(*batch));
        for (const Batch::Image& image : batch->targets) {
          CHECK(image.boxes_cxcywh.size() == 4 * image.labels.size());
          (mixup > 0 ? blended_boxes : boxes) += image.labels.size();
        }
      }
      if (mixup == 0) continue;
      if (threads == 0) whole = hashes;
      CHECK(hashes == whole);
    }
  }
  CHECK(blended_boxes > boxes * 3 / 2);
}

TEST_CASE("the share of a blend is Beta(32, 32) and mixes value by value") {
  Random random(7, RandomPurpose::kAugmentation, 0, 0);
  double sum = 0, squares = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const double share = draw_mixup_share(random);
    sum += share;
    squares += (share - 0.5) * (share - 0.5);
  }
  CHECK(sum / kDraws == Approx(0.5).margin(0.002));
  CHECK(squares / kDraws == Approx(1.0 / (4 * 65)).epsilon(0.05));  // the variance of Beta(n, n) is 1 / (4 (2 n + 1))

  std::vector<float> one{0, 1, 0.5f}, other{1, 0, 0.5f};
  Batch::Image target, other_target;
  target.labels = {3};
  other_target.labels = {4};
  mix(one.data(), other.data(), 3, 0.25, target, other_target);
  CHECK(one == std::vector<float>{0.75f, 0.25f, 0.5f});
  CHECK(target.labels == std::vector<std::int64_t>{3, 4});

  TransformOptions options;
  options.mixup = 1;
  options.mosaic_until_epoch = 2;
  CHECK(chance_of_mixup(options, 1, random));
  CHECK_FALSE(chance_of_mixup(options, 2, random));
  options.mosaic_until_epoch = -1;
  options.augment = false;
  CHECK_FALSE(chance_of_mixup(options, 1, random));
  options.augment = true;
  options.mixup = 0;
  Random untouched = random;
  CHECK_FALSE(chance_of_mixup(options, 1, random));
  CHECK(random.next_u32() == untouched.next_u32());  // no draw when off
}

TEST_CASE("an epoch starts at any batch and goes on as if it had run from its start") {
  const Dataset dataset = make_dataset(23);
  Loader loader(dataset, small_training(), loading(2), make_sample_late);
  loader.start(1);
  const auto whole = rest_of_epoch(loader);
  for (std::size_t first = 0; first <= whole.size(); ++first) {
    loader.start(1, static_cast<std::int64_t>(first));
    CHECK(rest_of_epoch(loader) == std::vector<std::uint64_t>(whole.begin() + static_cast<long>(first), whole.end()));
  }
  // From the very end into the next epoch, as a resumed run may do.
  loader.start(0, 5);
  CHECK(rest_of_epoch(loader).empty());
  loader.start(1);
  CHECK(rest_of_epoch(loader) == whole);
}

TEST_CASE("a loader is stopped and started again at any moment") {
  const Dataset dataset = make_dataset(23);
  std::vector<std::uint64_t> whole;
  {
    Loader loader(dataset, small_training(), loading(0), make_sample);
    loader.start(0);
    whole = rest_of_epoch(loader);
  }
  for (int taken = 0; taken < 5; ++taken) {
    Loader loader(dataset, small_training(), loading(3), make_sample_late);
    for (int round = 0; round < 3; ++round) {
      loader.start(round % 2);
      for (int i = 0; i < taken; ++i) loader.next();
    }
    loader.start(0);
    loader.start(0);
    const auto batch = loader.next();
    REQUIRE(batch);
    CHECK(hash_of(*batch) == whole[0]);
    // The destructor meets workers in the middle of their pictures.
  }
}

TEST_CASE("evaluation runs through every picture in order, the last batch smaller") {
  const Dataset dataset = make_dataset(10);
  LoaderOptions options = loading(2);
  options.shuffle = options.drop_last = false;
  Loader loader(dataset, small_evaluation(), options, make_sample_late);
  CHECK(loader.batches_per_epoch() == 3);
  for (int round = 0; round < 2; ++round) {
    loader.start(0);
    CHECK(pictures_of_epoch(loader) == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  }
  loader.start(0, 2);
  const auto last = loader.next();
  REQUIRE(last);
  CHECK(last->size == 2);
  CHECK(last->images.size() == 2 * 3 * 24 * 32);
  CHECK(last->targets.size() == 2);
  CHECK_FALSE(loader.next());
  CHECK_FALSE(loader.next());
}

/// What each picture of an epoch became, by rank, batch and position.
struct SeenPicture {
  std::int64_t rank, batch, picture;
  std::uint64_t hash;  ///< of its pixels and boxes
  auto operator<=>(const SeenPicture&) const = default;
};

std::vector<SeenPicture> seen_by(Loader& loader, std::int64_t rank, std::int64_t first_batch, bool with_repeated) {
  std::vector<SeenPicture> seen;
  for (std::int64_t number = first_batch; const auto batch = loader.next(); ++number) {
    const std::size_t floats = batch->images.size() / static_cast<std::size_t>(batch->size);
    for (std::int64_t i = 0; i < batch->size - (with_repeated ? 0 : batch->repeated); ++i) {
      const Batch::Image& image = batch->targets[static_cast<std::size_t>(i)];
      std::uint64_t hash = mix(1, batch->images.data() + static_cast<std::size_t>(i) * floats, floats * sizeof(float));
      hash = mix(hash, image.boxes_cxcywh.data(), image.boxes_cxcywh.size() * sizeof(float));
      seen.push_back({rank, number, image.picture_index, hash});
    }
  }
  return seen;
}

/// An epoch of every rank of a world, without the pictures that only fill up, as one process would number them.
std::vector<SeenPicture> epoch_of_world(const Dataset& dataset, const TransformOptions& transforms,
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

TEST_CASE("the ranks' batches are disjoint and together those of one process, to the pixel") {
  const Dataset dataset = make_dataset(23);
  LoaderOptions options = loading(2);
  options.batch_size = 12;
  const auto alone = epoch_of_world(dataset, small_training(), options, 1);
  CHECK(alone.size() == 12);
  for (const std::int64_t world : {2, 3, 4}) CHECK(epoch_of_world(dataset, small_training(), options, world) == alone);
  options.shuffle = options.drop_last = false;
  const auto all = epoch_of_world(dataset, small_evaluation(), options, 1);
  CHECK(all.size() == 23);
  for (const std::int64_t world : {2, 3, 5}) CHECK(epoch_of_world(dataset, small_evaluation(), options, world) == all);
}

TEST_CASE("the ranks' batches are those of one process with DEIM's mosaic and mixup, too") {
  const Dataset dataset = make_dataset(23);
  TransformOptions transforms = small_training();
  transforms.mosaic = transforms.mixup = 0.5;
  transforms.mosaic_kind = transforms.mixup_kind = BlendKind::kDeim;
  for (const std::int64_t batch_size : {12, 3}) {
    LoaderOptions options = loading(2);
    options.batch_size = batch_size;
    const auto alone = epoch_of_world(dataset, transforms, options, 1);
    options.threads = 0;
    CHECK(epoch_of_world(dataset, transforms, options, 1) == alone);
    CHECK(epoch_of_world(dataset, transforms, options, 3) == alone);
  }
}

namespace {

/// A picture as grey as its number says, with a box of that class.
Sample grey_sample(std::int64_t index) {
  Sample sample;
  const auto grey = static_cast<std::uint8_t>(index);
  sample.picture = test::rectangle_picture(16, 16, {grey, grey, grey}, 0, 0, 0, 0, {});
  sample.picture_index = index;
  sample.original_width = sample.original_height = 16;
  sample.boxes.push_back({{2, 2, 9, 9}, static_cast<std::int32_t>(index)});
  return sample;
}

}  // namespace

TEST_CASE("DEIM's mixup blends all pictures of a batch with the one before them, or none") {
  const Dataset dataset = make_dataset(60);
  const auto level = [](std::int64_t index) { return static_cast<float>(index) / 255.0f; };
  const SampleSource source = grey_sample;
  TransformOptions transforms;
  transforms.height = transforms.width = 16;
  transforms.photometric = transforms.zoom_out = transforms.iou_crop = 0;
  transforms.mixup = 0.5;
  transforms.mixup_kind = BlendKind::kDeim;
  Loader loader(dataset, transforms, loading(2), source);  // batches of 4
  loader.start(0);
  int blended = 0, number = 0;
  std::set<double> shares;
  for (; const auto batch = loader.next(); ++number) {
    const double share = draw_batch_share(transforms, loading(2).seed, 0, number);
    blended += share < 1;
    if (share < 1) shares.insert(share);
    const std::size_t floats = batch->images.size() / static_cast<std::size_t>(batch->size);
    for (std::size_t i = 0; i < batch->targets.size(); ++i) {
      const Batch::Image& before = batch->targets[i > 0 ? i - 1 : batch->targets.size() - 1];
      const std::int64_t own = batch->targets[i].picture_index, other = before.picture_index;
      const auto expected =
          static_cast<float>(share) * level(own) + static_cast<float>(1 - share) * level(share < 1 ? other : own);
      CHECK(batch->images.data()[i * floats] == Approx(expected).margin(1e-6));
      CHECK(batch->targets[i].labels ==
            (share < 1 ? std::vector<std::int64_t>{own, other} : std::vector<std::int64_t>{own}));
    }
  }
  CHECK(number == 15);
  CHECK(blended > 2);
  CHECK(blended < 13);
  CHECK(shares.size() == static_cast<std::size_t>(blended));
  CHECK(*shares.begin() >= 0.45);
  CHECK(*shares.rbegin() <= 0.55);
}

TEST_CASE("HSV changes a blended picture as one and its boxes not at all, whatever the threads") {
  const Dataset dataset = make_dataset(60);
  TransformOptions transforms;
  transforms.height = transforms.width = 16;
  transforms.photometric = transforms.zoom_out = transforms.iou_crop = 0;
  transforms.mixup = 0.5;
  struct Seen {
    std::set<float> levels;
    std::vector<float> boxes;
    bool operator==(const Seen&) const = default;
  };
  const auto epoch_with = [&](double gain, int threads) {
    transforms.hsv_v = gain;
    Loader loader(dataset, transforms, loading(threads),
                  [](std::int64_t index) { return grey_sample(100 + index); });  // levels 100 to 159
    loader.start(0);
    std::vector<Seen> images;
    while (const auto batch = loader.next()) {
      for (std::int64_t i = 0; i < batch->size; ++i) {
        const float* begin = batch->images.data() + i * 3 * 16 * 16;
        images.push_back({{begin, begin + 3 * 16 * 16}, batch->targets[static_cast<std::size_t>(i)].boxes_cxcywh});
      }
    }
    return images;
  };
  const auto plain = epoch_with(0, 0), changed = epoch_with(0.5, 0);
  CHECK((epoch_with(0.5, 3) == changed));
  REQUIRE(plain.size() == 60);
  REQUIRE(changed.size() == 60);
  int blended = 0, darker = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    CHECK(changed[i].boxes == plain[i].boxes);
    REQUIRE(changed[i].levels.size() == 1);
    const float before = *plain[i].levels.begin(), after = *changed[i].levels.begin();
    CHECK(after >= 0.49f * before);
    CHECK(after <= 1.51f * before);
    blended += plain[i].boxes.size() == 8;
    darker += after < before;
  }
  CHECK(blended > 15);
  CHECK(darker > 15);
  CHECK(darker < 45);
}

TEST_CASE("a picture that is scaled and shifted is the same for any number of threads and ranks") {
  const Dataset dataset = make_dataset(23);
  TransformOptions transforms = small_training();
  transforms.affine = transforms.mosaic = 0.5;
  transforms.hsv_h = transforms.hsv_s = 0.5;
  LoaderOptions options = loading(2);
  options.batch_size = 12;
  const auto alone = epoch_of_world(dataset, transforms, options, 1);
  options.threads = 0;
  CHECK(epoch_of_world(dataset, transforms, options, 3) == alone);
  transforms.affine = 0;
  CHECK_FALSE(epoch_of_world(dataset, transforms, options, 1) == alone);
}

TEST_CASE("objects are blended into the batches that DEIM's mixup leaves, whatever thread ends them") {
  const Dataset dataset = make_dataset(60);
  TransformOptions transforms;
  transforms.height = transforms.width = 32;
  transforms.photometric = transforms.zoom_out = transforms.iou_crop = 0;
  transforms.mixup = transforms.copy_blend = 0.5;
  transforms.mixup_kind = BlendKind::kDeim;
  transforms.mosaic_until_epoch = 1;
  const auto epoch_with = [&](int threads, std::int64_t epoch) {
    Loader loader(dataset, transforms, loading(threads), grey_sample);  // batches of 4, an object of 196 pixels each
    loader.start(epoch);
    std::vector<std::pair<std::size_t, std::vector<float>>> batches;  // boxes, values
    for (std::int64_t number = 0; const auto batch = loader.next(); ++number) {
      std::size_t boxes = 0;
      for (const Batch::Image& image : batch->targets) boxes += image.labels.size();
      const bool mixed = draw_batch_share(transforms, loading(threads).seed, epoch, number) < 1;
      if (mixed) CHECK(boxes == 8);
      batches.emplace_back(mixed ? 0 : boxes, std::vector<float>(batch->images.begin(), batch->images.end()));
    }
    return batches;
  };
  const auto alone = epoch_with(0, 0);
  for (const int threads : {1, 3}) CHECK((epoch_with(threads, 0) == alone));
  std::map<std::size_t, int> counts;
  for (const auto& [boxes, values] : alone) ++counts[boxes];
  CHECK(counts.size() == 3);
  CHECK(counts[4] > 0);       // left alone
  CHECK(counts[4 + 12] > 0);  // three objects for each picture
  for (const auto& [boxes, values] : epoch_with(1, 1)) CHECK(boxes == 4);
}

TEST_CASE("a picture that is alone in its batch is not blended with itself") {
  const Dataset dataset = make_dataset(5);
  TransformOptions transforms = small_training();
  transforms.mixup_kind = BlendKind::kDeim;
  LoaderOptions options = loading(0);
  options.batch_size = 2;  // the fifth is alone
  options.drop_last = false;
  const auto last_of = [&](double mixup) {
    transforms.mixup = mixup;
    Loader loader(dataset, transforms, options, grey_sample);
    loader.start(0);
    std::optional<Batch> last;
    while (auto batch = loader.next()) last = std::move(batch);
    REQUIRE(last);
    REQUIRE(last->size == 1);
    return std::pair(last->targets[0].labels,
                     std::vector<float>(last->images.data(), last->images.data() + last->images.size()));
  };
  CHECK(last_of(1) == last_of(0));
}

TEST_CASE("for 1 to 17 pictures on 1 to 4 ranks every rank has as many batches of as many pictures") {
  for (std::int64_t count = 1; count <= 17; ++count) {
    const Dataset dataset = make_dataset(count);
    for (std::int64_t world = 1; world <= 4; ++world) {
      INFO(count << " pictures, " << world << " ranks");
      LoaderOptions options = loading(0);
      options.drop_last = false;
      options.world = world;
      std::multiset<std::int64_t> own, fillers;
      std::set<std::vector<std::int64_t>> sizes;
      for (options.rank = 0; options.rank < world; ++options.rank) {
        Loader loader(dataset, small_evaluation(), options, make_sample);
        CHECK(loader.batches_per_epoch() == (count + 3) / 4);
        loader.start(0);
        std::vector<std::int64_t> own_sizes;
        while (const auto batch = loader.next()) {
          own_sizes.push_back(batch->size);
          for (std::int64_t i = 0; i < batch->size; ++i) {
            const bool repeated = i >= batch->size - batch->repeated;
            (repeated ? fillers : own).insert(batch->targets[static_cast<std::size_t>(i)].picture_index);
          }
        }
        sizes.insert(own_sizes);
      }
      CHECK(sizes.size() == 1);
      CHECK(own.size() == static_cast<std::size_t>(count));
      CHECK(std::set<std::int64_t>(own.begin(), own.end()).size() == own.size());
      if (world == 1) CHECK(fillers.empty());
    }
  }
}

TEST_CASE("a batch that does not divide is filled up from the beginning of the epoch's order") {
  const Dataset dataset = make_dataset(9);
  LoaderOptions options = loading(1);
  options.shuffle = options.drop_last = false;
  options.world = 3;
  std::vector<std::vector<std::int64_t>> pictures;
  for (options.rank = 0; options.rank < 3; ++options.rank) {
    Loader loader(dataset, small_evaluation(), options, make_sample);
    loader.start(0);
    pictures.push_back(pictures_of_epoch(loader));
  }
  CHECK(pictures[0] == std::vector<std::int64_t>{0, 3, 4, 7, 8});
  CHECK(pictures[1] == std::vector<std::int64_t>{1, 0, 5, 0, 0});
  CHECK(pictures[2] == std::vector<std::int64_t>{2, 1, 6, 1, 1});
}

TEST_CASE("every rank goes on inside an epoch as if it had run from its start") {
  const Dataset dataset = make_dataset(23);
  LoaderOptions options = loading(2);
  options.world = 2;
  for (options.rank = 0; options.rank < 2; ++options.rank) {
    Loader loader(dataset, small_training(), options, make_sample_late);
    loader.start(1);
    const auto whole = seen_by(loader, options.rank, 0, /*with_repeated=*/true);
    REQUIRE(whole.size() == 10);
    for (std::int64_t first = 0; first <= 5; ++first) {
      Loader resumed(dataset, small_training(), options, make_sample);
      resumed.start(1, first);
      CHECK(seen_by(resumed, options.rank, first, /*with_repeated=*/true) ==
            std::vector<SeenPicture>(whole.begin() + 2 * first, whole.end()));
    }
  }
}

TEST_CASE("an epoch is a permutation, another one each epoch, the same for the same seed") {
  const auto first = epoch_order(1000, true, 5, 0);
  CHECK(std::set<std::int64_t>(first.begin(), first.end()).size() == 1000);
  CHECK(first != epoch_order(1000, true, 5, 1));
  CHECK(first != epoch_order(1000, true, 6, 0));
  CHECK(first == epoch_order(1000, true, 5, 0));
  CHECK(epoch_order(3, false, 5, 0) == std::vector<std::int64_t>{0, 1, 2});
}

TEST_CASE("a broken picture is counted once and its substitute does not depend on threads") {
  const Dataset dataset = make_dataset(20);
  std::vector<std::vector<std::uint64_t>> epochs;
  for (const int threads : {0, 1, 4}) {
    LoaderOptions options = loading(threads);
    options.max_bad = 2.0 / 20;  // twice two would stop it
    Loader loader(dataset, small_training(), options, failing_at({3, 11}));
    std::vector<std::uint64_t> hashes;
    for (int epoch = 0; epoch < 2; ++epoch) {
      loader.start(epoch);
      for (const std::uint64_t hash : rest_of_epoch(loader)) hashes.push_back(hash);
    }
    epochs.push_back(hashes);
  }
  CHECK(epochs[1] == epochs[0]);
  CHECK(epochs[2] == epochs[0]);
}

TEST_CASE("a substitute does not depend on where in a batch its picture stands") {
  const Dataset dataset = make_dataset(20);
  std::vector<std::int64_t> pictures;
  for (const std::int64_t batch : {4, 5, 10}) {
    LoaderOptions options = loading(0);
    options.batch_size = batch;
    Loader loader(dataset, small_training(), options, failing_at({3, 11}));
    loader.start(0);
    const auto shown = pictures_of_epoch(loader);
    if (pictures.empty()) pictures = shown;
    CHECK(shown == pictures);
  }
}

TEST_CASE("what a decoder warns of is said once for each picture, at the end of an epoch") {
  const Dataset dataset = make_dataset(8);
  const std::string log = test::stderr_of([&] {
    Loader loader(dataset, small_training(), loading(2), [](std::int64_t index) {
      Sample sample = make_sample(index);
      if (index == 3 || index == 5) sample.picture.warnings = {"of the loader's own test"};
      return sample;
    });
    for (int epoch = 0; epoch < 3; ++epoch) {
      loader.start(epoch);
      rest_of_epoch(loader);
    }
  });
  CHECK_THAT(log, Catch::Contains("2 pictures are read whole, though the decoder warns: of the loader's own test"));
  CHECK(std::count(log.begin(), log.end(), '\n') == 1);
}

TEST_CASE("the batches that are made while an epoch ends are those that the next one begins with") {
  const Dataset dataset = make_dataset(20);
  std::atomic<int> calls{0};
  {
    Loader loader(dataset, small_training(), loading(2), [&](std::int64_t index) {
      ++calls;
      return make_sample(index);
    });
    const auto wait_for = [&](int count) {
      while (calls < count) std::this_thread::yield();
    };
    for (int epoch = 0; epoch < 2; ++epoch) {
      loader.start(epoch);
      rest_of_epoch(loader);
      wait_for(20 * (epoch + 1) + 2 * 4);  // two batches wait
    }
  }
  CHECK(calls == 48);
}

TEST_CASE("a loader tells how long the last batch was waited for") {
  const Dataset dataset = make_dataset(4);
  Loader loader(dataset, small_training(), loading(0), [](std::int64_t index) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return make_sample(index);
  });
  loader.start(0);
  loader.next();
  CHECK(loader.last_wait() >= 0.008);
}

TEST_CASE("a substitute is a picture that can be read") {
  const Dataset dataset = make_dataset(8);
  Loader loader(dataset, small_training(), loading(1), failing_at({0, 1, 2}));
  loader.start(0);
  const auto pictures = pictures_of_epoch(loader);
  CHECK(pictures.size() == 8);
  CHECK(*std::min_element(pictures.begin(), pictures.end()) >= 3);
}

TEST_CASE("more broken pictures than max_bad allows stop the run and name the last") {
  const Dataset dataset = make_dataset(20);
  for (const int threads : {0, 2}) {
    LoaderOptions options = loading(threads);
    options.max_bad = 0.05;
    Loader loader(dataset, small_training(), options, failing_at({3, 4, 5, 11, 12, 13, 14}));
    loader.start(0);
    CHECK_THROWS_WITH(rest_of_epoch(loader),
                      Catch::StartsWith("2 of 20 pictures of synthetic cannot be read, more than max_bad=0.05 allows; "
                                        "the last: picture"));
    CHECK_THROWS_AS(loader.next(), DataError);  // there is no going on
  }
}

TEST_CASE("evaluation stops at a broken picture") {
  const Dataset dataset = make_dataset(20);
  LoaderOptions options = loading(2);
  options.shuffle = false;
  Loader loader(dataset, small_evaluation(), options, failing_at({5}));
  loader.start(0);
  CHECK(loader.next());
  CHECK_THROWS_WITH(loader.next(), "picture5.jpg: broken");
}

TEST_CASE("any other failure in a worker reaches the caller with the picture's name, and the loader goes on") {
  const Dataset dataset = make_dataset(12);
  for (const int threads : {0, 2}) {
    LoaderOptions options = loading(threads);
    options.shuffle = false;
    Loader loader(dataset, small_training(), options, [](std::int64_t index) -> Sample {
      if (index == 6) throw InternalError("a fault");
      return make_sample(index);
    });
    loader.start(0);
    CHECK(loader.next());
    CHECK_THROWS_WITH(loader.next(), "picture6.jpg: a fault");
    CHECK(loader.next());
    CHECK_FALSE(loader.next());
  }
}

TEST_CASE("cached pictures are decoded once, the rest every time, and the batches are the same") {
  const Dataset dataset = make_dataset(12);
  std::atomic<int> calls{0};
  const SampleSource counting = [&](std::int64_t index) {
    ++calls;
    return make_sample(index);
  };
  const auto three_epochs = [&](int threads, std::int64_t cache_mib) {
    LoaderOptions options = loading(threads);
    options.cache_mib = cache_mib;
    calls = 0;
    Loader loader(dataset, small_training(), options, counting);
    std::vector<std::uint64_t> hashes;
    for (int epoch = 0; epoch < 3; ++epoch) {
      loader.start(epoch);
      for (const std::uint64_t hash : rest_of_epoch(loader)) hashes.push_back(hash);
    }
    return hashes;
  };
  const auto uncached = three_epochs(0, 0);
  CHECK(calls == 36);
  CHECK(three_epochs(0, 1) == uncached);
  CHECK(calls == 12);
  CHECK(three_epochs(4, 1) == uncached);
}

TEST_CASE("with other transforms the batches are those of a new loader, and no picture is decoded again") {
  const Dataset dataset = make_dataset(17);
  TransformOptions plain = small_training();
  plain.zoom_out = plain.iou_crop = plain.photometric = 0;
  plain.multi_scale.clear();
  for (const int threads : {0, 1, 4}) {
    INFO(threads << " threads");
    LoaderOptions options = loading(threads);
    options.cache_mib = 64;
    options.drop_last = false;
    std::atomic<int> decoded{0};
    Loader loader(dataset, small_training(), options, [&](std::int64_t index) {
      ++decoded;
      return make_sample(index);
    });
    loader.start(0);
    rest_of_epoch(loader);  // with threads, the next epoch is on its way
    loader.set_transforms(plain);
    CHECK_THROWS_AS(loader.next(), InternalError);
    loader.start(1);
    const auto hashes = rest_of_epoch(loader);
    CHECK(decoded == 17);

    Loader fresh(dataset, plain, options, make_sample);
    fresh.start(1);
    CHECK(hashes == rest_of_epoch(fresh));
    CHECK_THROWS_AS(loader.set_transforms(small_evaluation()), InternalError);
  }
}

TEST_CASE("the cache stops at its limit") {
  int calls = 0;
  SampleCache cache(
      [&](std::int64_t index) {
        ++calls;
        Sample sample;
        sample.picture = Picture(10, 10);
        sample.picture_index = index;
        return sample;
      },
      5, 700);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 5; ++i) CHECK(cache.get(i)->picture_index == i);
  }
  CHECK(calls == 5 + 3);  // two of 300 bytes fit into 700
}

TEST_CASE("a batch's memory is used again, and outlives the pool") {
  FloatBlock survivor;
  {
    FloatPool pool(2);
    float* first = nullptr;
    {
      FloatBlock block = pool.take(1000);
      first = block.data();
    }
    FloatBlock smaller = pool.take(600);
    CHECK(smaller.data() == first);
    CHECK(smaller.size() == 600);
    survivor = pool.take(50);
    CHECK(survivor.data() != first);
  }
  std::fill_n(survivor.data(), survivor.size(), 1.0f);
  CHECK(survivor[49] == 1.0f);
}

TEST_CASE("a batch's memory comes from where its user says, once for each block in use") {
  int made = 0;
  FloatPool pool(2, [&](std::size_t size) {
    ++made;
    return std::shared_ptr<float>(new float[size], std::default_delete<float[]>());
  });
  for (int i = 0; i < 5; ++i) CHECK(pool.take(100).size() == 100);
  CHECK(made == 1);
  std::shared_ptr<const float> held;
  {
    const FloatBlock block = pool.take(100);
    held = block.hold();
  }
  const FloatBlock other = pool.take(100);
  CHECK(other.data() != held.get());  // a copy from the first may still be under way
  CHECK(made == 2);
  held.reset();
  CHECK(pool.take(100).size() == 100);
  CHECK(made == 2);
}

TEST_CASE("whether a batch is ready is told without waiting") {
  const Dataset dataset = make_dataset(8);
  LoaderOptions options = loading(2);
  Loader loader(dataset, small_training(), options, make_sample);
  CHECK_FALSE(loader.is_ready());
  loader.start(0);
  for (int batch = 0; batch < loader.batches_per_epoch(); ++batch) {
    while (!loader.is_ready()) std::this_thread::yield();
    CHECK(loader.next().has_value());
  }
  CHECK_FALSE(loader.is_ready());  // those of the next epoch are not this one's
  options.threads = 0;
  Loader alone(dataset, small_training(), options, make_sample);
  alone.start(0);
  CHECK_FALSE(alone.is_ready());
}

TEST_CASE("options that make no batch are refused") {
  const Dataset dataset = make_dataset(3), empty = make_dataset(0);
  LoaderOptions options = loading(1);
  CHECK_THROWS_WITH(Loader(dataset, small_training(), options, make_sample),
                    "batch: want at most 3, the number of pictures in synthetic, have 4");
  options.drop_last = false;
  CHECK_THROWS_AS(Loader(empty, small_training(), options, make_sample), DataError);
  options.batch_size = 0;
  CHECK_THROWS_AS(Loader(dataset, small_training(), options, make_sample), ConfigError);
  options = loading(1);
  options.prefetch = 0;
  CHECK_THROWS_WITH(Loader(make_dataset(8), small_training(), options, make_sample),
                    "prefetch: want at least 1, have 0");
  options = loading(1);
  options.rank = options.world = 2;
  CHECK_THROWS_AS(Loader(make_dataset(8), small_training(), options, make_sample), InternalError);
  TransformOptions transforms = small_training();
  transforms.flip = -1;
  CHECK_THROWS_AS(Loader(dataset, transforms, loading(1), make_sample), ConfigError);
}

}  // namespace rtdetr
