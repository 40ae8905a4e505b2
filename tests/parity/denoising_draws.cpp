#include "tests/parity/denoising_draws.h"

#include <torch/types.h>

#include <numeric>

#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr std::int64_t kClasses = 80;

Tensor integers_by_key(const std::string& key, const std::vector<std::int64_t>& shape, std::int64_t below) {
  return (uniform_by_key(key, shape) * below).floor().to(torch::kInt64);
}

}  // namespace

DenoisingDraws official_draws(std::int64_t batch, std::int64_t queries) {
  return {uniform_by_key("dn.label_u", {batch, queries}), integers_by_key("dn.label_new", {batch, queries}, kClasses),
          integers_by_key("dn.sign_bit", {batch, queries, 4}, 2), uniform_by_key("dn.box_u", {batch, queries, 4})};
}

DenoisingDraws ultralytics_draws(const std::vector<std::int64_t>& counts, const DenoisingPairs& plan,
                                 double label_noise_ratio, std::int64_t classes) {
  const auto batch = static_cast<std::int64_t>(counts.size()), halves = 2 * plan.groups;
  const std::int64_t total = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  const Tensor label_u = uniform_by_key("dn.label_u", {halves * total}), replaced = label_u < 0.5 * label_noise_ratio;
  const Tensor label_new = torch::zeros({halves * total}, torch::kInt64);
  label_new.masked_scatter_(replaced, integers_by_key("dn.label_new", {replaced.sum().item<std::int64_t>()}, classes));
  const Tensor sign_bit = integers_by_key("dn.sign_bit", {halves * total, 4}, 2);
  const Tensor box_u = uniform_by_key("dn.box_u", {halves * total, 4});

  DenoisingDraws draws = {
      torch::ones({batch, plan.queries}, torch::kFloat64), torch::zeros({batch, plan.queries}, torch::kInt64),
      torch::zeros({batch, plan.queries, 4}, torch::kInt64), torch::zeros({batch, plan.queries, 4}, torch::kFloat64)};
  std::int64_t first = 0;
  for (std::int64_t image = 0; image < batch; ++image) {
    for (std::int64_t half = 0; half < halves; ++half) {
      const auto copy = [&](const Tensor& to, const Tensor& from) {
        to[image]
            .narrow(0, half * plan.queries / halves, counts[image])
            .copy_(from.narrow(0, half * total + first, counts[image]));
      };
      copy(draws.label_u, label_u);
      copy(draws.label_new, label_new);
      copy(draws.sign_bit, sign_bit);
      copy(draws.box_u, box_u);
    }
    first += counts[image];
  }
  return draws;
}

}  // namespace rtdetr::test
