#pragma once

#include <cstddef>
#include <vector>

namespace rtdetr {

/// A JPEG of 640 × 480 pixels made from fixed random numbers: smooth colours with grain, which decodes at about the
/// speed of a photograph. For benchmarks that are given no picture.
std::vector<std::byte> sample_picture_bytes();

}  // namespace rtdetr
