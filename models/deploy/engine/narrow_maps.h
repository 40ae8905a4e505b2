#pragma once

#include "models/deploy/engine/layout.h"

namespace rtdetr {

/// Keeps values between the steps as bf16 where every step that reads or writes them takes that (step.h, narrow_maps):
/// what the processor multiplies in narrow numbers is rounded to them anyway, and moves half the memory then.
void narrow_maps(EngineLayout& layout);

}  // namespace rtdetr
