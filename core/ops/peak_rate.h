#pragma once

#include <torch/types.h>

#include "core/base/precision.h"

namespace rtdetr {

/// Billions of operations a second (2 per multiply-add) that the device reaches in a large product of
/// matrices, the best of several in about a fifth of a second: what a model's speed can be held against. One that
/// computes with fewer operations than are counted (Winograd's convolutions) may pass it.
/// @param threads  on the CPU; 0 = as many as the calling thread has set
double peak_rate(torch::Device device, Precision precision, int threads = 0);

}  // namespace rtdetr
