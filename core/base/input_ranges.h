#pragma once

#include <map>
#include <string>

namespace rtdetr {

/// The smallest and largest number that a product is given, and 0.
struct InputRange {
  float low = 0, high = 0;

  bool operator==(const InputRange&) const = default;
};
/// A model's calibration: those of its products, by their names in the CPU engine (models/deploy/engine/engine.h).
using InputRanges = std::map<std::string, InputRange>;

}  // namespace rtdetr
