#include "data/loader/loader.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <set>
#include <thread>
#include <vector>

#include "core/base/error.h"
#include "data/loader/batch_maker.h"
#include "tests/data/loader/synthetic_loading.h"

namespace rtdetr::test {

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

TEST_CASE("an epoch is a permutation, another one each epoch, the same for the same seed") {
  const auto first = epoch_order(1000, true, 5, 0);
  CHECK(std::set<std::int64_t>(first.begin(), first.end()).size() == 1000);
  CHECK(first != epoch_order(1000, true, 5, 1));
  CHECK(first != epoch_order(1000, true, 6, 0));
  CHECK(first == epoch_order(1000, true, 5, 0));
  CHECK(epoch_order(3, false, 5, 0) == std::vector<std::int64_t>{0, 1, 2});
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

}  // namespace rtdetr::test
