#pragma once

#include <array>

#include "core/base/choices.h"

namespace rtdetr {

/// Which parts of a model begin with another's weights.
enum class WeightsParts { kAll, kBackbone, kBackboneAndEncoder };
inline constexpr std::array<Choice<WeightsParts>, 3> kWeightsPartsWords{
    {{"all", WeightsParts::kAll},
     {"backbone", WeightsParts::kBackbone},
     {"backbone+encoder", WeightsParts::kBackboneAndEncoder}}};

}  // namespace rtdetr
