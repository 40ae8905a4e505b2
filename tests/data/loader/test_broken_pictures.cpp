#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "data/loader/loader.h"
#include "tests/data/loader/synthetic_loading.h"
#include "tests/support/captured_stderr.h"

namespace rtdetr::test {
namespace {

SampleSource failing_at(std::set<std::int64_t> broken) {
  return [broken = std::move(broken)](std::int64_t index) {
    if (broken.count(index)) throw DataError("picture" + std::to_string(index) + ".jpg: broken");
    return make_sample(index);
  };
}

}  // namespace

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
  const std::string log = stderr_of([&] {
    Loader loader(dataset, small_training(), loading(2), [](std::int64_t index) {
      Sample sample = make_sample(index);
      if (index == 3 || index == 5) sample.picture.warnings = {"of the loader's own test"};
      return sample;
    });
    for (int epoch = 0; epoch < 3; ++epoch) {
      loader.start(epoch);
      for (int batch = 0; batch < loader.batches_per_epoch(); ++batch) loader.next();  // and no more is asked for
    }
    std::fputs("the end\n", stderr);
  });
  const std::size_t said = log.find("2 pictures are read whole, though the decoder warns: of the loader's own test");
  REQUIRE(said != std::string::npos);
  CHECK(said < log.find("the end"));
  CHECK(std::count(log.begin(), log.end(), '\n') == 2);
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

}  // namespace rtdetr::test
