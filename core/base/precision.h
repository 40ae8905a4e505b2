#pragma once

#include <array>
#include <string>

#include "core/base/choices.h"
#include "core/base/precision_type.h"

namespace rtdetr {

/// In which weights are stored, and a model trains.
inline constexpr std::array<Choice<Precision>, 3> kFloatWords{
    {{"fp32", Precision::kFloat32}, {"bf16", Precision::kBFloat16}, {"fp16", Precision::kFloat16}}};
/// In which a model detects.
inline constexpr std::array<Choice<Precision>, 4> kPrecisionWords{
    {kFloatWords[0], kFloatWords[1], kFloatWords[2], {"int8", Precision::kInt8}}};
inline std::string precision_name(Precision precision) { return word_of(precision, kPrecisionWords); }

}  // namespace rtdetr
