#include "core/ops/packed/attention.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <torch/types.h>

#include "core/ops/packed/aligned_floats.h"
#include "core/ops/packed/narrow_attention.h"

using namespace rtdetr;

namespace {

constexpr std::int64_t kRows = 21, kHeads = 2, kWidth = 8, kNarrowWidth = 32;

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

std::vector<float> attended_narrow(const std::vector<float>& queries, std::int64_t rows, std::int64_t width,
                                   int threads = 1) {
  const std::int64_t row = kHeads * width;
  const std::vector<float> keys = waves(rows * row, 0.3F), values = waves(rows * row, 0.7F);
  std::vector<float> out(static_cast<std::size_t>(rows * row));
  std::vector<float> memory(static_cast<std::size_t>(narrow_attention_workspace_floats(rows, kHeads, width, threads)),
                            std::numeric_limits<float>::quiet_NaN());
  AlignedFloats workspace(std::ssize(memory));
  std::ranges::copy(memory, workspace.data());
  run_narrow_attention(
      {rows, kHeads, width, queries.data(), keys.data(), values.data(), row, row, row, out.data(), row},
      {workspace.data(), threads});
  return out;
}

/// In float64, of one head. [rows, width]
torch::Tensor attention_reference(const std::vector<float>& queries, std::int64_t rows, std::int64_t width,
                                  std::int64_t head) {
  const auto table = [&](const std::vector<float>& numbers) {
    return torch::tensor(numbers).reshape({rows, kHeads, width}).select(1, head).to(torch::kFloat64);
  };
  const torch::Tensor keys = table(waves(rows * kHeads * width, 0.3F)),
                      values = table(waves(rows * kHeads * width, 0.7F));
  const torch::Tensor scores = table(queries).matmul(keys.t()) / std::sqrt(static_cast<double>(width));
  return scores.softmax(1).matmul(values);
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

TEST_CASE("attention by products of bf16 is float64's to that precision, by any number of threads") {
  const std::int64_t width = GENERATE(32, 64), rows = GENERATE(1, 21, 64, 300);
  if (!can_attend_narrow(width)) {
    WARN("this processor has no AMX: nothing was tried");
    return;
  }
  const std::vector<float> queries = waves(rows * kHeads * width, 0.11F);
  const std::vector<float> narrow = attended_narrow(queries, rows, width);
  const torch::Tensor out = torch::tensor(narrow).reshape({rows, kHeads, width}).to(torch::kFloat64);
  for (std::int64_t head = 0; head < kHeads; ++head)
    CHECK((out.select(1, head) - attention_reference(queries, rows, width, head)).abs().max().item<double>() < 1e-2);
  CHECK(attended_narrow(queries, rows, width, 3) == narrow);
}

TEST_CASE("by products of bf16, too, a query that is not a number has no attention, the others have theirs") {
  if (!can_attend_narrow(kNarrowWidth)) {
    WARN("this processor has no AMX: nothing was tried");
    return;
  }
  std::vector<float> queries = waves(kRows * kHeads * kNarrowWidth, 0.11F);
  const std::vector<float> sound = attended_narrow(queries, kRows, kNarrowWidth);
  queries[3 * kHeads * kNarrowWidth + 2] = std::numeric_limits<float>::quiet_NaN();  // of row 3, head 0
  const std::vector<float> odd = attended_narrow(queries, kRows, kNarrowWidth);
  for (std::size_t i = 0; i < odd.size(); ++i) {
    const bool of_head = static_cast<std::int64_t>(i) / kNarrowWidth == 3 * kHeads;
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
