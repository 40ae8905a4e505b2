#include "core/ops/packed/attention.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/ops/packed/aligned_floats.h"

using namespace rtdetr;

namespace {

constexpr std::int64_t kRows = 21, kHeads = 2, kWidth = 8;

std::vector<float> waves(std::int64_t count, float step) {
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::sin(step * static_cast<float>(i));
  return numbers;
}

std::vector<float> attended(const std::vector<float>& queries) {
  const std::int64_t row = kHeads * kWidth;
  const std::vector<float> keys = waves(kRows * row, 0.3F), values = waves(kRows * row, 0.7F);
  std::vector<float> out(kRows * row);
  AlignedFloats workspace(attention_workspace_floats(kRows, kHeads, kWidth, 1));
  run_attention({kRows, kHeads, kWidth, queries.data(), keys.data(), values.data(), row, row, row, out.data(), row},
                {workspace.data(), 1});
  return out;
}

bool is_nan(float number) { return std::isnan(number); }

}  // namespace

TEST_CASE("a query that is not a number has no attention, the others have theirs") {
  std::vector<float> queries = waves(kRows * kHeads * kWidth, 0.11F);
  const std::vector<float> sound = attended(queries);
  CHECK(std::ranges::none_of(sound, is_nan));
  queries[3 * kHeads * kWidth + 2] = std::numeric_limits<float>::quiet_NaN();  // of row 3, head 0
  const std::vector<float> odd = attended(queries);
  for (std::size_t i = 0; i < odd.size(); ++i) {
    const bool of_head = static_cast<std::int64_t>(i) / kWidth == 3 * kHeads;
    CHECK(std::isnan(odd[i]) == of_head);
    if (!of_head) CHECK(odd[i] == sound[i]);
  }
}

TEST_CASE("a score of a sampled point that is not a number leaves no share of its head") {
  constexpr std::int64_t kPoints = 5;
  std::vector<float> scores = waves(kHeads * kPoints, 0.9F);
  const std::vector<float> offsets(kHeads * kPoints * 2, 0.1F), box{0.5F, 0.5F, 0.2F, 0.2F};
  std::vector<float> places(kHeads * kPoints * 2), shares(kHeads * kPoints);
  const auto place = [&] {
    place_samples({1, kHeads, kPoints, offsets.data(), scores.data(), box.data(), kHeads * kPoints * 2,
                   kHeads * kPoints, 4, places.data(), shares.data()});
  };
  place();
  CHECK(std::ranges::none_of(shares, is_nan));
  scores[7] = std::numeric_limits<float>::quiet_NaN();
  place();
  CHECK(std::all_of(shares.begin() + kPoints, shares.end(), is_nan));
  CHECK(std::none_of(shares.begin(), shares.begin() + kPoints, is_nan));
}
