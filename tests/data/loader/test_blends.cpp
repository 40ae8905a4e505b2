#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "data/loader/batch_maker.h"
#include "data/loader/loader.h"
#include "data/transforms/mixup.h"
#include "tests/data/loader/synthetic_loading.h"
#include "tests/data/synthetic_pictures.h"

namespace rtdetr::test {
namespace {

/// A picture as grey as its number says, with a box of that class.
Sample grey_sample(std::int64_t index) {
  Sample sample;
  const auto grey = static_cast<std::uint8_t>(index);
  sample.picture = rectangle_picture(16, 16, {grey, grey, grey}, 0, 0, 0, 0, {});
  sample.picture_index = index;
  sample.original_width = sample.original_height = 16;
  sample.boxes.push_back({{2, 2, 9, 9}, static_cast<std::int32_t>(index)});
  return sample;
}

}  // namespace

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

}  // namespace rtdetr::test
