#pragma once

namespace rtdetr {

/// Instruction sets our CPU kernels are compiled for; the best one the machine has is used. kAmx is AVX-512 with AMX's
/// tiles of bfloat16 and bytes, which the system has allowed this process.
enum class CpuLevel { kBaseline, kAvx2, kAvx512, kAmx };
CpuLevel best_cpu_level();
/// Returns the level that kernels use now: the best one, unless a test chose a lower one.
CpuLevel cpu_level();
void set_cpu_level(CpuLevel level);

/// Not of all processors of kAvx512: AVX512_BF16, AVX512_VNNI. False at a lower level.
bool has_bfloat16_products();
bool has_byte_products();
inline bool has_tile_products() { return cpu_level() >= CpuLevel::kAmx; }

}  // namespace rtdetr
