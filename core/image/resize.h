#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/base/choices.h"
#include "core/image/picture.h"
#include "core/image/resampling.h"

namespace rtdetr {

inline constexpr std::array<Choice<Resampling>, 2> kResamplingWords{
    {{"pillow", Resampling::kPillowBilinear}, {"opencv", Resampling::kOpencvLinear}}};

/// Whether Pillow's resize runs down the columns before it runs along the rows. As both passes round to bytes, the
/// order shows in single bits. Pillow 13 puts the height first when it loses more than twice as many pixels as the
/// width (older versions never do).
inline bool pillow_resizes_height_first(int width, int height, int new_width, int new_height) {
  const std::int64_t width_loss = std::max(std::int64_t{width} - new_width, std::int64_t{0});
  return std::int64_t{height} - new_height > 2 * width_loss;
}

/// @throws InternalError  if a side is not positive
Picture resize(const Picture& picture, int width, int height, Resampling method = Resampling::kPillowBilinear);

}  // namespace rtdetr
