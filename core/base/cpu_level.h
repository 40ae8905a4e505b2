#pragma once

namespace rtdetr {

/// Instruction sets our CPU kernels are compiled for; the best one the machine has is used.
enum class CpuLevel { kBaseline, kAvx2, kAvx512 };
CpuLevel best_cpu_level();
/// Returns the level that kernels use now: the best one, unless a test chose a lower one.
CpuLevel cpu_level();
void set_cpu_level(CpuLevel level);

}  // namespace rtdetr
