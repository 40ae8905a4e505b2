#pragma once

#include <array>

#include "core/base/choices.h"

namespace rtdetr {

/// What `amp=` asks for; int8 for what detects alone.
enum class Amp { kOff, kBFloat16, kFloat16, kInt8, kAuto };
inline constexpr std::array<Choice<Amp>, 5> kAmpWords{{{"off", Amp::kOff},
                                                       {"bf16", Amp::kBFloat16},
                                                       {"fp16", Amp::kFloat16},
                                                       {"int8", Amp::kInt8},
                                                       {"auto", Amp::kAuto}}};

}  // namespace rtdetr
