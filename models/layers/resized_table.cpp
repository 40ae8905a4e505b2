#include "models/layers/resized_table.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <torch/types.h>

namespace rtdetr {
namespace {

/// Where the centre of entry `o` of `out` lies among `in` entries.
double centre_of(std::int64_t o, std::int64_t in, std::int64_t out) {
  return (static_cast<double>(o) + 0.5) * (static_cast<double>(in) / static_cast<double>(out)) - 0.5;
}

/// Keys' cubic convolution kernel at a distance.
double cubic_weight(double distance) {
  constexpr double a = -0.75;
  const double x = std::abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/// Adds `weight` at a column, or at the border's beyond it.
void add_at(const torch::Tensor& matrix, std::int64_t row, std::int64_t column, double weight) {
  const std::int64_t inside = std::clamp<std::int64_t>(column, 0, matrix.size(1) - 1);
  matrix.mutable_data_ptr<double>()[row * matrix.size(1) + inside] += weight;
}

}  // namespace

torch::Tensor linear_resize(std::int64_t in, std::int64_t out) {
  const torch::Tensor matrix = torch::zeros({out, in}, torch::kFloat64);
  for (std::int64_t o = 0; o < out; ++o) {
    const double centre = std::max(0.0, centre_of(o, in, out));
    const auto first = static_cast<std::int64_t>(centre);
    const double share = centre - static_cast<double>(first);
    add_at(matrix, o, first, 1 - share);
    add_at(matrix, o, first + 1, share);
  }
  return matrix;
}

torch::Tensor cubic_resize(std::int64_t in, std::int64_t out) {
  const torch::Tensor matrix = torch::zeros({out, in}, torch::kFloat64);
  for (std::int64_t o = 0; o < out; ++o) {
    const double centre = centre_of(o, in, out), base = std::floor(centre);
    for (std::int64_t tap = -1; tap <= 2; ++tap)
      add_at(matrix, o, static_cast<std::int64_t>(base) + tap, cubic_weight(centre - base - static_cast<double>(tap)));
  }
  return matrix;
}

torch::Tensor relative_places(std::int64_t side, std::int64_t length) {
  const torch::Tensor line = torch::arange(side, torch::kInt64);
  const torch::Tensor offsets = line.unsqueeze(1) - line.unsqueeze(0) + (side - 1);  // [side, side]
  return linear_resize(length, 2 * side - 1).index_select(0, offsets.flatten());
}

}  // namespace rtdetr
