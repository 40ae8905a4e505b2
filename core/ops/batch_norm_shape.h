#pragma once

#include <cstdint>

/// The plain data of a BatchNorm call: no LibTorch here, CUDA sources include it too.
namespace rtdetr {

enum class NormActivation { kNone, kRelu, kSilu };

/// A channels-last map: all its pixels one after another, each a row of channels.
struct BatchNormShape {
  std::int64_t rows = 0, channels = 0;
};

}  // namespace rtdetr
