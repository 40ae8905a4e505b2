#include "losses/dense_criterion.h"

#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kKinds = 3, kBins = 16;
constexpr double kPixels = 64;

Tensor draws_of(std::uint64_t seed, at::IntArrayRef shape) {
  auto generator = torch::make_generator<torch::CPUGeneratorImpl>(seed);
  return torch::randn(shape, generator, torch::kFloat64);
}

/// Cells of 8 and of 16 pixels.
DenseGrid two_maps() {
  std::vector<Tensor> points, sizes, strides;
  for (const std::int64_t side : {8, 4}) {
    const Tensor at = torch::arange(side, torch::kFloat64) + 0.5;
    points.push_back(torch::stack({at.repeat({side}), at.repeat_interleave(side)}, 1));
    sizes.push_back(torch::full({side * side, 2}, static_cast<double>(side), torch::kFloat64));
    strides.push_back(torch::full({side * side, 1}, kPixels / static_cast<double>(side), torch::kFloat64));
  }
  return {torch::cat(points), torch::cat(sizes), torch::cat(strides)};
}

/// Of `batch` pictures from number `first` on: picture by picture the same draws.
ModelOutput dense_output(std::int64_t first, std::int64_t batch) {
  const auto extras = std::make_shared<DenseExtras>();
  extras->grid = two_maps();
  const std::int64_t anchors = extras->grid.points.size(0);
  std::vector<Tensor> logits, sides;
  for (std::int64_t b = first; b < first + batch; ++b) {
    logits.push_back(draws_of(2 * b, {anchors, kKinds}));
    sides.push_back(draws_of(2 * b + 1, {anchors, 4, kBins}) - torch::arange(kBins, torch::kFloat64));
  }
  extras->sides = torch::stack(sides).requires_grad_();
  extras->distances = distances_of(extras->sides, torch::arange(kBins, torch::kFloat64));
  ModelOutput output;
  output.layers.push_back({torch::stack(logits).requires_grad_(), torch::zeros({batch, anchors, 4}, torch::kFloat64)});
  output.extras = extras;
  return output;
}

/// Pictures of 2, 0, 1 and 3 boxes.
std::vector<Target> four_pictures() {
  std::vector<Target> targets;
  for (const std::int64_t count : {2, 0, 1, 3}) {
    const Tensor boxes =
        torch::tensor({{0.3, 0.4, 0.3, 0.5}, {0.7, 0.5, 0.2, 0.2}, {0.5, 0.5, 0.8, 0.9}}, torch::kFloat64);
    targets.push_back({torch::arange(count, torch::kInt64), boxes.slice(0, 0, count)});
  }
  return targets;
}

const CriterionOptions kYolo = CriterionOptions::yolov8();

TEST_CASE("dense losses of processes that know of each other average to those of one") {
  const std::vector<Target> all = four_pictures();
  DenseAssignment assigned;
  const CriterionResult whole = compute_dense_losses(dense_output(0, 4), all, {.pictures = 4}, {}, &assigned);
  const double sum = assigned.scores.sum().item<double>();
  REQUIRE(sum > 1);
  WholeStep part{.pictures = 2, .joint_pairs = [&](double) { return sum / 2; }, .batch = 4, .processes = 2};
  const std::span<const Target> targets(all);
  const CriterionResult first = compute_losses(dense_output(0, 2), targets.first(2), part, kYolo);
  const CriterionResult second = compute_losses(dense_output(2, 2), targets.subspan(2), part, kYolo);
  CHECK(((first.values + second.values) / 2 - whole.values).abs().max().item<double>() < 1e-12);
  CHECK(((first.total + second.total) / 2 - whole.total).item<double>() == Approx(0).margin(1e-12));
}

TEST_CASE("the divisor of dense losses is never less than one, nor a process' share of one") {
  const std::vector<Target> none(2, Target{torch::empty({0}, torch::kInt64), torch::empty({0, 4}, torch::kFloat64)});
  const Tensor one = compute_losses(dense_output(0, 2), none, {.pictures = 2}, kYolo).values;
  const WholeStep part{.pictures = 1, .joint_pairs = [](double own) { return own; }, .batch = 4, .processes = 4};
  CHECK((compute_losses(dense_output(0, 2), none, part, kYolo).values / 4 - one).abs().max().item<double>() < 1e-12);
}

TEST_CASE("pictures without boxes teach classes alone, and the boxes' graph is whole") {
  const std::vector<Target> none(2, Target{torch::empty({0}, torch::kInt64), torch::empty({0, 4}, torch::kFloat64)});
  const ModelOutput output = dense_output(0, 2);
  const CriterionResult result = compute_losses(output, none, 0, kYolo);
  CHECK(result.values[0].item<double>() > 0);
  CHECK(result.values.slice(0, 1).count_nonzero().item<int>() == 0);
  CHECK(result.total.item<double>() == Approx(2 * result.values.sum().item<double>()));
  result.total.backward();
  const Tensor& gradient = dynamic_cast<const DenseExtras&>(*output.extras).sides.grad();
  REQUIRE(gradient.defined());
  CHECK(gradient.count_nonzero().item<int>() == 0);
}

TEST_CASE("an anchor learns one box, no box more anchors than it may take") {
  DenseAssignment found;
  compute_dense_losses(dense_output(0, 4), four_pictures(), {.pictures = 4}, {}, &found);
  CHECK(std::get<0>(at::_unique(found.anchors)).size(0) == found.anchors.size(0));
  CHECK(found.scores.min().item<double>() > 0);
  CHECK(found.scores.max().item<double>() <= 1);
  CHECK(torch::bincount(found.targets).max().item<std::int64_t>() <= 10);
}

TEST_CASE("dense losses of a head without cells, and labels that are not there, are refused") {
  ModelOutput output = dense_output(0, 4);
  std::vector<Target> targets = four_pictures();
  targets[0].labels = torch::tensor({0, 3}, torch::kInt64);
  CHECK_THROWS_AS(compute_losses(output, targets, 6, kYolo), DataError);
  output.extras = nullptr;
  CHECK_THROWS_AS(compute_losses(output, four_pictures(), 6, kYolo), InternalError);
}

}  // namespace
}  // namespace rtdetr
