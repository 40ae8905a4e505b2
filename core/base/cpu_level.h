#pragma once

namespace rtdetr {

/// Instruction sets our CPU kernels are compiled for; the best one the machine has is used.
enum class CpuLevel { kBaseline, kAvx2, kAvx512 };
CpuLevel best_cpu_level();
/// Returns the level that kernels use now: the best one, unless a test chose a lower one.
CpuLevel cpu_level();
void set_cpu_level(CpuLevel level);

/// Beyond kAvx512, and not of all its processors: AVX512_BF16, AVX512_VNNI. False at a lower level.
bool has_bfloat16_products();
bool has_byte_products();

}  // namespace rtdetr
