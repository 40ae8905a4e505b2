#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <vector>

#include "core/base/error.h"
#include "core/base/random.h"

using namespace rtdetr;
using Words = std::array<std::uint32_t, 4>;

// The three vectors are those of Random123's kat_vectors, philox4x32 with 10 rounds.
TEST_CASE("Philox gives its published answers") {
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint32_t kOnes = 0xffffffff;
  CHECK(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream depends on its key alone, and different keys give different streams") {
  const auto first_words = [](std::uint64_t seed, RandomPurpose purpose, std::uint64_t epoch, std::uint64_t index) {
    Random random(seed, purpose, epoch, index);
    std::vector<std::uint32_t> words(8);
    for (auto& word : words) word = random.next_u32();
    return words;
  };
  const auto shuffle = RandomPurpose::kShuffle;
  CHECK(first_words(7, shuffle, 3, 11) == first_words(7, shuffle, 3, 11));
  std::set<std::vector<std::uint32_t>> streams = {first_words(7, shuffle, 3, 11),
                                                  first_words(8, shuffle, 3, 11),
                                                  first_words(7, shuffle, 4, 11),
                                                  first_words(7, shuffle, 3, 12),
                                                  first_words(7, shuffle, 11, 3),
                                                  first_words(7, shuffle, 3, 11 + (1ull << 32)),
                                                  first_words(7 + (1ull << 32), shuffle, 3, 11),
                                                  first_words(7, RandomPurpose::kAugmentation, 3, 11)};
  CHECK(streams.size() == 8);
}

TEST_CASE("uniform numbers fill [0, 1) evenly") {
  Random random(1, RandomPurpose::kAugmentation, 0, 0);
  std::vector<int> bins(10);
  double sum = 0;
  for (int i = 0; i < 100'000; ++i) {
    const double number = random.uniform();
    REQUIRE(number >= 0);
    REQUIRE(number < 1);
    sum += number;
    ++bins[static_cast<int>(number * 10)];
  }
  CHECK(sum / 100'000 == Approx(0.5).margin(0.005));
  CHECK(*std::min_element(bins.begin(), bins.end()) > 9'600);
  CHECK(*std::max_element(bins.begin(), bins.end()) < 10'400);
}

TEST_CASE("whole numbers below n are drawn evenly, also when n does not divide 2^64") {
  Random random(1, RandomPurpose::kShuffle, 0, 0);
  std::vector<int> counts(3);
  for (int i = 0; i < 30'000; ++i) ++counts[random.below(3)];
  for (const int count : counts) CHECK(std::abs(count - 10'000) < 350);
  CHECK(random.below(1) == 0);
  const std::uint64_t third = 1ull << 62;
  int low = 0;
  for (int i = 0; i < 3'000; ++i) low += random.below(3 * third) < third;
  CHECK(std::abs(low - 1'000) < 120);  // 1,500 if the draws from 3/4 of 2^64 on were not thrown away
}

TEST_CASE("drawing below zero and an epoch beyond 32 bits are refused") {
  Random random(1, RandomPurpose::kShuffle, 0, 0);
  CHECK_THROWS_AS(random.below(0), InternalError);
  CHECK_THROWS_AS(Random(1, RandomPurpose::kShuffle, 1ull << 32, 0), InternalError);
}
