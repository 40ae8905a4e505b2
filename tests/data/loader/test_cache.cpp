#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "data/loader/float_pool.h"
#include "data/loader/loader.h"
#include "data/loader/sample_cache.h"
#include "tests/data/loader/synthetic_loading.h"

namespace rtdetr::test {

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

}  // namespace rtdetr::test
