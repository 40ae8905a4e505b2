#pragma once

#include <vector>

#include "models/heads/detr/denoising.h"

/// The random numbers with which the fixtures' denoising groups were made (tests/fixtures/README.md §2), 80 classes
/// unless said.
namespace rtdetr::test {

/// v1 and v2: one number per slot.
DenoisingDraws official_draws(std::int64_t batch, std::int64_t queries);

/// Ultralytics, and DINO like it, draws once per (group, half, target of the whole batch), and new labels for the
/// replaced ones alone; this puts its numbers where ours stand.
///
/// @param counts  boxes of each image
DenoisingDraws ultralytics_draws(const std::vector<std::int64_t>& counts, const DenoisingPairs& plan,
                                 double label_noise_ratio, std::int64_t classes = 80);

}  // namespace rtdetr::test
