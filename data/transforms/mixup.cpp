#include "data/transforms/mixup.h"

#include <cmath>

namespace rtdetr {

bool chance_of_mixup(const TransformOptions& options, std::int64_t epoch, Random& random) {
  return options.mixup > 0 && options.mixup_kind == BlendKind::kUltralytics && may_blend(options, epoch) &&
         random.chance(options.mixup);
}

double draw_mixup_share(Random& random) {
  // Beta(n, n) is G / (G + H) of two sums of n exponential draws.
  constexpr int kShape = 32;
  const auto gamma = [&] {
    double sum = 0;
    for (int i = 0; i < kShape; ++i) sum -= std::log1p(-random.uniform());
    return sum;
  };
  const double first = gamma(), second = gamma();
  return first / (first + second);
}

double draw_batch_share(const TransformOptions& options, std::uint64_t seed, std::int64_t epoch, std::int64_t batch) {
  if (options.mixup <= 0 || options.mixup_kind != BlendKind::kDeim || !may_blend(options, epoch)) return 1;
  Random random(seed, RandomPurpose::kMixup, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(batch));
  return random.chance(options.mixup) ? std::round(random.uniform(0.45, 0.55) * 1e6) / 1e6 : 1;
}

void mix(float* chw, const float* other, std::size_t size, double share, Batch::Image& target,
         const Batch::Image& other_target) {
  const auto first = static_cast<float>(share), second = static_cast<float>(1 - share);
  for (std::size_t i = 0; i < size; ++i) chw[i] = first * chw[i] + second * other[i];
  target.labels.insert(target.labels.end(), other_target.labels.begin(), other_target.labels.end());
  target.boxes_cxcywh.insert(target.boxes_cxcywh.end(), other_target.boxes_cxcywh.begin(),
                             other_target.boxes_cxcywh.end());
}

}  // namespace rtdetr
