#pragma once

#include <array>
#include <string>

#include "core/base/choices.h"
#include "core/base/precision_type.h"

namespace rtdetr {

inline constexpr std::array<Choice<Precision>, 3> kPrecisionWords{
    {{"fp32", Precision::kFloat32}, {"bf16", Precision::kBFloat16}, {"fp16", Precision::kFloat16}}};
inline std::string precision_name(Precision precision) { return word_of(precision, kPrecisionWords); }

}  // namespace rtdetr
