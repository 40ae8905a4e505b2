#pragma once

#include <set>
#include <string>

#include "core/base/input_ranges.h"
#include "core/base/precision.h"
#include "models/deploy/engine/graph.h"

namespace rtdetr {

/// In what kind of numbers an engine multiplies.
struct EngineNumbers {
  NumberFormat format = NumberFormat::kFloat32;
  InputRanges ranges = {};  ///< int8: CpuEngine::add_input_ranges
};

/// What an engine computes a precision with. @throws InternalError  for fp16, which it has not
NumberFormat number_format(Precision precision);

/// Why no engine can compute in `precision`; "" if one can.
/// @param ranges  of the model, which int8 needs
std::string why_not(Precision precision, const InputRanges& ranges);

/// Values that become a score or a box by linear layers alone.
std::set<int> precise_values(const EngineGraph& graph);

/// Gives each Conv and Linear of a fused graph its numbers: those asked for, but float32
///
/// * in int8, where nothing is known of what comes in, or more numbers are multiplied than an int32 can sum up;
/// * where fewer than 16 channels come in: pictures and boxes, whose steps would be too coarse, in little work;
/// * in linear layers behind which only linear layers stand before a score is compared or a box moved. Of D-FINE's box
///   heads, whose distributions come between, the last layer is not among them.
void choose_numbers(EngineGraph& graph, const EngineNumbers& numbers);

}  // namespace rtdetr
