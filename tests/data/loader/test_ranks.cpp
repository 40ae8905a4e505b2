#include <catch2/catch.hpp>
#include <cstdint>
#include <set>
#include <vector>

#include "data/loader/loader.h"
#include "tests/data/loader/synthetic_loading.h"

namespace rtdetr::test {

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

}  // namespace rtdetr::test
