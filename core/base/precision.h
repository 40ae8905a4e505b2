#pragma once

#include <array>
#include <string>

#include "core/base/choices.h"

namespace rtdetr {

/// Number type of a model's forward and backward pass; weights, boxes, losses and the optimizer stay float32.
enum class Precision { kFloat32, kBFloat16, kFloat16 };
inline constexpr std::array<Choice<Precision>, 3> kPrecisionWords{
    {{"fp32", Precision::kFloat32}, {"bf16", Precision::kBFloat16}, {"fp16", Precision::kFloat16}}};
inline std::string precision_name(Precision precision) { return word_of(precision, kPrecisionWords); }

}  // namespace rtdetr
