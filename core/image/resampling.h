#pragma once

namespace rtdetr {

/// How a picture is brought to another size.
enum class Resampling {
  kPillowBilinear,  ///< antialiased when shrinking; the official pipeline. Bit-exact with Pillow 13
                    ///< (docs/reference/official_behaviour.md#resize)
  kOpencvLinear,    ///< no antialias; Ultralytics' pipeline
};

}  // namespace rtdetr
