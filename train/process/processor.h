#pragma once

#include <string>

/// What this process computes with, told without LibTorch.
namespace rtdetr {

/// Physical cores this process may use: distinct cores among the processors of its affinity mask, not more than a
/// container's CPU quota; at least 1.
int physical_cores();

/// The instructions that LibTorch's own kernels will use, in its words: "AVX512", "AVX2", "DEFAULT".
/// ATEN_CPU_CAPABILITY in the environment chooses, as it does there.
std::string cpu_capability();

}  // namespace rtdetr
