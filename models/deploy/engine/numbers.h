#pragma once

#include <map>
#include <string>

#include "core/base/precision.h"
#include "models/deploy/engine/graph.h"

namespace rtdetr {

/// The smallest and largest number that a product was given.
struct InputRange {
  float low = 0, high = 0;
};

/// In what kind of numbers an engine multiplies.
struct EngineNumbers {
  NumberFormat format = NumberFormat::kFloat32;
  std::map<std::string, InputRange> ranges = {};  ///< int8: of the products that can be, by their names
};

/// Gives each Conv and Linear of a fused graph its numbers: those asked for, but float32
///
/// * where fewer than 16 channels come in: pictures and boxes, whose steps would be too coarse, in little work;
/// * in linear layers behind which only linear layers stand before a score is compared or a box moved. Of D-FINE's box
///   heads, whose distributions come between, the last layer is not among them.
void choose_numbers(EngineGraph& graph, const EngineNumbers& numbers);

}  // namespace rtdetr
