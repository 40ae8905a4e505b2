#pragma once

#include <array>

#include "core/base/choices.h"

namespace rtdetr {

/// What `amp=` asks for.
enum class Amp { kOff, kBFloat16, kFloat16, kAuto };
inline constexpr std::array<Choice<Amp>, 4> kAmpWords{
    {{"off", Amp::kOff}, {"bf16", Amp::kBFloat16}, {"fp16", Amp::kFloat16}, {"auto", Amp::kAuto}}};

}  // namespace rtdetr
