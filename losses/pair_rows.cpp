#include "losses/pair_rows.h"

#include <torch/types.h>

#include "core/tensor/upload.h"

namespace rtdetr {

PairRows rows_of_pairs(const std::vector<std::vector<Match>>& matches, std::int64_t queries,
                       const BatchTargets& targets, const std::vector<double>& normalizer,
                       const torch::TensorOptions& options) {
  std::vector<std::int64_t> numbers, wanted, per_set;
  std::int64_t first_row = 0;
  for (const std::vector<Match>& images : matches) {
    const std::size_t before = numbers.size();
    for (std::size_t image = 0; image < images.size(); ++image) {
      for (const std::int64_t query : images[image].queries) numbers.push_back(first_row + query);
      for (const std::int64_t target : images[image].targets) wanted.push_back(targets.offsets[image] + target);
      first_row += queries;
    }
    per_set.push_back(static_cast<std::int64_t>(numbers.size() - before));
  }
  const auto pairs = static_cast<std::int64_t>(numbers.size());
  numbers.insert(numbers.end(), wanted.begin(), wanted.end());
  const std::vector<Tensor> there =
      upload({torch::tensor(numbers, torch::kInt64), torch::tensor(normalizer, options.device(torch::kCPU))},
             options.device());
  return {there[0].slice(0, 0, pairs), there[0].slice(0, pairs), there[1], std::move(per_set)};
}

}  // namespace rtdetr
