#pragma once

#include <cstdint>

/// The plain data of a deformable attention call: no LibTorch here, CUDA sources include it too.
namespace rtdetr {

inline constexpr int kMaxLevels = 8;

enum class SamplingMethod {
  kBilinear,        ///< bilinear, zero padding, align_corners = false
  kDiscrete,        ///< RT-DETRv2's nearest gather, clamped to the map; no gradient to the locations
  kDiscreteSquare,  ///< the same with the official slip: columns are clamped by the *height* (equal on square maps)
};

/// One call's sizes and level table, passed by value to kernels.
struct MsDeformAttnShape {
  std::int64_t batch = 0, tokens = 0, heads = 0, channels = 0, queries = 0, points = 0;  // B S M D Q P
  int levels = 0;
  std::int32_t height[kMaxLevels] = {}, width[kMaxLevels] = {};
  std::int32_t first_token[kMaxLevels] = {};      ///< of each level
  std::int32_t first_point[kMaxLevels + 1] = {};  ///< of each level, then P
  SamplingMethod method = SamplingMethod::kBilinear;
};

}  // namespace rtdetr
