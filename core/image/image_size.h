#pragma once

#include "core/base/cpp20.h"

#include <cstdint>

namespace rtdetr {

/// Largest stride of the published models: what sizes go by where there is no model to ask.
inline constexpr std::int64_t kUsualStride = 32;

/// Size of the network's input as users write it: `640`, or `480,640` for height and width. 0 = not said.
struct ImageSize {
  std::int64_t height = 0;
  std::int64_t width = 0;
  bool is_set() const { return height > 0; }
  bool operator==(const ImageSize&) const = default;
};

}  // namespace rtdetr
